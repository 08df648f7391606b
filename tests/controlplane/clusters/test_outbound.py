from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.clusters.draft import HTTP_OPTIONS, Cluster, HttpProtocolOptions
from meshsim.controlplane.clusters.outbound import stat_name
from meshsim.controlplane.model import Protocol, ProxyType, Registry, Resolution, Service, ServicePort
from meshsim.xds import type_urls

WEB = "outbound|80||web.shop.svc.cluster.local"


def _entry(spec: str, host: str = "ext.example.com") -> str:
    return (
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: ext, namespace: shop},"
        f" spec: {{hosts: [{host}], ports: [{{number: 80, name: http, protocol: HTTP}}], {spec}}}}}"
    )


def _rule(spec: str) -> str:
    return (
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop},"
        f" spec: {{host: web, {spec}}}}}"
    )


def _istio(cluster: Any) -> Any:
    return cluster.metadata.filter_metadata["istio"]


def test_a_service_has_a_cluster_for_each_port(shop: Any) -> None:
    cluster = shop.clusters("shop/client-0")[WEB]
    assert cluster.type == Cluster.EDS
    assert cluster.eds_cluster_config.service_name == WEB
    assert cluster.lb_policy == Cluster.LEAST_REQUEST
    assert [m.name for m in cluster.transport_socket_matches] == ["tlsMode-istio", "tlsMode-disabled"]
    (service,) = _istio(cluster)["services"]
    assert dict(service) == {"host": "web.shop.svc.cluster.local", "name": "web", "namespace": "shop"}


def test_subsets_have_clusters_of_their_own(shop: Any) -> None:
    shop.put(_rule("trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: v1, labels: {version: v1}}]"))
    clusters = shop.clusters("shop/client-0")
    subset = clusters["outbound|80|v1|web.shop.svc.cluster.local"]
    assert subset.lb_policy == Cluster.RANDOM
    assert _istio(subset)["subset"] == "v1"
    assert _istio(clusters[WEB])["config"].endswith("/namespaces/shop/destination-rule/web")


def test_a_subset_that_passes_through_ignores_endpoints(shop: Any) -> None:
    shop.put(_rule("subsets: [{name: raw, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}]"))
    clusters = shop.clusters("shop/client-0")
    raw = clusters["outbound|80|raw|web.shop.svc.cluster.local"]
    assert (raw.type, raw.lb_policy) == (Cluster.ORIGINAL_DST, Cluster.CLUSTER_PROVIDED)
    assert clusters[WEB].type == Cluster.EDS


@pytest.mark.parametrize(
    ("resolution", "kind"), [("DNS", "STRICT_DNS"), ("DNS_ROUND_ROBIN", "LOGICAL_DNS"), ("NONE", "ORIGINAL_DST")]
)
def test_how_addresses_of_an_entry_are_found(shop: Any, resolution: str, kind: str) -> None:
    shop.put(_entry(f"resolution: {resolution}"))
    cluster = shop.clusters("shop/client-0")["outbound|80||ext.example.com"]
    assert Cluster.DiscoveryType.Name(cluster.type) == kind
    assert _istio(cluster)["external"]
    assert not cluster.transport_socket_matches
    if "DNS" in resolution:
        (group,) = cluster.load_assignment.endpoints
        assert group.lb_endpoints[0].endpoint.address.socket_address.address == "ext.example.com"
        assert cluster.respect_dns_ttl


def test_gateways_choose_endpoints_of_passthrough_services_themselves(shop: Any) -> None:
    shop.put(_entry("resolution: NONE"))
    found = shop.generate(type_urls.CLUSTER, "shop/client-0", kind=ProxyType.ROUTER)
    assert found["outbound|80||ext.example.com"].type == Cluster.EDS


def test_a_dns_cluster_without_endpoints_is_left_out_and_counted(shop: Any) -> None:
    shop.put(_entry("resolution: DNS, workloadSelector: {labels: {app: nobody}}"))
    assert "outbound|80||ext.example.com" not in shop.clusters("shop/client-0")
    assert list(shop.last.status.counts["pilot_dns_cluster_without_endpoints"]) == ["outbound|80||ext.example.com"]


