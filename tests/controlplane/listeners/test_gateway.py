from __future__ import annotations

from typing import Any

GATEWAY = "{{selector: {{app: gw}}, servers: [{servers}]}}"
HTTP = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}"


def _server(number: int, protocol: str, host: str, tls: str = "", **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    settings = f", tls: {tls}" if tls else ""
    return (
        f"{{port: {{number: {number}, name: p{number}-{host[0]}, protocol: {protocol}}}, hosts: ['{host}']"
        f"{settings}{extra}}}"
    )


def _listeners(small_mesh: Any, look: Any, *servers: str, objects: str = "", config: str = "") -> Any:
    annotations = f"{{proxy.istio.io/config: '{config}'}}" if config else "{}"
    pod = look.pod("gw-0", "10.244.0.1", "gw", gateway=True, annotations=annotations)
    gateway = look.istio("Gateway", GATEWAY.format(servers=", ".join(servers)), name="gw")
    return look.lds(small_mesh(look.node + pod + gateway + objects), "shop/gw-0")


def test_one_connection_manager_for_all_http_servers_of_a_port(small_mesh: Any, look: Any) -> None:
    listeners = _listeners(small_mesh, look, HTTP, HTTP.replace("*", "a.example.com"))
    (chain,) = listeners["0.0.0.0_80"]["filter_chains"]
    assert "filter_chain_match" not in chain
    manager = look.manager(chain)
    assert manager["rds"]["route_config_name"] == "http.80"
    assert manager["use_remote_address"] is True
    assert manager["forward_client_cert_details"] == "SANITIZE_SET"
    assert set(listeners) == {"0.0.0.0_80"}


def test_https_servers_have_a_chain_each(small_mesh: Any, look: Any) -> None:
    tls = "{mode: SIMPLE, credentialName: web}"
    listener = _listeners(
        small_mesh,
        look,
        _server(443, "HTTPS", "a.example.com", tls, name="first"),
        _server(443, "HTTPS", "b.example.com", tls),
    )["0.0.0.0_443"]
    assert look.matches(listener) == [{"server_names": ["a.example.com"]}, {"server_names": ["b.example.com"]}]
    prefixes = [look.manager(c)["stat_prefix"] for c in listener["filter_chains"]]
    assert prefixes == ["first", "outbound_0.0.0.0_443;"]
    assert listener["listener_filters"][0]["name"] == "envoy.filters.listener.tls_inspector"
    assert "transport_socket" in listener["filter_chains"][0]


def test_a_port_without_routes_is_left_out(small_mesh: Any, look: Any) -> None:
    assert _listeners(small_mesh, look, _server(31400, "TCP", "*")) == {}


def test_what_stands_in_front(small_mesh: Any, look: Any) -> None:
    config = "{gatewayTopology: {numTrustedProxies: 2, forwardClientCertDetails: FORWARD_ONLY, proxyProtocol: {}}}"
    listener = _listeners(small_mesh, look, HTTP, config=config)["0.0.0.0_80"]
    assert listener["listener_filters"][0]["name"] == "envoy.filters.listener.proxy_protocol"
    manager = look.manager(listener["filter_chains"][0])
    assert (manager["xff_num_trusted_hops"], manager["forward_client_cert_details"]) == (2, "FORWARD_ONLY")
    assert "set_current_client_cert_details" not in manager


def test_a_gateway_that_nothing_selects_has_no_listeners(small_mesh: Any, look: Any) -> None:
    pod = look.pod("gw-0", "10.244.0.1", "gw", gateway=True)
    assert look.lds(small_mesh(look.node + pod), "shop/gw-0") == {}
