"""What outbound generators may read of a proxy: proxies with equal views get the same bytes."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.model import Locality, Proxy, Service

if TYPE_CHECKING:
    from meshsim.controlplane.sidecar_scope import SidecarScope


class PlaceView(NamedTuple):
    """Where a proxy is, as far as the choice and order of endpoints depend on it."""

    locality: Locality = Locality()
    network_view: tuple[str, ...] = ()
    """REQUESTED_NETWORK_VIEW: networks whose endpoints the proxy wants; empty = all."""
    network: str = ""
    """The proxy's own network, where there are gateways to others."""
    node_name: str = ""
    """Set only for services with node-local traffic."""
    failover_labels: tuple[tuple[str, str], ...] = ()
    """Labels of the proxy that a failoverPriority compares."""


NOWHERE: Final = PlaceView()


class ProxyView(NamedTuple):
    """The attributes of a proxy that clusters depend on."""

    is_router: bool
    ipv6_only: bool
    preserve_header_case: bool
    """ProxyConfig ``proxyHeaders.preserveHttp1HeaderCase``."""
    certificates: tuple[str, str, str] | None
    """Client certificate chain, key and root in the node metadata (TLS_CLIENT_CERT_CHAIN and so on)."""
    place: PlaceView = NOWHERE
    """Read for inline endpoints only."""

    def without_place(self) -> ProxyView:
        """The view of what is alike everywhere."""
        return self._replace(place=NOWHERE)

    def for_service(self, service: Service) -> ProxyView:
        """The view as far as clusters of this service depend on it."""
        if not service.is_dns:
            return self.without_place()
        place = self.place if service.node_local else self.place._replace(node_name="")
        return self._replace(place=place._replace(failover_labels=()))


@lru_cache(maxsize=8192)
def is_ipv6(address: str) -> bool:
    """Whether a text is an IPv6 address."""
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False


def view_of(proxy: Proxy, scope: SidecarScope, *, networks: bool = False) -> ProxyView:
    """The view of a proxy that sees this scope; `networks` when there is more than one of them."""
    metadata = proxy.metadata
    headers = metadata.fields("PROXY_CONFIG").fields("proxyHeaders")
    chain = metadata.text("TLS_CLIENT_CERT_CHAIN")
    key, root = metadata.text("TLS_CLIENT_KEY"), metadata.text("TLS_CLIENT_ROOT_CERT")
    return ProxyView(
        is_router=proxy.is_router,
        ipv6_only=bool(proxy.addresses) and all(is_ipv6(a) for a in proxy.addresses),
        preserve_header_case=headers.flag("preserveHttp1HeaderCase"),
        certificates=(chain, key, root) if chain else None,
        place=PlaceView(
            locality=proxy.locality,
            network_view=tuple(n for n in metadata.text("REQUESTED_NETWORK_VIEW").split(",") if n),
            network=metadata.text("NETWORK") if networks else "",
            node_name=metadata.text("NODE_NAME") if scope.reads_node else "",
            failover_labels=tuple((k, proxy.labels.get(k, "")) for k in scope.failover_labels),
        ),
    )
