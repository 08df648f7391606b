from __future__ import annotations

from typing import Any

import pytest

HTTP_MATCH = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}
TCP_METRIC = "pilot_conflict_outbound_listener_tcp_over_current_tcp"
HEADLESS = """
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop, creationTimestamp: '2026-01-01T00:00:01Z'}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: tcp, port: 5432}]
endpoints:
- {addresses: [10.244.0.9], conditions: {ready: true}}
- {addresses: [10.244.0.8], conditions: {ready: true}}
"""


def _entry(host: str, number: int, protocol: str, created: int, **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e{created}, namespace: shop, creationTimestamp: '2026-01-01T00:00:{created:02}Z'}}
spec: {{hosts: [{host}], ports: [{{number: {number}, name: p, protocol: {protocol}}}], resolution: NONE{extra}}}
"""


def test_http_services_of_a_port_share_the_wildcard_listener(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.service("a", "10.96.0.1", "http:80"), look.service("b", "10.96.0.2", "grpc:80", created=2))
    )
    listeners = look.lds(mesh, "shop/client-0")
    assert set(listeners) == {"0.0.0.0_80", "virtualOutbound", "virtualInbound"}
    listener = listeners["0.0.0.0_80"]
    assert look.matches(listener) == [HTTP_MATCH]
    assert look.manager(listener["filter_chains"][0])["rds"]["route_config_name"] == "80"
    assert look.clusters(listener) == ["http", "PassthroughCluster"]
    assert listener["default_filter_chain"]["name"] == "PassthroughFilterChain"
    assert listener["bind_to_port"] is False


def test_tcp_and_undeclared_protocols_have_the_address_of_their_service(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.service("db", "10.96.0.3", "tcp:5432"), look.service("x", "10.96.0.4", "any:9000"))
    )
    listeners = look.lds(mesh, "shop/client-0")
    assert look.clusters(listeners["10.96.0.3_5432"]) == ["outbound|5432||db.shop.svc.cluster.local"]
    detected = listeners["10.96.0.4_9000"]
    assert look.clusters(detected) == ["http", "outbound|9000||x.shop.svc.cluster.local"]
    assert look.manager(detected["filter_chains"][0])["rds"]["route_config_name"] == "x.shop.svc.cluster.local:9000"


def test_udp_has_no_listener(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(look.service("dns", "10.96.0.3", "udp-x:53").replace("name: udp-x", "protocol: UDP")))
    assert set(look.lds(mesh, "shop/client-0")) == {"virtualOutbound", "virtualInbound"}


def test_headless_pods_have_listeners_but_not_in_their_own_proxy(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(HEADLESS))
    assert set(look.lds(mesh, "shop/client-0")) == {"10.244.0.8_5432", "virtualOutbound", "virtualInbound"}


@pytest.mark.parametrize(
    ("first", "second", "clusters"),
    [
        ("HTTP", "TCP", ["http", "outbound|8000||b.example.com"]),
        ("TCP", "HTTP", ["http", "outbound|8000||a.example.com"]),
        ("TCP", "TCP", ["outbound|8000||a.example.com"]),
        ("MONGO", "HTTP", ["outbound|8000||a.example.com"]),
    ],
)
def test_services_that_meet_on_a_port(small_mesh: Any, look: Any, first: str, second: str, clusters: list[str]) -> None:
    mesh = small_mesh(look.client(_entry("a.example.com", 8000, first, 1), _entry("b.example.com", 8000, second, 2)))
    assert look.clusters(look.lds(mesh, "shop/client-0")["0.0.0.0_8000"]) == clusters


def test_the_second_tcp_service_of_an_address_is_counted(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(_entry("a.example.com", 8000, "TCP", 1), _entry("b.example.com", 8000, "TCP", 2)))
    look.lds(mesh, "shop/client-0")
    assert mesh.last.status.counts[TCP_METRIC] == {
        "0.0.0.0_8000": (
            "client-0.shop",
            "Listener=0.0.0.0_8000 Accepted=TCP Rejected=TCP (b.example.com)",
        )
    }


def test_a_network_is_matched_on_the_wildcard(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(_entry("net.example.com", 8000, "TCP", 1, addresses="[10.9.0.0/16]")))
    listener = look.lds(mesh, "shop/client-0")["0.0.0.0_8000"]
    assert look.matches(listener) == [{"prefix_ranges": [{"address_prefix": "10.9.0.0", "prefix_len": 16}]}]
    assert look.clusters(listener) == ["outbound|8000||net.example.com", "PassthroughCluster"]


def test_a_sidecars_listener_takes_a_port_for_itself(small_mesh: Any, look: Any) -> None:
    egress = "{egress: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['./a*']}, {hosts: ['*/*']}]}"
    mesh = small_mesh(
        look.client(
            look.service("a", "10.96.0.1", "http:80"),
            look.service("db", "10.96.0.2", "tcp:5432"),
            look.istio("Sidecar", egress),
        )
    )
    assert {"0.0.0.0_80", "10.96.0.2_5432"} <= set(look.lds(mesh, "shop/client-0"))


def test_without_interception_listeners_bind_localhost(small_mesh: Any, look: Any) -> None:
    pod = look.pod("client-0", "10.244.0.9", "client", annotations="{sidecar.istio.io/interceptionMode: NONE}")
    mesh = small_mesh(look.node + pod + look.service("a", "10.96.0.1", "http:80"))
    listeners = look.lds(mesh, "shop/client-0")
    assert set(listeners) == {"127.0.0.1_80"}
    assert "bind_to_port" not in listeners["127.0.0.1_80"]
    assert listeners["127.0.0.1_80"]["max_connections_to_accept_per_socket_event"] == 1
