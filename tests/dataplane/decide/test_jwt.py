"""The JWT filter: requirements, places of tokens, and the replies measured on Envoy 1.40."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from meshsim.dataplane.decide.chances import Fixed
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.jwt import (
    AUDIENCE,
    MISSING,
    UNKNOWN_ISSUER,
    JwtConfig,
    JwtPerRoute,
    check_jwt,
    decode_jwt,
    payload_metadata,
)
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.route_match import Stream
from meshsim.dataplane.decide.values import Connection
from meshsim.xds.messages import jwt_authn_pb2
from meshsim.xds.packing import from_json

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000


def text(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(secret: bytes = SECRET, **payload: object) -> str:
    signed = f"{text({'alg': 'HS256'})}.{text(payload)}"
    return f"{signed}.{text(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


KEYS = {"inline_string": json.dumps({"keys": [{"kty": "oct", "k": text(SECRET), "alg": "HS256"}]})}
PROVIDERS = {
    "a": {"issuer": "issuer-a", "audiences": ["https://shop/"], "local_jwks": KEYS, "payload_in_metadata": "payload"},
    "b": {
        "issuer": "issuer-b",
        "local_jwks": KEYS,
        "from_headers": [{"name": "X-B", "value_prefix": "tok "}],
        "from_params": ["t"],
    },
}


def config(requires: dict[str, Any], **more: Any) -> JwtConfig:
    body = {"providers": PROVIDERS, "rules": [{"match": {"prefix": "/"}, "requires": requires}], **more}
    return decode_jwt(from_json(body, jwt_authn_pb2.JwtAuthentication), [])


def failure(one: JwtConfig, *lines: tuple[str, str], path: str = "/", per_route: JwtPerRoute | None = None) -> str:
    headers = HeaderMap([(":path", path), (":method", "GET"), *lines])
    stream = Stream(headers, Connection(source="a", destination="b", destination_port=80), Fixed(0), {})
    return check_jwt(one, per_route, stream, NOW).failure


def bearer(**payload: object) -> tuple[str, str]:
    return ("authorization", f"Bearer {token(**payload)}")


GOOD = {"iss": "issuer-a", "aud": "shop", "exp": NOW + 100}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"exp": NOW - 30}, ""),
        ({"exp": NOW - 100}, "Jwt is expired"),
        ({"nbf": NOW + 100}, "Jwt not yet valid"),
        ({"aud": "other"}, AUDIENCE),
        ({"iss": "nobody"}, UNKNOWN_ISSUER),
    ],
)
def test_one_provider(changes: dict[str, object], reason: str) -> None:
    assert failure(config({"provider_name": "a"}), bearer(**{**GOOD, **changes})) == reason


def test_signature_and_form() -> None:
    one = config({"provider_name": "a"})
    assert failure(one) == MISSING
    assert failure(one, ("authorization", "Bearer nonsense")).startswith("Jwt is not in the form")
    assert failure(one, ("authorization", "Bearer " + token(b"x" * 32, **GOOD))) == "Jwt verification fails"
    assert failure(one, path=f"/?access_token={token(**GOOD)}") == ""


def test_places_of_a_provider() -> None:
    one, good = config({"provider_name": "b"}), token(iss="issuer-b")
    assert failure(one, ("x-b", f"tok {good}")) == ""
    assert failure(one, path=f"/?t={good}") == ""
    assert failure(one, ("authorization", f"Bearer {good}")) == MISSING


def test_any_prefers_the_failure_worth_telling() -> None:
    any_of = config({"requires_any": {"requirements": [{"provider_name": "a"}, {"provider_name": "b"}]}})
    assert failure(any_of, ("x-b", f"tok {token(iss='issuer-b')}")) == ""
    assert failure(any_of) == MISSING
    assert failure(any_of, bearer(iss="nobody")) == UNKNOWN_ISSUER
    assert failure(any_of, bearer(**{**GOOD, "exp": 1})) == "Jwt is expired"


def test_all_and_missing() -> None:
    both = config({"requires_all": {"requirements": [{"provider_name": "a"}, {"provider_name": "b"}]}})
    assert failure(both, bearer(**GOOD)) == MISSING
    assert failure(both, bearer(**GOOD), ("x-b", f"tok {token(iss='issuer-b')}")) == ""
    istio = config({"requires_any": {"requirements": [{"provider_name": "a"}, {"allow_missing": {}}]}})
    assert failure(istio) == ""
    assert failure(istio, bearer(**{**GOOD, "exp": 1})) == "Jwt is expired"
    lenient = config({"requires_any": {"requirements": [{"provider_name": "a"}, {"allow_missing_or_failed": {}}]}})
    assert failure(lenient, bearer(**{**GOOD, "exp": 1})) == ""


def test_rules_routes_and_preflights() -> None:
    one = config({"provider_name": "a"}, requirement_map={"r": {"provider_name": "b"}}, bypass_cors_preflight=True)
    assert failure(one, per_route=JwtPerRoute(True, "")) == ""
    assert failure(one, ("x-b", f"tok {token(iss='issuer-b')}"), per_route=JwtPerRoute(False, "r")) == ""
    preflight = ((":method", "OPTIONS"), ("origin", "x"), ("access-control-request-method", "GET"))
    headers = HeaderMap([(":path", "/"), *preflight])
    stream = Stream(headers, Connection(source="a", destination="b", destination_port=80), Fixed(0), {})
    assert check_jwt(one, None, stream, NOW).failure == ""


def test_claims_go_into_metadata() -> None:
    one = config({"provider_name": "a"})
    provider = one.providers["a"]
    headers = HeaderMap([(":path", "/"), bearer(**GOOD, scope="read write")])
    stream = Stream(headers, Connection(source="a", destination="b", destination_port=80), Fixed(0), {})
    (found,) = check_jwt(one, None, stream, None).accepted
    spaced = provider.__class__(
        **{n: getattr(provider, n) for n in provider.__slots__} | {"space_delimited": ("scope",)}
    )
    left = payload_metadata(spaced, found[1])
    assert isinstance(left, dict)
    assert left["scope"] == ["read", "write"]
    assert left["iss"] == "issuer-a"


def test_keys_without_any_usable_one_are_refused() -> None:
    body = {"providers": {"a": {"issuer": "x", "local_jwks": {"inline_string": "{}"}}}}
    with pytest.raises(ResourceRejectedError, match="invalid local jwks"):
        decode_jwt(from_json(body, jwt_authn_pb2.JwtAuthentication), [])


def test_all_tokens_of_a_provider_must_be_good_and_the_last_is_tried_first() -> None:
    """Envoy source/extensions/filters/http/jwt_authn/authenticator.cc; the statuses were measured."""
    one = config({"provider_name": "a"})
    good, stale = token(**GOOD), token(**{**GOOD, "exp": 1})
    assert failure(one, ("authorization", f"Bearer {good}"), path=f"/?access_token={stale}") == "Jwt is expired"
    assert failure(one, ("authorization", f"Bearer {stale}"), path=f"/?access_token={good}") == "Jwt is expired"
    missing = config({"allow_missing": {}})
    assert failure(missing, ("authorization", f"Bearer {good}"), path=f"/?access_token={stale}") == ""
    assert failure(missing, ("authorization", f"Bearer {stale}"), path=f"/?access_token={good}") == "Jwt is expired"


def test_what_may_be_missing_is_looked_for_where_its_neighbours_look() -> None:
    beside = config(
        {"requires_any": {"requirements": [{"allow_missing": {}}, {"provider_name": "b"}, {"provider_name": "b"}]}}
    )
    assert failure(beside, bearer(**{**GOOD, "exp": 1})) == ""


def test_a_good_token_is_gone_for_what_is_required_after_it() -> None:
    twice = config({"requires_all": {"requirements": [{"provider_name": "a"}, {"provider_name": "a"}]}})
    assert failure(twice, bearer(**GOOD)) == MISSING
