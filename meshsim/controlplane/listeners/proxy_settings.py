"""What a proxy's node metadata and ProxyConfig say about its listeners.

istio pilot/pkg/networking/util/headers.go and pilot/pkg/model/context.go, release 1.31.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import Protocol, Proxy
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.units import Nanos
from meshsim.xds.messages import http_connection_manager_pb2

HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager

WILDCARD: Final = "0.0.0.0"
WILDCARD_IPV6: Final = "::"
ISTIO_SERVER_NAME: Final = "istio-envoy"
_PRIVILEGED_BELOW: Final = 1024


class Interception(Enum):
    """How traffic reaches the sidecar."""

    REDIRECT = "REDIRECT"
    TPROXY = "TPROXY"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """`proxyHeaders` of the ProxyConfig with the defaults of a listener class."""

    server_name: str
    pass_server_through: bool
    client_cert: str
    """Envoy's forward_client_cert_details."""
    client_cert_fields: Fields
    """`setCurrentClientCertDetails`."""
    request_id: bool
    debug_headers: bool
    mx_in_mesh_only: bool
    """Metadata exchange headers stay inside the mesh."""
    forwarded_port: bool
    """Append x-forwarded-port."""
    preserve_case: bool


def proxy_headers(config: Fields, listener_class: ListenerClass) -> ProxyHeaders:
    """The headers a proxy adds and keeps on listeners of a class."""
    headers = config.fields("proxyHeaders")
    server = headers.fields("server")
    name = "" if listener_class is ListenerClass.SIDECAR_OUTBOUND else ISTIO_SERVER_NAME
    hidden = server.flag("disabled")
    cert = headers.text("forwardedClientCert", "UNDEFINED")
    return ProxyHeaders(
        server_name="" if hidden else server.text("value") or name,
        pass_server_through=hidden,
        client_cert="APPEND_FORWARD" if cert == "UNDEFINED" else cert,
        client_cert_fields=headers.fields("setCurrentClientCertDetails"),
        request_id=not headers.fields("requestId").flag("disabled"),
        debug_headers=not headers.fields("envoyDebugHeaders").flag("disabled"),
        mx_in_mesh_only=headers.fields("metadataExchangeHeaders").text("mode") == "IN_MESH",
        forwarded_port=headers.fields("xForwardedPort").flag("enabled"),
        preserve_case=headers.flag("preserveHttp1HeaderCase"),
    )


def interception(proxy: Proxy) -> Interception:
    text = proxy.metadata.text("INTERCEPTION_MODE")
    return Interception(text) if text in ("TPROXY", "NONE") else Interception.REDIRECT


def is_ipv6(proxy: Proxy) -> bool:
    """Whether the proxy has IPv6 addresses alone."""
    return all(":" in address for address in proxy.addresses)


def idle_timeout(proxy: Proxy) -> Nanos | None:
    """`IDLE_TIMEOUT` of the node metadata."""
    return proxy.metadata.duration("IDLE_TIMEOUT")


def accepts_http10(proxy: Proxy) -> bool:
    return proxy.metadata.text("HTTP10") == "1"


def flag(proxy: Proxy, key: str) -> bool:
    """A boolean of the node metadata, which agents send as text."""
    return proxy.metadata.text(key).lower() in ("true", "1")


def can_bind(
    proxy: Proxy, mesh: MeshConfig | None, *, bind_to_port: bool, bind: str, port: int, protocol: Protocol
) -> bool:
    """Whether a listener may use a port: not a privileged one without privilege, not one of the proxy's own.

    Own ports count on the wildcard address only: status and Prometheus port, and with a mesh (outbound) the two that
    redirected traffic arrives on (istio CanBindToPort).
    """
    if bind_to_port and port < _PRIVILEGED_BELOW and flag(proxy, "UNPRIVILEGED_POD"):
        return False
    if bind not in ("", WILDCARD, WILDCARD_IPV6):
        return True
    if not bind and not protocol.is_http:
        return True
    taken = [proxy.metadata.integer("ENVOY_STATUS_PORT"), proxy.metadata.integer("ENVOY_PROMETHEUS_PORT")]
    if mesh is not None:
        taken += [mesh.outbound_port, mesh.inbound_port]
    return port not in taken
