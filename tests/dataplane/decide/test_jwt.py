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
    UNVERIFIED,
    JwtVerdict,
    check_jwt,
    claim_text,
    payload_metadata,
)
from meshsim.dataplane.decide.jwt_config import JwtConfig, JwtPerRoute, Left, decode_jwt
from meshsim.dataplane.decide.jwt_token import parse_token
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


def verdict(
    one: JwtConfig, *lines: tuple[str, str], path: str = "/", per_route: JwtPerRoute | None = None
) -> tuple[JwtVerdict, HeaderMap]:
    """The verdict, and what became of the headers."""
    headers = HeaderMap([(":path", path), (":method", "GET"), (":authority", "h"), *lines])
    stream = Stream(headers, Connection(source="a", destination="b", destination_port=80), Fixed(0), {})
    return check_jwt(one, per_route, stream, NOW), headers


def failure(one: JwtConfig, *lines: tuple[str, str], path: str = "/", per_route: JwtPerRoute | None = None) -> str:
    return verdict(one, *lines, path=path, per_route=per_route)[0].failure


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
    found, _ = verdict(config({"provider_name": "a"}), bearer(**GOOD, scope="read write"))
    payload = found.metadata["payload"]
    assert isinstance(payload, dict)
    assert payload["iss"] == "issuer-a"
    assert found.accepted == ("a",)
    parsed = parse_token(token(scope="read  write", blank=" "))
    assert not isinstance(parsed, str)
    left = payload_metadata(Left(space_delimited=("scope", "blank", "none")), parsed)
    assert left == {"scope": ["read", "write"], "blank": " "}


def of(**fields: Any) -> JwtConfig:
    """One provider with these fields, required everywhere."""
    body = {"providers": {"p": {"issuer": "me", "local_jwks": KEYS, **fields}}}
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}
    return decode_jwt(from_json({**body, "rules": [rule]}, jwt_authn_pb2.JwtAuthentication), [])


def test_what_a_good_token_leaves_in_headers() -> None:
    """Forged ones go; the token itself stays only where it is forwarded."""
    claims = [{"header_name": "X-Sub", "claim_name": "sub"}, {"header_name": "x-none", "claim_name": "none"}]
    one = of(forward_payload_header="X-Payload", pad_forward_payload_header=True, claim_to_headers=claims)
    good = token(iss="me", sub="somebody!")
    found, headers = verdict(one, ("authorization", f"Bearer {good}"), ("x-sub", "forged"), ("x-none", "forged"))
    assert not found.failure
    assert headers.get("x-sub") == "somebody!"
    assert (
        headers.get("x-payload")
        == base64.urlsafe_b64encode(json.dumps({"iss": "me", "sub": "somebody!"}).encode()).decode()
    )
    assert "x-none" not in headers
    assert "authorization" not in headers
    _, headers = verdict(of(forward=True), ("authorization", f"Bearer {good}"))
    assert "authorization" in headers


def test_forged_headers_go_from_every_request() -> None:
    one = of(forward_payload_header="x-payload")
    for per_route in (JwtPerRoute(True, ""), None):
        _, headers = verdict(one, ("x-payload", "forged"), per_route=per_route)
        assert "x-payload" not in headers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (3.0, "3"),
        (2.5, "2.500000"),
        (-1.0, "-1.000000"),
        (True, "true"),
        (None, ""),
        (["a", 1.0], "WyJhIiwxXQ=="),
    ],
)
def test_claims_as_text(value: Any, text: str) -> None:
    """Envoy source/extensions/filters/http/jwt_authn/authenticator.cc, addJWTClaimToHeader."""
    assert claim_text({"outer": {"inner": value}}, "outer.inner") == text
    assert claim_text({"outer": value}, "outer.inner") == ""


def test_subjects_and_the_longest_life() -> None:
    one = of(subjects={"prefix": "some"}, max_lifetime="100s")
    good = {"iss": "me", "sub": "somebody", "exp": NOW + 50}
    assert failure(one, bearer(**good)) == ""
    assert failure(one, bearer(**{**good, "sub": "else"})) == UNVERIFIED
    assert failure(one, bearer(**{**good, "exp": NOW + 150})) == UNVERIFIED
    assert failure(of(require_expiration=True), bearer(iss="me")) == UNVERIFIED
    assert failure(of(require_expiration=True), bearer(iss="me", exp=NOW + 10**6)) == ""


