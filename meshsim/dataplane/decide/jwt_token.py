"""JSON web tokens: parsing, and signatures checked with plain integers (RFC 7515, 7518).

Rules and texts: Envoy 1.40 source/common/jwt (jwt.cc, jwks.cc, verify.cc, status.cc, struct_utils.cc).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.dataplane.decide.ed25519 import verify_ed25519
from meshsim.dataplane.decide.metadata import Json

_ALGORITHMS: Final = frozenset(f"{family}{bits}" for family in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)) | {
    "EdDSA"
}
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
_DIGEST_INFO: Final = {
    "256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


_SECTIONS: Final = 3
_TOO_LARGE: Final = 2.0**64
_FORM: Final = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
_WORDS: Final = (
    *("Jwt is missing", "Jwt not yet valid", "Jwt is expired", _FORM),
    *("Jwt header is an invalid Base64url encoded", "Jwt header is an invalid JSON"),
    *("Jwt header [alg] field is required and must be a string", "Jwt header [alg] is not supported"),
    *("Jwt header [kid] field is not a string", "Jwt payload is an invalid Base64url encoded"),
    *("Jwt payload is an invalid JSON", "Jwt payload [iss] field is not a string"),
    "Jwt payload [sub] field is not a string",
    *(
        f"Jwt payload [{claim}] field is not {what}"
        for claim in ("iat", "nbf", "exp")
        for what in ("an integer", "a positive 64 bit integer")
    ),
    *("Jwt payload [jti] field is not a string", "Jwt payload [aud] field is not a string or string list"),
    *("Jwt signature is an invalid Base64url encoded", "Jwt ED25519 signature is wrong length"),
    *("Jwt issuer is not configured", "Audiences in Jwt are not allowed", "Jwt verification fails"),
    *("Found multiple Jwt tokens", "Jwks is an invalid JSON", "Jwks does not have [keys] field"),
    *("[keys] in Jwks is not an array", "Jwks doesn't have any valid public key"),
    "Jwks doesn't have key to match kid or alg from Jwt",
)
STATUS_CODES: Final[Mapping[str, int]] = {text: code for code, text in enumerate(_WORDS, 1)}
"""What Envoy numbers the failures (source/common/jwt/status.h)."""


class Token(NamedTuple):
    """A parsed token."""

    header: Mapping[str, Json]
    algorithm: str
    key_id: str
    payload: Mapping[str, Json]
    payload_text: str
    """As it stands in the token, base64url."""
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        issuer = self.payload.get("iss")
        return issuer if isinstance(issuer, str) else ""

    @property
    def audiences(self) -> tuple[str, ...]:
        audience = self.payload.get("aud")
        if isinstance(audience, str):
            return (audience,)
        return tuple(a for a in audience if isinstance(a, str)) if isinstance(audience, list) else ()


def parse_token(text: str) -> Token | str:
    """The token, or the reason why it is none; empty sections do not count."""
    sections = [section for section in text.split(".") if section]
    if len(sections) != _SECTIONS:
        return _FORM
    head_text, payload_text, signature_text = sections
    head = _object(head_text, "header")
    if isinstance(head, str):
        return head
    algorithm = head.get("alg")
    if not isinstance(algorithm, str):
        return "Jwt header [alg] field is required and must be a string"
    if algorithm not in _ALGORITHMS:
        return "Jwt header [alg] is not supported"
    key_id = head.get("kid", "")
    if not isinstance(key_id, str):
        return "Jwt header [kid] field is not a string"
    payload = _object(payload_text, "payload")
    if isinstance(payload, str):
        return payload
    wrong = _wrong_claim(payload)
    if wrong:
        return wrong
    signature = decode_base64url(signature_text)
    if signature is None:
        return "Jwt signature is an invalid Base64url encoded"
    return Token(head, algorithm, key_id, payload, payload_text, f"{head_text}.{payload_text}".encode(), signature)


def _object(text: str, part: str) -> Mapping[str, Json] | str:
    raw = decode_base64url(text)
    if raw is None:
        return f"Jwt {part} is an invalid Base64url encoded"
    try:
        value = json.loads(raw, parse_int=float)
    except (ValueError, RecursionError):
        return f"Jwt {part} is an invalid JSON"
    return value if isinstance(value, dict) else f"Jwt {part} is an invalid JSON"


def _wrong_claim(payload: Mapping[str, Json]) -> str:
    for name in ("iss", "sub"):
        if not isinstance(payload.get(name, ""), str):
            return f"Jwt payload [{name}] field is not a string"
    for name in ("iat", "nbf", "exp"):
        value = payload.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, float):
            return f"Jwt payload [{name}] field is not an integer"
        if not 0 <= value < _TOO_LARGE:
            return f"Jwt payload [{name}] field is not a positive 64 bit integer"
    if not isinstance(payload.get("jti", ""), str):
        return "Jwt payload [jti] field is not a string"
    audience = payload.get("aud", "")
    if not isinstance(audience, str) and not (isinstance(audience, list) and all(isinstance(a, str) for a in audience)):
        return "Jwt payload [aud] field is not a string or string list"
    return ""


def decode_base64url(text: str) -> bytes | None:
    """Base64url, padded or not, blanks left out (absl::WebSafeBase64Unescape); None when it is none."""
    letters = "".join(text.split())
    bare = letters.rstrip("=")
    if not letters or not bare.isascii() or any(not (c.isalnum() or c in "-_") for c in bare):
        return None
    if len(bare) % 4 == 1 or len(letters) - len(bare) not in (0, -len(bare) % 4):
        return None
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of a key set.

    RSA: `numbers` are n and e; EC: x and y; OKP and symmetric: the key's bytes are in `content`.
    """

    kind: str
    key_id: str
    algorithm: str
    numbers: tuple[int, int] = (0, 0)
    curve: str = ""
    content: bytes = b""


