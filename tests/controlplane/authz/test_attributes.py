from __future__ import annotations

import re
from typing import Any

import pytest

from meshsim.controlplane.authz.attributes import RuleContext, permission_of, principal_of
from meshsim.xds.packing import to_json


def _principal(key: str, value: str, for_tcp: bool = False) -> Any:
    each, whole = principal_of(key)
    context = RuleContext(key, "shop", for_tcp)
    found = each(context, value) if each is not None else whole(context, [value]) if whole is not None else None
    return to_json(found) if found is not None else None


def _regex(found: Any) -> str:
    text: str = found["authenticated"]["principal_name"]["safe_regex"]["regex"]
    return text


def test_who_asks() -> None:
    assert _principal("source.ip", "10.0.0.1") == {"direct_remote_ip": {"address_prefix": "10.0.0.1", "prefix_len": 32}}
    assert "remote_ip" in _principal("remote.ip", "10.0.0.1")
    assert _regex(_principal("source.namespace", "a*")) == ".*/ns/a.*/.*"
    assert _principal("source.principal", "td/ns/a/sa/b") == {
        "authenticated": {"principal_name": {"exact": "spiffe://td/ns/a/sa/b"}}
    }


def test_a_service_account_may_name_its_namespace() -> None:
    for value, namespace in (("web", "shop"), ("far/web", "far")):
        expression = _regex(_principal("source.serviceAccount", value))
        assert re.fullmatch(expression, f"spiffe://td/ns/{namespace}/sa/web")
        assert not re.fullmatch(expression, f"spiffe://td/ns/{namespace}/sa/webby")


@pytest.mark.parametrize("key", ["request.headers[x]", "request.auth.claims[iss]", "request.auth.principal"])
def test_tcp_has_no_requests(key: str) -> None:
    assert _principal(key, "i/s") is not None
    assert _principal(key, "i/s", for_tcp=True) is None


def test_what_is_asked() -> None:
    each, _ = permission_of("destination.port")
    assert each is not None
    context = RuleContext("destination.port", "shop", False)
    found = each(context, "80")
    assert found is not None
    assert to_json(found) == {"destination_port": 80}
    assert each(context, "65536") is each(context, "http") is None


def test_metadata_of_filters() -> None:
    _, whole = permission_of("experimental.envoy.filters.a.b[c]")
    assert whole is not None
    found = whole(RuleContext("experimental.envoy.filters.a.b[c]", "shop", False), ["x"])
    assert found is not None
    assert to_json(found)["metadata"] == {
        "filter": "envoy.filters.a.b",
        "path": [{"key": "c"}],
        "value": {"string_match": {"exact": "x"}},
    }


def test_unknown_attributes() -> None:
    assert permission_of("no.such") == principal_of("no.such") == (None, None)
