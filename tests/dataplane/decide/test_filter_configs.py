"""Filter configurations by type."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import any_pb2

from meshsim.dataplane.decide.chances import Fractional
from meshsim.dataplane.decide.filter_configs import (
    AlpnConfig,
    BufferConfig,
    CorsConfig,
    ExtAuthzConfig,
    FaultConfig,
    FilterConfig,
    HeaderMutationConfig,
    LocalRateLimitConfig,
    Passive,
    PerRoute,
    RbacPerRoute,
    RouterConfig,
    Unmodelled,
    decode_filter_config,
)
from meshsim.dataplane.decide.rate_limits import TokenBucket
from meshsim.xds.packing import from_json

HTTP = "type.googleapis.com/envoy.extensions.filters.http."


def decode(kind: str, notes: list[str] | None = None, **fields: Any) -> FilterConfig:
    return decode_filter_config(from_json({"@type": kind, **fields}, any_pb2.Any), [] if notes is None else notes)


def test_fault() -> None:
    found = decode(
        f"{HTTP}fault.v3.HTTPFault",
        delay={"fixed_delay": "2s", "percentage": {"numerator": 5, "denominator": "MILLION"}},
        abort={"http_status": 418, "percentage": {"numerator": 10}},
    )
    assert isinstance(found, FaultConfig)
    assert (found.delay, found.delay_share, found.abort_status, found.abort_share) == (
        2_000_000_000,
        Fractional(5, 1_000_000),
        418,
        Fractional(10, 100),
    )
    assert found.acts
    empty = decode(f"{HTTP}fault.v3.HTTPFault")
    assert isinstance(empty, FaultConfig)
    assert not empty.acts


def test_cors_preflights_are_forwarded_by_default() -> None:
    found = decode(f"{HTTP}cors.v3.CorsPolicy", allow_origin_string_match=[{"exact": "*"}])
    assert isinstance(found, CorsConfig)
    assert found.forward_not_matching_preflights
    assert found.enabled.always


def test_local_rate_limit_is_off_by_default() -> None:
    bucket = {"max_tokens": 10, "fill_interval": "60s"}
    found = decode(f"{HTTP}local_ratelimit.v3.LocalRateLimit", stat_prefix="x", token_bucket=bucket)
    assert isinstance(found, LocalRateLimitConfig)
    assert found.enabled.never
    assert found.default == TokenBucket(10, 1, 60 * 10**9)
    assert found.status == 429


def test_ext_authz() -> None:
    found = decode(
        f"{HTTP}ext_authz.v3.ExtAuthz",
        http_service={"server_uri": {"uri": "http://a", "cluster": "c", "timeout": "1s"}},
    )
    assert isinstance(found, ExtAuthzConfig)
    assert (found.cluster, found.timeout, found.status_on_error) == ("c", 10**9, 403)


def test_small_ones() -> None:
    assert decode(f"{HTTP}buffer.v3.Buffer", max_request_bytes=5) == BufferConfig(5)
    assert decode(f"{HTTP}router.v3.Router", suppress_envoy_headers=True) == RouterConfig(True)
    assert decode(f"{HTTP}rbac.v3.RBACPerRoute") == RbacPerRoute(None)
    mutations = decode(f"{HTTP}header_mutation.v3.HeaderMutation", mutations={"request_mutations": [{"remove": "X"}]})
    assert isinstance(mutations, HeaderMutationConfig)
    assert mutations.request[0].remove == ("x",)
    override = [{"upstream_protocol": "HTTP2", "alpn_override": ["istio-h2", "istio", "h2"]}]
    alpn = decode(
        "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", alpn_override=override
    )
    assert alpn == AlpnConfig({2: ("istio-h2", "istio", "h2")})
    off = decode("type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled=True)
    assert off == PerRoute(True, None)


@pytest.mark.parametrize(
    "url", ["io.istio.http.peer_metadata.Config", "envoy.tcp.metadataexchange.config.MetadataExchange"]
)
def test_istio_filters_in_a_typed_struct_are_passive(url: str) -> None:
    found = decode("type.googleapis.com/udpa.type.v1.TypedStruct", type_url=f"type.googleapis.com/{url}", value={})
    assert found == Passive(url)


def test_what_is_not_known_is_noted() -> None:
    notes: list[str] = []
    found = decode(f"{HTTP}lua.v3.Lua", notes)
    assert isinstance(found, Unmodelled)
    assert notes == ["filter envoy.extensions.filters.http.lua.v3.Lua"]