def parse_key_set(text: str) -> tuple[Key, ...]:
    """Usable keys of a JWKS document; keys of unknown kinds are left out, as the library does."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    keys = document.get("keys") if isinstance(document, dict) else None
    found = (_key(k) for k in keys if isinstance(k, dict)) if isinstance(keys, list) else ()
    return tuple(k for k in found if k is not None)


def key_set_fault(text: str) -> str:
    """Why a JWKS document gives no key at all (jwt_verify_lib, src/status.cc)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "Jwks is an invalid JSON"
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        return "Jwks does not have [keys] field" if keys is None else "[keys] in Jwks is not an array"
    return "Jwks doesn't have any valid public key"


def _key(fields: Mapping[str, object]) -> Key | None:
    def number(name: str) -> int:
        raw = decode_base64url(str(fields.get(name, "")))
        return int.from_bytes(raw, "big") if raw else 0

    kind, key_id, algorithm = (str(fields.get(n, "")) for n in ("kty", "kid", "alg"))
    if kind == "RSA":
        return Key(kind, key_id, algorithm, (number("n"), number("e"))) if number("n") else None
    if kind == "EC" and str(fields.get("crv", "")) in _CURVES:
        return Key(kind, key_id, algorithm, (number("x"), number("y")), str(fields["crv"]))
    if kind == "oct":
        secret = decode_base64url(str(fields.get("k", "")))
        return Key(kind, key_id, algorithm, content=secret) if secret else None
    if kind == "OKP" and fields.get("crv") == _ED25519:
        content = decode_base64url(str(fields.get("x", "")))
        return Key(kind, key_id, algorithm, curve=_ED25519, content=content) if content and len(content) == 32 else None
    return None


class Curve(NamedTuple):
    """A NIST curve: prime, order, generator; a is -3."""

    p: int
    n: int
    g: tuple[int, int]


