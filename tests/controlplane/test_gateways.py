from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.gateways import MergedGateway, ServerPort, parse_route_name
from meshsim.controlplane.model import ProxyType

INGRESS = """
apiVersion: v1
kind: Service
metadata: {name: ingress, namespace: gw, creationTimestamp: '2026-01-01T00:00:01Z'}
spec:
  clusterIP: 10.96.0.9
  selector: {istio: ingress}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
---
apiVersion: v1
kind: Pod
metadata: {name: ingress-0, namespace: gw, labels: {istio: ingress}}
spec: {serviceAccountName: gw, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ingress-1, namespace: gw, labels: {istio: ingress}}
spec: {serviceAccountName: gw, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: managed-0
  namespace: gw
  labels: {istio: ingress, gateway.istio.io/managed: istio.io-gateway-controller}
spec: {serviceAccountName: gw, containers: [{name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.3, podIPs: [{ip: 10.244.0.3}]}
"""


def gateway(name: str, servers: str, second: int = 1, namespace: str = "gw") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '2026-01-01T00:00:0{second}Z'}}
spec: {{selector: {{istio: ingress}}, servers: {servers}}}
"""


HTTP = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}"
HTTPS = "{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: a}}"


@pytest.fixture
def merged(small_mesh: Callable[..., Any]) -> Callable[..., MergedGateway]:
    def make(*gateways: str, pod: str = "ingress-0") -> MergedGateway:
        mesh = small_mesh(INGRESS + "".join(gateways))
        found = mesh.push().merged_gateway(mesh.proxy("gw", pod, ProxyType.ROUTER))
        assert found is not None
        return found  # type: ignore[no-any-return]

    return make


def test_a_service_port_means_its_target_port(merged: Callable[..., MergedGateway]) -> None:
    found = merged(gateway("one", f"[{HTTP}, {HTTPS}]"))
    assert found.server_ports == (ServerPort(8080, "HTTP", ""), ServerPort(8443, "HTTPS", ""))
    assert list(found.servers_by_route) == ["http.8080", "https.443.https.one.gw"]
    assert found.port_map == {8080: {80}, 443: {443}}
    (info,) = found.tls_info.values()
    assert info.route_name == "https.443.https.one.gw"
    assert info.sni_hosts == ("a.com",)
    assert not found.has_auto_passthrough


def test_http_servers_of_a_port_share_a_route_configuration(merged: Callable[..., MergedGateway]) -> None:
    found = merged(gateway("new", f"[{HTTP}]", 2), gateway("old", f"[{HTTP}]", 1))
    assert [server.gateway_name for server in found.servers_by_route["http.8080"]] == ["gw/old", "gw/new"]


def test_the_second_tls_server_for_a_host_is_rejected(merged: Callable[..., MergedGateway]) -> None:
    found = merged(gateway("old", f"[{HTTPS}]", 1), gateway("new", f"[{HTTPS}]", 2))
    assert list(found.servers_by_route) == ["https.443.https.old.gw"]
    assert [item.gateway_name for item in found.rejected] == ["gw/new"]


def test_plain_tcp_does_not_join_http(merged: Callable[..., MergedGateway]) -> None:
    tcp = "{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}"
    found = merged(gateway("old", f"[{HTTP}]", 1), gateway("new", f"[{tcp}]", 2))
    assert len(found.servers[ServerPort(8080, "HTTP", "")].servers) == 1
    assert len(found.rejected) == 1


def test_auto_passthrough_asks_for_more_clusters(merged: Callable[..., MergedGateway]) -> None:
    server = "{port: {number: 15443, name: tls, protocol: TLS}, hosts: ['*.local'], tls: {mode: AUTO_PASSTHROUGH}}"
    found = merged(gateway("one", f"[{server}]"))
    assert found.has_auto_passthrough
    assert found.auto_passthrough_hosts == {"*.local"}
    # A port no Service has is the container's own.
    assert found.server_ports == (ServerPort(15443, "TLS", ""),)


def test_namespaces_of_hosts(merged: Callable[..., MergedGateway]) -> None:
    server = "{port: {number: 80, name: http, protocol: HTTP}, hosts: [./a.com, '*/b.com', other/c.com]}"
    found = merged(gateway("one", f"[{server}]"))
    (one,) = found.servers_by_route["http.8080"]
    assert one.hosts == ("gw/a.com", "b.com", "other/c.com")


def test_a_deployed_gateway_ignores_gateways_of_other_namespaces(merged: Callable[..., MergedGateway]) -> None:
    items = (gateway("mine", f"[{HTTP}]"), gateway("theirs", f"[{HTTP}]", namespace="other"))
    assert len(merged(*items).servers_by_route["http.8080"]) == 2
    (one,) = merged(*items, pod="managed-0").servers_by_route["http.8080"]
    assert one.gateway_name == "gw/mine"


def test_replicas_share_the_merged_gateway(small_mesh: Callable[..., Any]) -> None:
    mesh = small_mesh(INGRESS + gateway("one", f"[{HTTP}]"))
    push = mesh.push()
    one, two = (push.merged_gateway(mesh.proxy("gw", f"ingress-{n}", ProxyType.ROUTER)) for n in (0, 1))
    assert one is two
    assert mesh.push().merged_gateway(mesh.proxy("gw", "ingress-0", ProxyType.ROUTER)) is one


def test_nothing_selected_is_no_gateway(small_mesh: Callable[..., Any]) -> None:
    mesh = small_mesh(INGRESS)
    assert mesh.push().merged_gateway(mesh.proxy("gw", "ingress-0", ProxyType.ROUTER)) is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("http.8080", (8080, "", "")),
        ("https.443.https.one.gw", (443, "https", "gw/one")),
        ("http.8080.10.0.0.1", (0, "", "")),
        ("other", (0, "", "")),
    ],
)
def test_route_names(name: str, parts: tuple[int, str, str]) -> None:
    assert parse_route_name(name) == parts
