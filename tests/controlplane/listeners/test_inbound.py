from __future__ import annotations

from typing import Any

import pytest

MTLS_HTTP = ["istio-http/1.0", "istio-http/1.1", "istio-h2"]
MTLS_ALL = ["istio", "istio-peer-exchange", *MTLS_HTTP]
PLAIN_HTTP = ["http/1.1", "h2c"]
SECURITY = "security.istio.io/v1"

# (is HTTP, transport, ALPNs, terminates mTLS) in istio pilot/pkg/networking/core/filterchain_options.go
EXPECTED = {
    ("http", "PERMISSIVE"): {(True, "tls", tuple(MTLS_ALL), True), (True, "raw_buffer", (), False)},
    ("http", "STRICT"): {(True, "tls", (), True)},
    ("http", "DISABLE"): {(True, "raw_buffer", (), False)},
    ("tcp", "PERMISSIVE"): {
        (False, "tls", tuple(MTLS_ALL), True),
        (False, "tls", (), False),
        (False, "raw_buffer", (), False),
    },
    ("tcp", "STRICT"): {(False, "tls", (), True)},
    ("tcp", "DISABLE"): {(False, "raw_buffer", (), False)},
    ("any", "PERMISSIVE"): {
        (True, "tls", tuple(MTLS_HTTP), True),
        (True, "raw_buffer", tuple(PLAIN_HTTP), False),
        (False, "tls", ("istio-peer-exchange", "istio"), True),
        (False, "raw_buffer", (), False),
        (False, "tls", (), False),
    },
    ("any", "STRICT"): {(True, "tls", tuple(MTLS_HTTP), True), (False, "tls", (), True)},
    ("any", "DISABLE"): {(True, "raw_buffer", tuple(PLAIN_HTTP), False), (False, "raw_buffer", (), False)},
}


def _inbound(small_mesh: Any, look: Any, *objects: str, mesh: str = "", pod: str = "") -> Any:
    pod = pod or look.pod("web-0", "10.244.0.1", "web")
    return look.lds(small_mesh(look.node + pod + "".join(objects), mesh), "shop/web-0")


def _of_port(listener: Any, port: int) -> list[Any]:
    return [c for c in listener["filter_chains"] if c["filter_chain_match"].get("destination_port") == port]


@pytest.mark.parametrize(("protocol", "mode"), list(EXPECTED))
def test_chains_by_protocol_and_mode(small_mesh: Any, look: Any, protocol: str, mode: str) -> None:
    policy = look.istio("PeerAuthentication", f"{{mtls: {{mode: {mode}}}}}", group=SECURITY)
    listener = _inbound(small_mesh, look, look.service("web", "10.96.0.1", f"{protocol}:80:8080"), policy)[
        "virtualInbound"
    ]
    found = {
        (
            "http_connection_manager" in look.filters(chain),
            chain["filter_chain_match"]["transport_protocol"],
            tuple(chain["filter_chain_match"].get("application_protocols", ())),
            "transport_socket" in chain,
        )
        for chain in _of_port(listener, 8080)
    }
    assert found == EXPECTED[protocol, mode]
    assert {chain["name"] for chain in _of_port(listener, 8080)} == {"0.0.0.0_8080"}


def test_undeclared_traffic_and_loops(small_mesh: Any, look: Any) -> None:
    listener = _inbound(small_mesh, look)["virtualInbound"]
    assert look.clusters(listener)[0] == "BlackHoleCluster"
    assert _of_port(listener, 15006)[0]["name"] == "virtualInbound-blackhole"
    names = {c["name"] for c in listener["filter_chains"]}
    assert names == {"virtualInbound", "virtualInbound-catchall-http", "virtualInbound-blackhole"}


def test_a_port_that_only_a_policy_names_has_its_own_mode(small_mesh: Any, look: Any) -> None:
    policy = look.istio(
        "PeerAuthentication",
        "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {9999: {mode: DISABLE}}}",
        group=SECURITY,
    )
    listener = _inbound(small_mesh, look, policy)["virtualInbound"]
    assert [c["filter_chain_match"]["transport_protocol"] for c in _of_port(listener, 9999)] == ["raw_buffer"] * 2


def test_the_oldest_service_has_the_port(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.node
        + look.pod("web-0", "10.244.0.1", "web")
        + look.service("new", "10.96.0.2", "tcp:81:8080", created=5, app="web")
        + look.service("old", "10.96.0.1", "http:80:8080", created=1, app="web")
    )
    listener = look.lds(mesh, "shop/web-0")["virtualInbound"]
    chain = _of_port(listener, 8080)[0]
    routes = look.manager(chain)["route_config"]
    assert routes["virtual_hosts"][0]["routes"][0]["decorator"]["operation"] == "old.shop.svc.cluster.local:80/*"
    assert mesh.last.status.counts["pilot_conflict_inbound_listener"]["web-0.shop"][1] == (
        "Conflicting inbound listener:8080. existing: old.shop.svc.cluster.local, incoming: new.shop.svc.cluster.local"
    )


def test_a_sidecars_ingress_replaces_the_services_ports(small_mesh: Any, look: Any) -> None:
    sidecar = look.istio(
        "Sidecar",
        "{ingress: [{port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8080'},"
        "{port: {number: 9443, name: tcp, protocol: TCP}, bind: 127.0.0.1, captureMode: NONE,"
        " defaultEndpoint: '127.0.0.1:8443'}]}",
    )
    listeners = _inbound(small_mesh, look, look.service("web", "10.96.0.1", "http:80:8080"), sidecar)
    assert not _of_port(listeners["virtualInbound"], 8080)
    chain = _of_port(listeners["virtualInbound"], 9080)[0]
    assert chain["name"] == "10.244.0.1_9080"
    assert chain["metadata"]["filter_metadata"]["istio"]["config"].endswith("/shop/sidecar/x")
    assert look.clusters(listeners["127.0.0.1_9443"]) == ["inbound|9443||"] * 3
    assert "listener_filters" in listeners["127.0.0.1_9443"]


def test_without_interception_services_have_no_inbound_listeners(small_mesh: Any, look: Any) -> None:
    pod = look.pod("web-0", "10.244.0.1", "web", annotations="{sidecar.istio.io/interceptionMode: NONE}")
    listeners = _inbound(small_mesh, look, look.service("web", "10.96.0.1", "tcp:80:8080"), pod=pod)
    assert set(listeners) == {"127.0.0.1_80"}
    assert listeners["127.0.0.1_80"]["traffic_direction"] == "OUTBOUND"


def test_grpc_is_not_retried_and_speaks_http2(small_mesh: Any, look: Any) -> None:
    listener = _inbound(small_mesh, look, look.service("web", "10.96.0.1", "grpc:80:8080"))["virtualInbound"]
    manager = look.manager(_of_port(listener, 8080)[0])
    assert manager["http2_protocol_options"] == {}
    assert "retry_policy" not in manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
