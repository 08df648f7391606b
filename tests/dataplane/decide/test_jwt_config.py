"""The JWT filter's configuration as Envoy reads it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from meshsim.dataplane.decide.jwt_config import (
    AllowMissing,
    JwtConfig,
    JwtPerRoute,
    Needs,
    NeedsAny,
    NeedsNothing,
    decode_jwt,
    decode_jwt_per_route,
)
from meshsim.dataplane.decide.jwt_places import DEFAULT_PLACES
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import jwt_authn_pb2
from meshsim.xds.packing import from_json

KEY = {"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 32).decode()}
KEYS = {"inline_string": json.dumps({"keys": [KEY]})}


def decoded(requires: dict[str, Any] | None = None, match: dict[str, Any] | None = None, **more: Any) -> JwtConfig:
    rule: dict[str, Any] = {
        "match": match or {"prefix": "/"},
        **({"requires": requires} if requires is not None else {}),
    }
    body = {"providers": {"a": {"issuer": "x", "local_jwks": KEYS}}, "rules": [rule], **more}
    return decode_jwt(from_json(body, jwt_authn_pb2.JwtAuthentication), [])


def test_requirements() -> None:
    def of(requires: dict[str, Any] | None) -> object:
        return decoded(requires).rules[0].requirement

    assert of(None) is None
    assert of({}) == NeedsNothing()
    assert of({"provider_and_audiences": {"provider_name": "a", "audiences": ["w"]}}) == Needs("a", ("w",))
    lenient = [{"provider_name": "a"}, {"allow_missing": {}}, {"allow_missing_or_failed": {}}]
    assert of({"requires_any": {"requirements": lenient}}) == NeedsAny((Needs("a"),), missing=True, failed=True)
    assert of({"requires_any": {"requirements": lenient[1:2] * 2}}) == NeedsAny((AllowMissing(False),), missing=True)


def test_named_requirements() -> None:
    named = {"r": {"provider_name": "a"}}
    rule = {"match": {"prefix": "/"}, "requirement_name": "r"}
    assert decoded(requirement_map=named, rules=[rule]).rules[0].requirement == Needs("a")
    with pytest.raises(ResourceRejectedError, match=r"Wrong requirement_name: r\. It should be one of \[q\]"):
        decoded(requirement_map={"q": named["r"]}, rules=[rule])
    with pytest.raises(ResourceRejectedError, match="Required provider"):
        decoded({"provider_name": "b"})


def test_rules_know_only_some_of_a_route_match() -> None:
    match = decoded(match={"prefix": "/", "grpc": {}, "runtime_fraction": {"default_value": {}}}).rules[0].match
    assert not match.grpc
    assert match.fraction is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "Jwks does not have .keys. field"),
        ("x", "Jwks is an invalid JSON"),
        ('{"keys": 1}', ".keys. in Jwks is not an array"),
    ],
)
def test_keys_without_any_usable_one_are_refused(text: str, why: str) -> None:
    with pytest.raises(ResourceRejectedError, match=f"invalid local jwks: {why}"):
        decoded(providers={"a": {"issuer": "x", "local_jwks": {"inline_string": text}}})


def test_providers() -> None:
    one = decoded(providers={"b": {"local_jwks": KEYS}, "a": {"issuer": "x", "local_jwks": KEYS}})
    assert [place for place, _ in one.places.entries] == list(DEFAULT_PLACES)
    found = {issuer: one.provider_of(issuer) for issuer in ("x", "y")}
    assert {issuer: provider and provider.name for issuer, provider in found.items()} == {"x": "a", "y": "b"}
    notes: list[str] = []
    body = {"providers": {"a": {"remote_jwks": {"http_uri": {"uri": "http://k", "cluster": "k", "timeout": "1s"}}}}}
    decode_jwt(from_json(body, jwt_authn_pb2.JwtAuthentication), notes)
    assert notes == ["JWT provider a: remote JWKS"]


def test_per_route() -> None:
    message = jwt_authn_pb2.PerRouteConfig(requirement_name="r")
    assert decode_jwt_per_route(message) == JwtPerRoute(False, "r")