def test_dynamic_dns_resolves_the_host_of_each_request(shop: Any) -> None:
    shop.put(_entry("resolution: DYNAMIC_DNS", "'*.example.com'"))
    cluster = shop.clusters("shop/client-0")["outbound|80||*.example.com"]
    assert cluster.cluster_type.name == "envoy.clusters.dynamic_forward_proxy"


def test_headless_services_take_mtls_when_every_endpoint_does(shop: Any) -> None:
    shop.put(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},"
        " spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}}"
    )
    cluster = shop.clusters("shop/client-0")[WEB]
    assert cluster.type == Cluster.ORIGINAL_DST
    assert cluster.HasField("transport_socket")
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}},"
        " spec: {nodeName: n1}, status: {phase: Running, podIP: 10.244.0.2}}"
    )
    assert not shop.clusters("shop/client-0")[WEB].HasField("transport_socket")


@pytest.mark.parametrize(
    ("port", "http2", "as_client"), [("name: grpc", True, False), ("name: tcp", False, False), ("name: x", False, True)]
)
def test_http_version_by_protocol(shop: Any, port: str, http2: bool, as_client: bool) -> None:
    shop.put(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},"
        f" spec: {{clusterIP: 10.96.0.1, ports: [{{{port}, port: 80}}]}}}}"
    )
    options = HttpProtocolOptions()
    shop.clusters("shop/client-0")[WEB].typed_extension_protocol_options[HTTP_OPTIONS].Unpack(options)
    assert options.explicit_http_config.HasField("http2_protocol_options") is http2
    assert options.HasField("use_downstream_protocol_config") is as_client


def test_ports_of_udp_have_none(shop: Any) -> None:
    shop.put(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},"
        " spec: {clusterIP: 10.96.0.1, ports: [{name: dns, port: 80, protocol: UDP}]}}"
    )
    assert WEB not in shop.clusters("shop/client-0")


def test_disabled_mtls_of_the_namespace_means_clear_text(shop: Any) -> None:
    shop.put(
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: shop},"
        " spec: {mtls: {mode: DISABLE}}}"
    )
    cluster = shop.clusters("shop/client-0")[WEB]
    assert not cluster.transport_socket_matches
    assert not cluster.HasField("transport_socket")


def test_tls_origination_shows_in_metadata(shop: Any) -> None:
    shop.put(_rule("trafficPolicy: {tls: {mode: SIMPLE}}"))
    cluster = shop.clusters("shop/client-0")[WEB]
    assert _istio(cluster)["alpn_override"] == "false"
    assert cluster.transport_socket.name == "envoy.transport_sockets.tls"


def test_distributed_localities_are_weighted(shop: Any) -> None:
    for setting, weighted in (("{distribute: [{from: eu/*, to: {eu/*: 100}}]}", True), ("{enabled: false}", False)):
        shop.put(_rule(f"trafficPolicy: {{loadBalancer: {{localityLbSetting: {setting}}}}}"))
        common = shop.clusters("shop/client-0")[WEB].common_lb_config
        assert common.HasField("locality_weighted_lb_config") is weighted


def test_names_in_statistics() -> None:
    port = ServicePort(name="http", port=80, protocol=Protocol.HTTP)
    values: dict[str, Any] = {"namespace": "n", "resolution": Resolution.CLIENT_SIDE_LB, "ports": (port,)}
    kube = Service(hostname="web.n.svc", name="web", registry=Registry.KUBERNETES, **values)
    external = Service(hostname="x.com", name="x.com", registry=Registry.EXTERNAL, **values)
    pattern = "%SERVICE%_%SERVICE_NAME%_%SERVICE_FQDN%_%SUBSET_NAME%_%TARGET_PORT%_%SERVICE_PORT%_%SERVICE_PORT_NAME%"
    assert stat_name(pattern, kube, "v1", port, 8080) == "web.n_web_web.n.svc_v1_8080_80_http"
    assert stat_name(pattern, external, "", port, 0) == "x.com_x.com_x.com__0_80_http"
