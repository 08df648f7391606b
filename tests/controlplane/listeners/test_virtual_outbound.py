from __future__ import annotations

from typing import Any

import pytest


def _virtual(small_mesh: Any, look: Any, mesh: str = "", *objects: str) -> Any:
    return look.lds(small_mesh(look.client(*objects), mesh), "shop/client-0")["virtualOutbound"]


@pytest.mark.parametrize(
    ("mode", "cluster"), [("ALLOW_ANY", "PassthroughCluster"), ("REGISTRY_ONLY", "BlackHoleCluster")]
)
def test_undeclared_hosts_by_the_meshs_policy(small_mesh: Any, look: Any, mode: str, cluster: str) -> None:
    listener = _virtual(small_mesh, look, f"outboundTrafficPolicy: {{mode: {mode}}}")
    assert look.clusters(listener) == ["BlackHoleCluster", cluster]
    assert look.matches(listener) == [{"destination_port": 15001}, {}]
    assert listener["use_original_dst"] is True


def test_an_egress_proxy_takes_them_all(small_mesh: Any, look: Any) -> None:
    policy = "{outboundTrafficPolicy: {egressProxy: {host: egress.shop.svc.cluster.local, port: {number: 443}}}}"
    listener = _virtual(small_mesh, look, "", look.istio("Sidecar", policy))
    assert look.clusters(listener)[1] == "outbound|443||egress.shop.svc.cluster.local"


def test_names_can_be_resolved_on_the_way(small_mesh: Any, look: Any) -> None:
    listener = _virtual(small_mesh, look, "outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}")
    chain = listener["filter_chains"][2]
    assert chain["filter_chain_match"] == {"application_protocols": ["http/1.1", "h2c"]}
    assert look.http_filters(chain)[-2:] == ["dynamic_forward_proxy", "router"]
    route = look.manager(chain)["route_config"]["virtual_hosts"][0]["routes"][0]
    assert route["route"]["cluster"] == "AllowAnyDynamicDNSCluster"


def test_tproxy_listens_transparently(small_mesh: Any, look: Any) -> None:
    pod = look.pod("client-0", "10.244.0.9", "client", annotations="{sidecar.istio.io/interceptionMode: TPROXY}")
    listeners = look.lds(small_mesh(look.node + pod), "shop/client-0")
    assert listeners["virtualOutbound"]["transparent"] is listeners["virtualInbound"]["transparent"] is True


def test_a_port_for_explicitly_proxied_requests(small_mesh: Any, look: Any) -> None:
    listeners = look.lds(small_mesh(look.client(), "proxyHttpPort: 15007"), "shop/client-0")
    manager = look.manager(listeners["127.0.0.1_15007"]["filter_chains"][0])
    assert manager["rds"]["route_config_name"] == "http_proxy"
    assert manager["http_protocol_options"] == {"allow_absolute_url": True}
