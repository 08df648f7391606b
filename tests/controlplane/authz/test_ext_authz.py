from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.authz import external_authorizers
from meshsim.xds.packing import to_json

HTTP = {"service": "ext.shop", "port": 8000}


def _lookup(service: str, port: int) -> tuple[str, str] | None:
    return (service, f"outbound|{port}||{service}") if service == "ext.shop" else None


def _authorizer(kind: str, settings: dict[str, Any]) -> Any:
    return external_authorizers([Fields({"name": "p", kind: settings})], _lookup)["p"]


def test_http_is_for_http_chains_alone() -> None:
    found = _authorizer("envoyExtAuthzHttp", {**HTTP, "pathPrefix": "/check", "timeout": "1s"})
    service = to_json(found.http)["http_service"]
    assert service["server_uri"] == {
        "uri": "http://ext.shop",
        "cluster": "outbound|8000||ext.shop",
        "timeout": "1s",
    }
    assert (service["path_prefix"], found.tcp) == ("/check", None)


def test_grpc_is_for_both() -> None:
    found = _authorizer("envoyExtAuthzGrpc", {**HTTP, "failOpen": True})
    assert to_json(found.tcp)["failure_mode_allow"] is True
    assert to_json(found.http)["grpc_service"]["envoy_grpc"]["authority"] == "ext.shop"


def test_only_what_a_policy_matched_is_asked_about() -> None:
    metadata = to_json(_authorizer("envoyExtAuthzGrpc", HTTP).http)["filter_enabled_metadata"]
    assert metadata["value"] == {"string_match": {"prefix": "istio-ext-authz-p"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 0},
        {"service": "unknown"},
        {"statusOnError": "999"},
        {"pathPrefix": "check"},
        {"headersToUpstreamOnAllow": ["*"]},
    ],
)
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    assert _authorizer("envoyExtAuthzHttp", {**HTTP, **wrong}) is None


def test_a_name_used_twice_is_nobodys() -> None:
    provider = Fields({"name": "p", "envoyExtAuthzGrpc": HTTP})
    assert external_authorizers([provider, provider], _lookup) == {"p": None}


def test_the_body_may_be_sent() -> None:
    body = {"maxRequestBytes": 9, "allowPartialMessage": True, "packAsBytes": True}
    found = _authorizer("envoyExtAuthzHttp", {**HTTP, "includeRequestBodyInCheck": body})
    assert to_json(found.http)["with_request_body"] == {
        "max_request_bytes": 9,
        "allow_partial_message": True,
        "pack_as_bytes": True,
    }
