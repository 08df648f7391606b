from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.controlplane.listeners.proxy_settings import (
    Interception,
    accepts_http10,
    can_bind,
    flag,
    idle_timeout,
    interception,
    is_ipv6,
    proxy_headers,
)
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Protocol, Proxy, ProxyType
from meshsim.controlplane.telemetry import ListenerClass

MESH = build_mesh_config()


def _proxy(*addresses: str, **metadata: object) -> Proxy:
    return Proxy(
        id="p.n",
        node_id="",
        type=ProxyType.SIDECAR,
        addresses=addresses or ("10.0.0.1",),
        name="p",
        namespace="n",
        dns_domain="",
        labels={},
        metadata=Fields(metadata),
    )


@pytest.mark.parametrize("mode", list(Interception))
def test_interception(mode: Interception) -> None:
    assert interception(_proxy(INTERCEPTION_MODE=mode.value)) is mode


def test_traffic_is_redirected_unless_the_node_says_otherwise() -> None:
    assert interception(_proxy()) is Interception.REDIRECT


def test_node_metadata() -> None:
    proxy = _proxy(IDLE_TIMEOUT="90s", HTTP10="1", UNPRIVILEGED_POD="true")
    assert (idle_timeout(proxy), accepts_http10(proxy), flag(proxy, "UNPRIVILEGED_POD")) == (90 * 10**9, True, True)
    assert (idle_timeout(_proxy()), accepts_http10(_proxy()), flag(_proxy(), "X")) == (None, False, False)


def test_a_proxy_with_ipv6_addresses_alone() -> None:
    assert is_ipv6(_proxy("fd00::1"))
    assert not is_ipv6(_proxy("fd00::1", "10.0.0.1"))


@pytest.mark.parametrize(
    ("bind", "port", "protocol", "bound", "allowed"),
    [
        ("0.0.0.0", 15001, Protocol.TCP, False, False),
        ("0.0.0.0", 15021, Protocol.HTTP, False, False),
        ("", 15006, Protocol.HTTP, False, False),
        ("", 15006, Protocol.TCP, False, True),
        ("10.0.0.1", 15001, Protocol.HTTP, False, True),
        ("0.0.0.0", 80, Protocol.HTTP, True, False),
        ("0.0.0.0", 80, Protocol.HTTP, False, True),
    ],
)
def test_ports_a_listener_may_use(bind: str, port: int, protocol: Protocol, bound: bool, allowed: bool) -> None:
    proxy = _proxy(ENVOY_STATUS_PORT=15021, ENVOY_PROMETHEUS_PORT=15090, UNPRIVILEGED_POD="true")
    assert can_bind(proxy, MESH, bind_to_port=bound, bind=bind, port=port, protocol=protocol) is allowed


def test_headers_by_listener_class() -> None:
    names = {item: proxy_headers(Fields(None), item).server_name for item in ListenerClass}
    assert names == {
        ListenerClass.SIDECAR_INBOUND: "istio-envoy",
        ListenerClass.SIDECAR_OUTBOUND: "",
        ListenerClass.GATEWAY: "istio-envoy",
    }


def test_headers_of_the_proxys_configuration() -> None:
    config = Fields(
        {
            "proxyHeaders": {
                "server": {"disabled": True},
                "requestId": {"disabled": True},
                "envoyDebugHeaders": {"disabled": True},
                "metadataExchangeHeaders": {"mode": "IN_MESH"},
                "forwardedClientCert": "SANITIZE",
                "preserveHttp1HeaderCase": True,
                "xForwardedPort": {"enabled": True},
            }
        }
    )
    found = proxy_headers(config, ListenerClass.SIDECAR_INBOUND)
    assert (found.server_name, found.pass_server_through) == ("", True)
    assert (found.request_id, found.debug_headers, found.mx_in_mesh_only) == (False, False, True)
    assert (found.client_cert, found.preserve_case, found.forwarded_port) == ("SANITIZE", True, True)
