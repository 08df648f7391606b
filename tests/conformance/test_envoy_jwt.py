"""Signatures of tokens, good and spoiled ones, judged by the model and by the real Envoy."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.active import load_config
from meshsim.dataplane.decide import Connection, Request, decide_direct, ed25519, jwt_token
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json

PORT = 25901
JWT = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
ORDER = 2**252 + 27742317777372353535851937790883648493
CLAIMS = {"iss": "me", "sub": "somebody"}
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
SECRET = 0x1234567890ABCDEF1234567890ABCDEF
SEED = bytes(range(32))


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def ecdsa(algorithm: str, message: bytes) -> bytes:
    """A signature with a fixed number in place of a random one."""
    curve = jwt_token._CURVES[CURVES[algorithm]]
    digest = int.from_bytes(getattr(hashlib, f"sha{algorithm[2:]}")(message).digest(), "big")
    once = digest % 2**200 + 12345
    point = jwt_token._multiply(curve.g, once, curve)
    assert point is not None
    r = point[0] % curve.n
    s = pow(once, -1, curve.n) * (digest + r * SECRET) % curve.n
    size = (curve.n.bit_length() + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _ed25519_parts() -> tuple[int, bytes, bytes]:
    """Scalar, prefix and public key of the seed (RFC 8032 section 5.1.5)."""
    digest = bytearray(hashlib.sha512(SEED).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    scalar = int.from_bytes(digest[:32], "little")
    return scalar, bytes(digest[32:]), ed25519.encode(ed25519.multiply(ed25519.BASE, scalar))


def eddsa(message: bytes) -> bytes:
    scalar, prefix, public = _ed25519_parts()
    once = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % ORDER
    point = ed25519.encode(ed25519.multiply(ed25519.BASE, once))
    challenge = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little")
    return point + ((once + challenge * scalar) % ORDER).to_bytes(32, "little")


def sign(algorithm: str, message: bytes) -> bytes:
    if algorithm == "EdDSA":
        return eddsa(message)
    if algorithm in CURVES:
        return ecdsa(algorithm, message)
    return hmac.digest(SEED, message, f"sha{algorithm[2:]}")


def key(algorithm: str) -> dict[str, str]:
    if algorithm == "EdDSA":
        return {"kty": "OKP", "crv": "Ed25519", "kid": algorithm, "x": encoded(_ed25519_parts()[2])}
    if algorithm in CURVES:
        curve = jwt_token._CURVES[CURVES[algorithm]]
        size = (curve.n.bit_length() + 7) // 8
        point = jwt_token._multiply(curve.g, SECRET, curve)
        assert point is not None
        x, y = (encoded(part.to_bytes(size, "big")) for part in point)
        return {"kty": "EC", "crv": CURVES[algorithm], "kid": algorithm, "x": x, "y": y}
    return {"kty": "oct", "kid": algorithm, "k": encoded(SEED)}


def token(algorithm: str, *, said: str = "", kid: str = "", spoil: str = "") -> str:
    head = {"alg": said or algorithm, **({"kid": kid} if kid else {})}
    parts = [encoded(json.dumps(part).encode()) for part in (head, CLAIMS)]
    signature = bytearray(sign(algorithm, ".".join(parts).encode()))
    if spoil == "bit":
        signature[5] ^= 1
    elif spoil == "last":
        signature[-1] ^= 1
    elif spoil == "short":
        signature = signature[:-1]
    elif spoil == "claims":
        parts[1] = encoded(json.dumps({**CLAIMS, "sub": "else"}).encode())
    elif spoil == "order":
        high = int.from_bytes(signature[32:], "little") + ORDER
        signature[32:] = high.to_bytes(32, "little")
    return ".".join([*parts, encoded(bytes(signature))])


ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "HS256", "HS512")
TOKENS = [
    *(token(a) for a in ALGORITHMS),
    *(token(a, kid=a) for a in ALGORITHMS),
    *(token(a, kid="nobody") for a in ALGORITHMS),
    *(token(a, spoil=how) for a in ALGORITHMS for how in ("bit", "last", "short", "claims")),
    token("EdDSA", spoil="order"),
    *(token(a, said=said) for a in ALGORITHMS for said in ("ES256", "HS256", "RS256", "RS512", "EdDSA")),
    token("ES512", said="ES384"),
    token("ES384", said="ES512"),
    token("EdDSA", said="ES256"),
    token("ES256", said="EdDSA"),
    token("EdDSA", said="Ed25519"),
]


@pytest.mark.needs_envoy
def test_signatures(router: ModuleType, tmp_path: Path) -> None:
    jwks = json.dumps({"keys": [key(a) for a in ALGORITHMS]})
    config = {
        "@type": JWT,
        "providers": {"p": {"issuer": "me", "local_jwks": {"inline_string": jwks}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
    }
    route = {"match": {"prefix": ""}, "direct_response": {"status": 200}}
    manager: dict[str, Any] = {
        "@type": router.HCM,
        "stat_prefix": "x",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": config},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router.ROUTER}},
        ],
    }
    one = router.Table(PORT, manager)
    packed = from_json(router.listener(one), listener_pb2.Listener).SerializeToString()
    active, refused = load_config({type_urls.LISTENER: {"l": packed}})
    assert not refused
    connection = Connection(source="127.0.0.1", destination="127.0.0.1", destination_port=PORT)
    found: list[tuple[int, int, str]] = []
    with router.Envoy(tmp_path, [one]):
        for text in TOKENS:
            headers = (("authorization", f"Bearer {text}"),)
            (seen,) = router.ask(PORT, [router.Sent("GET", "/", "h", headers)])
            model = decide_direct(active, connection, Request(authority="h", headers=headers))
            found.append((seen.status, model.status, model.body))
    wrong = [f"{i} {TOKENS[i].partition(chr(46))[0]}: {pair}" for i, pair in enumerate(found) if pair[0] != pair[1]]
    assert not wrong
    assert [status for status, _, _ in found].count(200) > 2 * len(ALGORITHMS)
    assert [status for status, _, _ in found].count(401) > 3 * len(ALGORITHMS)