_CURVES: Final = {
    "P-256": Curve(
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    "P-384": Curve(
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        (
            0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
            0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        ),
    ),
    "P-521": Curve(
        2**521 - 1,
        2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
        (
            int(
                "C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856"
                "A429BF97E7E31C2E5BD66",
                16,
            ),
            int(
                "11839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A2"
                "72C24088BE94769FD16650",
                16,
            ),
        ),
    ),
}
_ED25519: Final = "Ed25519"
_ED25519_SIGNATURE: Final = 64


def verify(token: Token, keys: tuple[Key, ...]) -> str:
    """Empty when one of the keys signed the token, else the reason.

    What is checked follows from the key's kind, the hash from the token's algorithm where that names one for the kind
    (jwt_verify_lib, src/verify.cc; measured on Envoy 1.40): a P-256 key takes a good signature under any name.
    """
    if not keys:
        return "Jwks doesn't have any valid public key"
    tried = False
    for key in keys:
        if token.key_id and key.key_id and token.key_id != key.key_id:
            continue
        if key.algorithm and key.algorithm != token.algorithm:
            continue
        tried = True
        if key.kind == "OKP" and len(token.signature) != _ED25519_SIGNATURE:
            return "Jwt ED25519 signature is wrong length"
        if _signed_by(token, key):
            return ""
    return "Jwt verification fails" if tried else "Jwks doesn't have key to match kid or alg from Jwt"


def _signed_by(token: Token, key: Key) -> bool:
    family, bits = token.algorithm[:2], token.algorithm[2:]
    if key.kind == "OKP":
        return verify_ed25519(key.content, token.signed, token.signature)
    if key.kind == "EC":
        return _ecdsa(token, key, bits if family == "ES" else "256")
    if key.kind == "oct":
        digest = hmac.digest(key.content, token.signed, f"sha{bits if family == 'HS' else '256'}")
        return hmac.compare_digest(digest, token.signature)
    if family == "RS":
        return _rsa_pkcs1(token, key, bits)
    return family == "PS" and _rsa_pss(token, key, bits)


def _rsa_message(token: Token, key: Key) -> bytes | None:
    modulus, exponent = key.numbers
    length = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(token.signature, "big")
    if len(token.signature) != length or number >= modulus:
        return None
    return pow(number, exponent, modulus).to_bytes(length, "big")


def _rsa_pkcs1(token: Token, key: Key, bits: str) -> bool:
    message = _rsa_message(token, key)
    tail = _DIGEST_INFO[bits] + _HASHES[bits](token.signed).digest()
    if message is None or len(message) < len(tail) + 11:
        return False
    return message == b"\x00\x01" + b"\xff" * (len(message) - len(tail) - 3) + b"\x00" + tail


def _rsa_pss(token: Token, key: Key, bits: str) -> bool:
    """RSASSA-PSS with the hash for masking and a salt of the hash's length (RFC 8017 section 9.1.2)."""
    message = _rsa_message(token, key)
    digest = _HASHES[bits](token.signed).digest()
    size = len(digest)
    em_bits = key.numbers[0].bit_length() - 1
    length = (em_bits + 7) // 8
    if message is None or length < 2 * size + 2:
        return False
    message = message[-length:]
    masked, found = message[: length - size - 1], message[length - size - 1 : -1]
    if message[-1:] != b"\xbc":
        return False
    stream = b"".join(_HASHES[bits](found + i.to_bytes(4, "big")).digest() for i in range(len(masked) // size + 1))
    block = bytearray(a ^ b for a, b in zip(masked, stream))
    block[0] &= 0xFF >> (8 * length - em_bits)
    salt_at = len(block) - size
    if bytes(block[:salt_at]) != b"\x00" * (salt_at - 1) + b"\x01":
        return False
    return _HASHES[bits](b"\x00" * 8 + digest + bytes(block[salt_at:])).digest() == found


def _ecdsa(token: Token, key: Key, bits: str) -> bool:
    curve = _CURVES[key.curve]
    half = len(token.signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (token.signature[:half], token.signature[half : 2 * half]))
    if not (0 < r < curve.n and 0 < s < curve.n):
        return False
    digest = int.from_bytes(_HASHES[bits](token.signed).digest(), "big") >> max(0, int(bits) - curve.n.bit_length())
    inverse = pow(s, -1, curve.n)
    point = _add(
        _multiply(curve.g, digest * inverse % curve.n, curve),
        _multiply(key.numbers, r * inverse % curve.n, curve),
        curve,
    )
    return point is not None and point[0] % curve.n == r


def _add(a: tuple[int, int] | None, b: tuple[int, int] | None, curve: Curve) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % curve.p == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, curve.p)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, curve.p)
    x = (slope * slope - a[0] - b[0]) % curve.p
    return x, (slope * (a[0] - x) - a[1]) % curve.p


def _multiply(point: tuple[int, int], times: int, curve: Curve) -> tuple[int, int] | None:
    result: tuple[int, int] | None = None
    addend: tuple[int, int] | None = point
    while times:
        if times & 1:
            result = _add(result, addend, curve)
        addend = _add(addend, addend, curve)
        times >>= 1
    return result
