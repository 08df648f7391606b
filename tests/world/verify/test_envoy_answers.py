"""Planted differences: every field of a recorded outcome, changed, is found where it is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.world.verify.call_worlds import CallWorld
from meshsim.world.verify.envoy_answers import compare_outcome
from meshsim.world.verify.envoy_calls import decided
from meshsim.world.verify.folder import read_recording

TLS, DRAWN = "gw-tls-modes", "vs-direct-mirror-fault"
HTTPS, MUTUAL, LATE = "02-gateway-https-web", "04-gateway-mhttp-mtls", "05-gateway-https-mtls"
PASSED, NOBODY, ENDED = "06-gateway-tls-pass", "08-gateway-tls-nobody", "09-gateway-tls-mq"
DIRECT, MIRRORED, GRPC = "01-outbound-http-app-80", "08-outbound-http-app-80", "09-outbound-grpc-rpc-7000"
ABSENT = object()

PLANTED = [
    (TLS, HTTPS, "connected", False, "connected"),
    (TLS, HTTPS, "connect_error", "Connection refused", "connected"),
    (TLS, HTTPS, "envoy/listener", "0.0.0.0_9", "listener"),
    (TLS, HTTPS, "envoy/filter_chain", "other", "filter_chain"),
    (TLS, HTTPS, "envoy/flags", "UH", "flags"),
    (TLS, HTTPS, "envoy/sni", "other.example.com", "sni"),
    (TLS, HTTPS, "envoy/route_config", "https.1", "route_config"),
    (TLS, HTTPS, "envoy/virtual_host", "other:443", "virtual_host"),
    (TLS, HTTPS, "envoy/route", "named", "route"),
    (TLS, HTTPS, "envoy/route_index", 7, "route_index"),
    (TLS, HTTPS, "envoy/route_index", ABSENT, "route_index"),
    (TLS, HTTPS, "envoy/details", "route_not_found", "details"),
    (TLS, HTTPS, "envoy/termination", "rbac_access_denied_matched_policy[none]", "details"),
    (TLS, HTTPS, "envoy/cluster", "outbound|80||other", "cluster"),
    (TLS, HTTPS, "tls/handshake", "failed", "tls/handshake"),
    (TLS, NOBODY, "tls/handshake", "ok", "tls/handshake"),
    (TLS, HTTPS, "tls/alpn", "h2", "tls/alpn"),
    (TLS, HTTPS, "tls/version", "TLSv1.2", "tls/version"),
    (TLS, HTTPS, "tls/server_certificate", ["CN:kubernetes://other"], "tls/server_certificate"),
    (TLS, LATE, "tls/alpn", "h2", "tls/alpn"),
    (TLS, HTTPS, "client_error", "closed", "client_error"),
    (TLS, LATE, "http", {"status": 200}, "status"),
    (TLS, PASSED, "tcp/forwarded", False, "tcp/forwarded"),
    (TLS, HTTPS, "http/status", 404, "status"),
    (DRAWN, DIRECT, "http/status", 200, "status"),
    (DRAWN, DIRECT, "http/body", "long and thin", "body"),
    (DRAWN, DIRECT, "http/headers/x-more", "1", "response/x-more"),
    (DRAWN, GRPC, "http/headers/grpc-status", "2", "response/grpc-status"),
    (TLS, HTTPS, "upstream", ABSENT, "upstream"),
    (DRAWN, DIRECT, "upstream", {"protocol": "http1"}, "upstream"),
    (TLS, HTTPS, "upstream_hosts", {"10.9.9.9:8080": 2}, "upstream/hosts"),
    (TLS, HTTPS, "upstream/tls", ABSENT, "upstream/tls"),
    (TLS, HTTPS, "upstream/tls/sni", "other", "upstream/sni"),
    (TLS, HTTPS, "upstream/tls/alpn_offered", ["h2"], "upstream/alpn"),
    (TLS, HTTPS, "upstream/tls/client_cert", ABSENT, "upstream/client_certificate"),
    (TLS, HTTPS, "upstream/tls/client_cert", ["URI:spiffe://a/ns/b/sa/c"], "upstream/client_certificate"),
    (TLS, HTTPS, "upstream/proxy_protocol", "PROXY TCP4", "upstream/proxy_protocol"),
    (TLS, HTTPS, "upstream/protocol", "http2", "upstream/http2"),
    (TLS, HTTPS, "upstream/request/method", "PUT", "request/method"),
    (TLS, HTTPS, "upstream/request/path", "/other", "request/path"),
    (TLS, HTTPS, "upstream/request/authority", "other", "request/authority"),
    (TLS, HTTPS, "upstream/request/headers_added/x-more", "1", "request/added/x-more"),
    (TLS, HTTPS, "upstream/request/headers_added/x-forwarded-proto", "http", "request/added/x-forwarded-proto"),
    (TLS, MUTUAL, "upstream/request/headers_added/x-forwarded-client-cert", ABSENT,
     "request/added/x-forwarded-client-cert"),
    (TLS, HTTPS, "upstream/request/headers_changed", {"x-a": "1"}, "request/changed/x-a"),
    (TLS, HTTPS, "upstream/request/headers_removed", ["x-a"], "request/removed"),
    (DRAWN, MIRRORED, "mirrors", [], "mirrors"),
    (DRAWN, MIRRORED, "mirrors/0/request/path", "/other", "mirrors"),
    (DRAWN, MIRRORED, "mirrors/0/request/authority", "other", "mirrors"),
    (DRAWN, MIRRORED, "mirrors/0/tls/sni", "other", "mirrors"),
    (TLS, HTTPS, "service_calls", [{"path": "/envoy.service.auth.v3.Authorization/Check"}], "service_calls"),
]  # fmt: skip


@pytest.fixture(scope="module")
def worlds(recorded: Path) -> dict[str, tuple[CallWorld, dict[str, Any]]]:
    found = {}
    for name in (TLS, DRAWN):
        body: Any = read_recording(recorded, "envoy-calls", name)
        found[name] = (CallWorld(recorded, name, ResourceCache()), {c["name"]: c for c in body["calls"]})
    return found


def paths(worlds: dict[str, tuple[CallWorld, dict[str, Any]]], world: str, name: str, change: Any) -> list[str]:
    """Where the first outcome of a call differs once it was changed."""
    holder, recorded = worlds[world]
    (full,) = [n for n in recorded if n.startswith(name)]
    outcome = copy.deepcopy(recorded[full]["outcomes"][0])
    change(outcome)
    call = holder.calls[full]
    state = holder.proxy(call.proxy)
    ((_, decision),) = decided(call, state, holder)
    return [m.path for m in compare_outcome(call, Fields(outcome), decision, state.surroundings.identity)]


@pytest.mark.parametrize(
    ("world", "name"), [(TLS, n) for n in (HTTPS, MUTUAL, LATE, PASSED, NOBODY, ENDED)] + [(DRAWN, MIRRORED)]
)
def test_what_was_recorded_is_equal(worlds: Any, world: str, name: str) -> None:
    assert paths(worlds, world, name, lambda outcome: None) == []


@pytest.mark.parametrize(
    ("world", "name", "place", "value", "found"), PLANTED, ids=[f"{p[2]}-{i}" for i, p in enumerate(PLANTED)]
)
def test_planted_differences_are_found(
    worlds: Any, world: str, name: str, place: str, value: object, found: str
) -> None:
    def change(outcome: Any) -> None:
        *steps, last = place.split("/")
        target = outcome
        for step in steps:
            target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
        if value is ABSENT:
            del target[last]
        else:
            target[last] = value

    assert found in paths(worlds, world, name, change)


def test_what_is_no_difference(worlds: Any) -> None:
    """A client that went away, and DC beside another flag, are not of Envoy's making."""

    def change(outcome: Any) -> None:
        outcome["envoy"].update(details="downstream_remote_disconnect", flags="DC")

    assert paths(worlds, TLS, HTTPS, change) == []
