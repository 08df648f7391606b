"""What outbound generators may read of a proxy: proxies with equal views get the same bytes."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from meshsim.controlplane.model import Locality, Proxy


class ProxyView(NamedTuple):
    """The attributes of a proxy that clusters depend on."""

    is_router: bool
    ipv6_only: bool
    preserve_header_case: bool
    """ProxyConfig ``proxyHeaders.preserveHttp1HeaderCase``."""
    locality: Locality
    """Only inline assignments (DNS clusters) read it in CDS; every assignment does in EDS."""
    cluster_id: str
    network: str
    network_view: tuple[str, ...]
    """REQUESTED_NETWORK_VIEW: networks whose endpoints the proxy wants; empty = all."""
    node_name: str
    """Only services with node-local traffic read it."""


def is_ipv6(address: str) -> bool:
    """Whether a text is an IPv6 address."""
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False


def view_of(proxy: Proxy) -> ProxyView:
    """The view of a proxy."""
    metadata = proxy.metadata
    headers = metadata.fields("PROXY_CONFIG").fields("proxyHeaders")
    networks = metadata.text("REQUESTED_NETWORK_VIEW")
    return ProxyView(
        is_router=proxy.is_router,
        ipv6_only=bool(proxy.addresses) and all(is_ipv6(a) for a in proxy.addresses),
        preserve_header_case=headers.flag("preserveHttp1HeaderCase"),
        locality=proxy.locality,
        cluster_id=metadata.text("CLUSTER_ID"),
        network=metadata.text("NETWORK"),
        network_view=tuple(n for n in networks.split(",") if n),
        node_name=metadata.text("NODE_NAME"),
    )
