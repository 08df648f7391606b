"""Host lists of Gateways and VirtualServices, and names as Envoy's domains write them.

Modelled on istio pkg/config/host/names.go, pilot/pkg/model/config.go (resolveGatewayName) and
pilot/pkg/networking/util/util.go (DomainName, IPv6Compliant), release 1.31.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from meshsim.controlplane.hosts import subset_of

MESH_GATEWAY: Final = "mesh"
"""The reserved gateway name that stands for every sidecar."""


def intersection(hosts: Sequence[str], others: Sequence[str]) -> list[str]:
    """The narrower name of each overlapping pair, in the order of `hosts`, each once."""
    result: dict[str, None] = {}
    for host in hosts:
        for other in others:
            if subset_of(host, other):
                result.setdefault(host)
            elif subset_of(other, host):
                result.setdefault(other)
    return list(result)


def hosts_for_namespace(hosts: Sequence[str], namespace: str) -> list[str]:
    """The hosts of a Gateway server that VirtualServices of a namespace may bind to, without their ``ns/`` prefix."""
    result = []
    for host in hosts:
        owner, slash, name = host.partition("/")
        if not slash:
            result.append(host)
        elif owner in (namespace, "*"):
            result.append(name.partition("/")[0])
    return result


def resolve_gateway_name(gateway: str, namespace: str) -> str:
    """``namespace/name`` of a gateway reference: short, ``./name``, ``ns/name`` or the old ``name.ns.svc...`` form."""
    if gateway == MESH_GATEWAY:
        return gateway
    owner, slash, name = gateway.partition("/")
    if slash:
        return f"{namespace}/{name}" if owner == "." else gateway
    name, dot, rest = gateway.partition(".")
    if not dot:
        return f"{namespace}/{gateway}"
    return f"{rest.partition('.')[0]}/{name}"


def is_ip_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def domain_with_port(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bracketed(host: str) -> str:
    """An IPv6 address in brackets, anything else as it is."""
    return f"[{host}]" if ":" in host and is_ip_address(host) else host
