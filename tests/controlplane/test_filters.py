from __future__ import annotations

from meshsim.controlplane import filters
from meshsim.xds.packing import to_json


def test_metadata_exchange_by_side() -> None:
    inbound = to_json(filters.http_metadata_exchange(inbound=True))["typed_config"]
    outbound = to_json(filters.http_metadata_exchange(inbound=False, skip_external=True))["typed_config"]
    assert "downstream_discovery" in inbound["value"]
    assert outbound["value"]["upstream_propagation"] == [{"istio_headers": {"skip_external_clusters": True}}]


def test_alpn_tells_the_server_what_is_inside() -> None:
    overrides = to_json(filters.alpn())["typed_config"]["alpn_override"]
    assert overrides[1] == {
        "upstream_protocol": "HTTP11",
        "alpn_override": ["istio-http/1.1", "istio", "http/1.1"],
    }


def test_names_are_resolved_in_the_proxys_address_family() -> None:
    for ipv6, family in ((False, "V4_ONLY"), (True, "V6_ONLY")):
        found = to_json(filters.dynamic_forward_proxy("c", ipv6=ipv6, max_hosts=9))["typed_config"]
        assert found["dns_cache_config"] == {"name": "c", "dns_lookup_family": family, "max_hosts": 9}
        by_sni = to_json(filters.sni_dynamic_forward_proxy("c", 443, ipv6=ipv6))["typed_config"]
        assert by_sni["port_value"] == 443
        assert by_sni["dns_cache_config"]["dns_lookup_family"] == family


def test_a_filter_is_made_once() -> None:
    assert filters.router(suppress_envoy_headers=False) is filters.router(suppress_envoy_headers=False)
    assert filters.tcp_metadata_exchange().name == "istio.metadata_exchange"
