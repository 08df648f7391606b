from __future__ import annotations

from typing import Any

from meshsim.controlplane.listeners.chains import ChainSpec
from meshsim.controlplane.listeners.outbound_chains import is_mongo_or_mysql, sniffed
from meshsim.controlplane.model import Protocol

SUBNETS = "destinationSubnets: ['10.1.0.0/16']"


def _tcp(look: Any, matches: str) -> str:
    route = "route: [{destination: {host: other, port: {number: 7}}}]"
    found: str = look.istio("VirtualService", f"{{hosts: [db], tcp: [{{{matches}{route}}}]}}")
    return found


def _listener(small_mesh: Any, look: Any, *objects: str) -> Any:
    mesh = small_mesh(
        look.client(look.service("db", "10.96.0.3", "tcp:5432"), look.service("other", "10.96.0.4", "tcp:7"), *objects)
    )
    return look.lds(mesh, "shop/client-0")["10.96.0.3_5432"]


def test_an_unconditional_route_takes_the_port(small_mesh: Any, look: Any) -> None:
    listener = _listener(small_mesh, look, _tcp(look, ""))
    assert look.clusters(listener) == ["outbound|7||other.shop.svc.cluster.local"]
    config = listener["filter_chains"][0]["metadata"]["filter_metadata"]["istio"]["config"]
    assert config == "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/x"


def test_subnets_have_a_chain_beside_the_services_own(small_mesh: Any, look: Any) -> None:
    listener = _listener(small_mesh, look, _tcp(look, f"match: [{{{SUBNETS}}}], "))
    assert look.clusters(listener) == [
        "outbound|7||other.shop.svc.cluster.local",
        "outbound|5432||db.shop.svc.cluster.local",
    ]
    assert look.matches(listener) == [{"prefix_ranges": [{"address_prefix": "10.1.0.0", "prefix_len": 16}]}]


def test_conditions_on_the_client_are_decided_beforehand(small_mesh: Any, look: Any) -> None:
    own = ["outbound|5432||db.shop.svc.cluster.local"]
    for match in ("sourceLabels: {app: nobody}", "port: 99", "sourceNamespace: far", "gateways: [shop/gw]"):
        listener = _listener(small_mesh, look, _tcp(look, f"match: [{{{match}}}], "))
        assert look.clusters(listener) == own, match
    listener = _listener(small_mesh, look, _tcp(look, "match: [{sourceLabels: {app: client}, port: 5432}], "))
    assert look.clusters(listener) == ["outbound|7||other.shop.svc.cluster.local"]


def test_tls_ports_are_told_apart_by_sni_where_they_share_an_address(small_mesh: Any, look: Any) -> None:
    entry = "{{hosts: [{host}], ports: [{{number: 443, name: tls, protocol: TLS}}], resolution: DNS}}"
    mesh = small_mesh(
        look.client(
            look.istio("ServiceEntry", entry.format(host="a.example.com"), name="a"),
            look.istio("ServiceEntry", entry.format(host="b.example.com"), name="b"),
        )
    )
    listener = look.lds(mesh, "shop/client-0")["0.0.0.0_443"]
    assert look.matches(listener) == [{"server_names": ["a.example.com"]}, {"server_names": ["b.example.com"]}]
    assert listener["listener_filters"][0]["name"] == "envoy.filters.listener.tls_inspector"


def test_a_tls_routes_sni_hosts_replace_the_name(small_mesh: Any, look: Any) -> None:
    tls = (
        "{hosts: [a.example.com], tls: ["
        "{match: [{sniHosts: [x.example.com], sourceLabels: {app: client}}], route: [{destination: {host: x}}]},"
        "{match: [{sniHosts: [x.example.com]}], route: [{destination: {host: never}}]}]}"
    )
    entry = "{hosts: [a.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}"
    mesh = small_mesh(look.client(look.istio("ServiceEntry", entry), look.istio("VirtualService", tls)))
    listener = look.lds(mesh, "shop/client-0")["0.0.0.0_443"]
    assert look.matches(listener) == [{"server_names": ["x.example.com"]}]
    assert look.clusters(listener)[0] == "outbound|443||x.shop.svc.cluster.local"


def test_sniffed_chains_wait_for_the_http_inspector() -> None:
    (chain,) = sniffed([ChainSpec()])
    assert (chain.transport_protocol, chain.application_protocols) == ("raw_buffer", ("http/1.1", "h2c"))


def test_server_first_protocols() -> None:
    assert [p for p in Protocol if is_mongo_or_mysql(p)] == [Protocol.MONGO, Protocol.MYSQL]
