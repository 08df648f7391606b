"""Host names, plain or wildcard: how they cover each other, how short ones are completed, how domains write them.

Modelled on istio pkg/config/host/name.go, names.go, pilot/pkg/model/config.go (ResolveShortnameToFQDN,
resolveGatewayName) and pilot/pkg/networking/util/util.go (DomainName, IPv6Compliant), release 1.31.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

MESH_GATEWAY: Final = "mesh"
"""The reserved gateway name that stands for every sidecar."""


def is_wildcard(host: str) -> bool:
    """Whether the name starts with ``*``."""
    return host.startswith("*")


def hosts_overlap(one: str, other: str) -> bool:
    """Whether one name covers the other in either direction (``*.com`` and ``foo.com`` do)."""
    if is_wildcard(one):
        if is_wildcard(other):
            short, long = (one, other) if len(one) < len(other) else (other, one)
            return long[1:].endswith(short[1:])
        return other.endswith(one[1:])
    if is_wildcard(other):
        return one.endswith(other[1:])
    return one == other


def host_within(host: str, cover: str) -> bool:
    """Whether every name of `host` is one of `cover`."""
    if is_wildcard(host):
        return is_wildcard(cover) and len(host) >= len(cover) and host[1:].endswith(cover[1:])
    if is_wildcard(cover):
        return host.endswith(cover[1:])
    return host == cover


def host_order(host: str) -> tuple[bool, int, str]:
    """Sort key: plain names before wildcards, longest first, then by letters."""
    return (is_wildcard(host), -len(host), host)


def intersection(hosts: Sequence[str], others: Sequence[str]) -> list[str]:
    """The narrower name of each overlapping pair, in the order of `hosts`, each once."""
    result: dict[str, None] = {}
    for host in hosts:
        for other in others:
            if host_within(host, other):
                result.setdefault(host)
            elif host_within(other, host):
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


def resolve_short_name(host: str, namespace: str, domain: str) -> str:
    """The full name behind a host of an Istio object.

    Only a name without a dot is completed; ``name.namespace`` stays as it is written, and so do ``*`` and addresses.
    """
    if not host or host == "*" or "." in host or is_ip_address(host):
        return host
    full = f"{host}.{namespace}" if namespace else host
    return f"{full}.svc.{domain}" if domain else full


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


@lru_cache(maxsize=65_536)
def is_ip_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    if ":" not in text and not text[-1:].isdecimal():
        return False
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