def test_a_failure_is_left_in_metadata() -> None:
    one = of(failed_status_in_metadata="why")
    assert verdict(one)[0].metadata == {"why": {"code": 1.0, "message": MISSING}}
    assert verdict(one, bearer(iss="me", exp=1))[0].metadata == {"why": {"code": 3.0, "message": "Jwt is expired"}}
    assert verdict(one, bearer(iss="me"))[0].metadata == {}


def test_the_route_is_chosen_again_when_something_was_added() -> None:
    claims = [{"header_name": "x-sub", "claim_name": "sub"}]
    one = of(clear_route_cache=True, claim_to_headers=claims)
    assert verdict(one, bearer(iss="me", sub="x"))[0].reroute
    assert not verdict(one, bearer(iss="me"))[0].reroute
    assert verdict(of(clear_route_cache=True, payload_in_metadata="p"), bearer(iss="me"))[0].reroute
    assert not verdict(of(claim_to_headers=claims), bearer(iss="me", sub="x"))[0].reroute


def test_refusals() -> None:
    one = config({"provider_name": "a"}, requirement_map={"r": {"provider_name": "b"}})
    missing, _ = verdict(one, path="/x?y")
    assert (missing.status, missing.challenge) == (401, 'Bearer realm="http://h/x?y"')
    assert missing.details == "jwt_authn_access_denied{Jwt_is_missing}"
    wrong, _ = verdict(one, bearer(**{**GOOD, "aud": "other"}))
    assert (wrong.status, wrong.challenge) == (403, 'Bearer realm="http://h/", error="invalid_token"')
    unknown, _ = verdict(one, per_route=JwtPerRoute(False, "q"))
    assert unknown.status == 403
    assert unknown.failure == "Failed JWT authentication: Wrong requirement_name: q. It should be one of [r]"
    bare, _ = verdict(config({"provider_name": "a"}, strip_failure_response=True))
    assert (bare.status, bare.failure, bare.challenge) == (401, "", "")


def test_all_tokens_of_a_provider_must_be_good_and_the_last_is_tried_first() -> None:
    """Envoy source/extensions/filters/http/jwt_authn/authenticator.cc; the statuses were measured."""
    one = config({"provider_name": "a"})
    good, stale = token(**GOOD), token(**{**GOOD, "exp": 1})
    assert failure(one, ("authorization", f"Bearer {good}"), path=f"/?access_token={stale}") == "Jwt is expired"
    assert failure(one, ("authorization", f"Bearer {stale}"), path=f"/?access_token={good}") == "Jwt is expired"
    missing = config({"allow_missing": {}})
    assert failure(missing, ("authorization", f"Bearer {good}"), path=f"/?access_token={stale}") == ""
    assert failure(missing, ("authorization", f"Bearer {stale}"), path=f"/?access_token={good}") == "Jwt is expired"


def test_what_may_be_missing_beside_others_is_a_leniency_towards_them() -> None:
    """Envoy source/extensions/filters/http/jwt_authn/verifier.cc, AnyVerifierImpl: it looks for no tokens itself."""
    beside = config({"requires_any": {"requirements": [{"allow_missing": {}}, {"provider_name": "b"}]}})
    assert failure(beside, bearer(**{**GOOD, "exp": 1})) == ""
    assert failure(beside, ("x-b", f"tok {token(**GOOD)}")) == UNKNOWN_ISSUER
    alone = config({"requires_any": {"requirements": [{"allow_missing": {}}, {"allow_missing": {}}]}})
    assert failure(alone, bearer(**{**GOOD, "exp": 1})) == "Jwt is expired"
    nested = {"requires_any": {"requirements": [{"allow_missing": {}}, {"provider_name": "a"}]}}
    outer = config({"requires_any": {"requirements": [nested, {"provider_name": "b"}]}})
    assert failure(outer) == ""
    assert failure(outer, bearer(**{**GOOD, "exp": 1})) == "Jwt is expired"


def test_a_good_token_is_gone_for_what_is_required_after_it() -> None:
    twice = config({"requires_all": {"requirements": [{"provider_name": "a"}, {"provider_name": "a"}]}})
    assert failure(twice, bearer(**GOOD)) == MISSING
