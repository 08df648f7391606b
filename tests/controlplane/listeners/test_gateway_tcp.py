from __future__ import annotations

from typing import Any

TLS_ROUTE = "{{match: [{{sniHosts: [{sni}], port: {port}}}], route: [{{destination: {{host: {to}}}}}]}}"


def _listener(small_mesh: Any, look: Any, server: str, *objects: str) -> Any:
    gateway = look.istio("Gateway", f"{{selector: {{app: gw}}, servers: [{server}]}}", name="gw")
    pod = look.pod("gw-0", "10.244.0.1", "gw", gateway=True)
    mesh = small_mesh(look.node + pod + gateway + "".join(objects))
    return look.lds(mesh, "shop/gw-0").get("0.0.0.0_443")


def _routes(look: Any, block: str, hosts: str = "a.example.com", gateways: str = "gw") -> str:
    found: str = look.istio("VirtualService", f"{{hosts: [{hosts}], gateways: [{gateways}], {block}}}")
    return found


def test_opaque_tcp_takes_the_first_route_of_its_port(small_mesh: Any, look: Any) -> None:
    server = "{port: {number: 443, name: tcp, protocol: TCP}, hosts: ['*']}"
    routes = (
        "tcp: [{match: [{port: 99}], route: [{destination: {host: no}}]},"
        "{match: [{port: 443}], route: [{destination: {host: db, port: {number: 5432}}}]}]"
    )
    listener = _listener(small_mesh, look, server, _routes(look, routes))
    assert look.clusters(listener) == ["outbound|5432||db.shop.svc.cluster.local"]
    assert "filter_chain_match" not in listener["filter_chains"][0]


def test_hosts_of_server_and_routes_must_meet(small_mesh: Any, look: Any) -> None:
    server = "{port: {number: 443, name: tcp, protocol: TCP}, hosts: [far/a.example.com]}"
    assert _listener(small_mesh, look, server, _routes(look, "tcp: [{route: [{destination: {host: db}}]}]")) is None


def test_terminated_tls_is_told_by_sni(small_mesh: Any, look: Any) -> None:
    server = "{port: {number: 443, name: tls, protocol: TLS}, hosts: [a.example.com], tls: {mode: ISTIO_MUTUAL}}"
    listener = _listener(small_mesh, look, server, _routes(look, "tcp: [{route: [{destination: {host: db}}]}]"))
    assert look.matches(listener) == [{"server_names": ["a.example.com"]}]
    assert look.filters(listener["filter_chains"][0]) == ["istio.metadata_exchange", "tcp_proxy"]
    assert "transport_socket" in listener["filter_chains"][0]


def test_passthrough_has_a_chain_for_each_condition_and_a_name_once(small_mesh: Any, look: Any) -> None:
    server = "{port: {number: 443, name: tls, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}"
    blocks = ", ".join(
        TLS_ROUTE.format(sni=sni, port=port, to=to)
        for sni, port, to in (("a", 443, "one"), ("b", 443, "two"), ("a", 443, "late"), ("c", 99, "no"))
    )
    listener = _listener(small_mesh, look, server, _routes(look, f"tls: [{blocks}]"))
    assert [m["server_names"] for m in look.matches(listener)] == [["a"], ["b"]]
    assert [c.split("|")[3].partition(".")[0] for c in look.clusters(listener)] == ["one", "two"]


def test_auto_passthrough_keeps_the_mtls_of_each_service_and_subset(small_mesh: Any, look: Any) -> None:
    server = (
        "{port: {number: 443, name: tls, protocol: TLS}, hosts: ['*.svc.cluster.local'], tls: {mode: AUTO_PASSTHROUGH}}"
    )
    rule = look.istio("DestinationRule", "{host: db, subsets: [{name: v1, labels: {v: v1}}]}")
    listener = _listener(small_mesh, look, server, look.service("db", "10.96.0.3", "tcp:5432"), rule)
    names = [f"outbound_.5432_.{subset}_.db.shop.svc.cluster.local" for subset in ("", "v1")]
    assert [m["server_names"] for m in look.matches(listener)] == [[name] for name in names]
    assert look.clusters(listener) == names
    assert look.matches(listener)[0]["application_protocols"][:2] == ["istio", "istio-peer-exchange"]
