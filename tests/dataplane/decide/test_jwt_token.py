"""Tokens: the examples of RFC 7515, appendix A, and the texts of what is no token."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from meshsim.dataplane.decide.jwt_token import Key, Token, decode_base64url, parse_key_set, parse_token, verify

PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RFC = {
    "HS256": (
        f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        {
            "kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        },
    ),
    "RS256": (
        f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
        "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
        "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
        "Ge77Rw",
        {
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL"
            "-yRT-SFd2lZ"
            "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTB"
            "EMa2R2CapH"
            "g665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW"
            "9gb54h4FRW"
            "yuXpoQ",
            "e": "AQAB",
        },
    ),
    "ES256": (
        f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
    ),
}

JOSE = {
    "ES512": (
        "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4."
        "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
        {
            "kty": "EC",
            "crv": "P-521",
            "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
            "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
        },
    ),
    "EdDSA": (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ),
}
"""RFC 7520 section 4.3 and RFC 8037 appendix A.4: signatures over texts that are no claims."""


def signed(text: str, algorithm: str) -> Token:
    head, payload, signature = text.split(".")
    content = decode_base64url(signature)
    assert content is not None
    return Token({}, algorithm, "", {}, payload, f"{head}.{payload}".encode(), content)


@pytest.mark.parametrize("algorithm", JOSE)
def test_other_examples_verify_and_changed_ones_do_not(algorithm: str) -> None:
    text, key = JOSE[algorithm]
    token = signed(text, algorithm)
    (public,) = keys(key)
    assert verify(token, (public,)) == ""
    for changed in (
        token._replace(signed=token.signed + b"x"),
        token._replace(signature=token.signature[:-1] + bytes([token.signature[-1] ^ 1])),
    ):
        assert verify(changed, (public,)) == "Jwt verification fails"
    short = "Jwt verification fails" if algorithm == "ES512" else "Jwt ED25519 signature is wrong length"
    assert verify(token._replace(signature=token.signature[:-1]), (public,)) == short


def test_the_key_says_what_is_checked() -> None:
    """As Envoy 1.40 does it: tests/conformance/test_envoy_jwt.py."""
    text, key = JOSE["EdDSA"]
    assert verify(signed(text, "ES256"), keys(key)) == ""
    text, key = JOSE["ES512"]
    assert verify(signed(text, "ES384"), keys(key)) == "Jwt verification fails", "another hash"
    text, key = RFC["ES256"]
    token = signed(text, "RS256")
    assert verify(token, keys(key)) == ""
    assert verify(token, keys(JOSE["EdDSA"][1], key)) == "", "64 bytes are tried as Ed25519 first"


def test_keys_of_other_sizes_and_curves_are_none() -> None:
    assert keys({"kty": "OKP", "crv": "Ed448", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}) == ()
    assert keys({"kty": "OKP", "crv": "Ed25519", "x": "11qY"}) == ()


def keys(*bodies: dict[str, str]) -> tuple[Key, ...]:
    return parse_key_set(json.dumps({"keys": bodies}))


@pytest.mark.parametrize("algorithm", RFC)
def test_the_examples_of_the_rfc_verify(algorithm: str) -> None:
    text, key = RFC[algorithm]
    token = parse_token(text)
    assert isinstance(token, Token)
    assert (token.issuer, token.algorithm) == ("joe", algorithm)
    assert verify(token, keys(key)) == ""
    head, payload, signature = text.split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    other = parse_token(f"{head}.{payload}.{flipped}")
    assert isinstance(other, Token)
    assert verify(other, keys(key)) == "Jwt verification fails"


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_pss_signatures() -> None:
    """A signature made here by the rules of RFC 8017 section 9.1.1, with a textbook-size key of known factors."""
    p, q = 2**521 - 1, 2**607 - 1
    n, e = p * q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    signed = f"{encode({'alg': 'PS256'})}.{encode({'iss': 'x'})}"
    em_bits = n.bit_length() - 1
    length = (em_bits + 7) // 8
    salt = b"s" * 32
    digest = hashlib.sha256(b"\x00" * 8 + hashlib.sha256(signed.encode()).digest() + salt).digest()
    block = b"\x00" * (length - 32 - 32 - 2) + b"\x01" + salt
    stream = b"".join(hashlib.sha256(digest + i.to_bytes(4, "big")).digest() for i in range(len(block) // 32 + 1))
    masked = bytearray(a ^ b for a, b in zip(block, stream))
    masked[0] &= 0xFF >> (8 * length - em_bits)
    number = pow(int.from_bytes(bytes(masked) + digest + b"\xbc", "big"), d, n)
    signature = base64.urlsafe_b64encode(number.to_bytes((n.bit_length() + 7) // 8, "big")).decode().rstrip("=")
    token = parse_token(f"{signed}.{signature}")
    assert isinstance(token, Token)
    assert verify(token, (Key("RSA", "", "", (n, e)),)) == ""
    assert verify(token._replace(signed=b"other"), (Key("RSA", "", "", (n, e)),)) == "Jwt verification fails"


def test_choosing_the_key() -> None:
    text, key = RFC["HS256"]
    token = parse_token(text)
    assert isinstance(token, Token)
    assert verify(token, keys({**key, "alg": "HS512"})) == "Jwks doesn't have key to match kid or alg from Jwt"
    assert verify(token._replace(key_id="a"), keys({**key, "kid": "b"})).startswith("Jwks doesn't have key")
    assert verify(token, ()) == "Jwks doesn't have any valid public key"
    assert verify(token, keys({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, key)) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
        ("?.a.b", "Jwt header is an invalid Base64url encoded"),
        (f"{encode([])}.a.b", "Jwt header is an invalid JSON"),
        (f"{encode({})}.a.b", "Jwt header [alg] field is required and must be a string"),
        (f"{encode({'alg': 'none'})}.a.b", "Jwt header [alg] is not supported"),
        (f"{encode({'alg': 'RS256', 'kid': 1})}.a.b", "Jwt header [kid] field is not a string"),
        (f"{encode({'alg': 'RS256'})}.?.b", "Jwt payload is an invalid Base64url encoded"),
        (f"{encode({'alg': 'RS256'})}.{encode({'iss': 1})}.b", "Jwt payload [iss] field is not a string"),
        (
            f"{encode({'alg': 'RS256'})}.{encode({'aud': [1]})}.b",
            "Jwt payload [aud] field is not a string or string list",
        ),
        (
            f"{encode({'alg': 'RS256'})}.{encode({'exp': -1})}.b",
            "Jwt payload [exp] field is not a positive 64 bit integer",
        ),
        (f"{encode({'alg': 'RS256'})}.{encode({'nbf': 'x'})}.b", "Jwt payload [nbf] field is not an integer"),
        (
            f"{encode({'alg': 'RS256'})}.{encode({})}.",
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        ),
        (f"{encode({'alg': 'RS256'})}.{encode({})}.?", "Jwt signature is an invalid Base64url encoded"),
    ],
)
def test_what_is_no_token(text: str, reason: str) -> None:
    assert parse_token(text) == reason


def test_empty_sections_do_not_count() -> None:
    text, _ = RFC["HS256"]
    assert parse_token(f".{text}.") == parse_token(text)
    assert isinstance(parse_token(text), Token)


def test_base64_may_be_padded_and_blank() -> None:
    """absl::WebSafeBase64Unescape."""
    assert decode_base64url("YQ") == decode_base64url("YQ==") == decode_base64url(" Y Q\t") == b"a"
    assert [decode_base64url(text) for text in ("YQ=", "Y", "Y=Q=", "=", "YWI==")] == [None] * 5


def test_key_sets() -> None:
    assert parse_key_set("nonsense") == ()
    assert parse_key_set('{"keys": [{"kty": "OKP"}, 7]}') == ()
    assert decode_base64url("") is None
    assert decode_base64url("a+") is None
