"""Domains of a service's virtual host: every Host header by which the service can be meant.

Modelled on istio pilot/pkg/networking/core/httproute.go (generateVirtualHostDomains, GenerateAltVirtualHosts,
dedupeDomains), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from meshsim.controlplane.host_names import bracketed, domain_with_port, is_ip_address
from meshsim.controlplane.model import Registry, Resolution, Service

_UNSPECIFIED: Final = "0.0.0.0"
_KUBE_MARK: Final = ".svc."


class DomainSet:
    """The domains of one route configuration; Envoy refuses one that stands twice, in whatever case."""

    __slots__ = ("_known", "_taken")

    def __init__(self, known: frozenset[str]) -> None:
        self._taken: set[str] = set()
        self._known = known
        """Full names of the services in the configuration; no short form of another service may shadow one."""

    def take(self, domains: Sequence[str], expanded: Sequence[str]) -> list[str]:
        """The domains that are still free, now taken; `expanded` are those that are short forms of a name."""
        kept = []
        for domain in domains:
            folded = domain.lower()
            if folded in self._taken or (domain in expanded and domain in self._known):
                continue
            kept.append(domain)
            self._taken.add(folded)
        return kept


def service_domains(service: Service, port: int, dns_domain: str) -> tuple[list[str], list[str]]:
    """The domains of a service as a proxy in `dns_domain` writes them, and which of them are short forms.

    `port` 0 leaves ports out, for listeners that ignore the port of a Host header.
    """
    domains: list[str] = []
    expanded: list[str] = []
    for host in (service.hostname, *service.aliases):
        short = _alternatives(host, port, dns_domain)
        domains += with_port(host, port)
        domains += short
        expanded += short
    if service.resolution is Resolution.PASSTHROUGH and service.registry is Registry.KUBERNETES:
        # A headless service is also reached by the names of its pods.
        domains += [f"*.{domain}" for domain in domains]
    for address in service.addresses or (service.default_address,):
        if address and address != _UNSPECIFIED:
            domains += with_port(address, port)
    return domains, expanded


def with_port(host: str, port: int) -> list[str]:
    """The host, and the host with its port where ports count."""
    return [bracketed(host), domain_with_port(host, port)] if port else [bracketed(host)]


def _alternatives(host: str, port: int, dns_domain: str) -> list[str]:
    """Other ways to write a host: with the root's dot, and shortened by what it shares with the proxy's domain."""
    found = [] if is_ip_address(host) else [f"{host}."]
    if port:
        found.append(domain_with_port(f"{host}.", port))
    if _KUBE_MARK in dns_domain:
        if host.endswith(dns_domain[dns_domain.index(_KUBE_MARK) :]):
            found += _each_with_port(_kube_alternatives(host, dns_domain), port)
        return found
    unique, shared = _split_shared(host, dns_domain)
    if shared:
        name = ".".join(unique)
        found += with_port(name, port)
        if len(unique) == 2:
            found += with_port(f"{name}.{shared[0]}", port)
    return found


def _each_with_port(hosts: Iterable[str], port: int) -> list[str]:
    return [form for host in hosts for form in ([host, domain_with_port(host, port)] if port else [host])]


def _kube_alternatives(host: str, dns_domain: str) -> list[str]:
    """``name``, ``name.ns.svc``, ``name.ns`` in the own namespace; without the bare name in another."""
    mark = host.find(_KUBE_MARK)
    dot = host.find(".")
    if mark <= 0 or dot + 1 >= len(host) or dot + 1 > mark:
        return []
    qualified = host[:mark]
    if host[dot + 1 : mark] == dns_domain[: dns_domain.index(_KUBE_MARK)]:
        return [host[:dot], f"{qualified}.svc", qualified]
    return [qualified, f"{qualified}.svc"]


def _split_shared(host: str, dns_domain: str) -> tuple[list[str], list[str]]:
    """The labels of the host before, and those of, the longest common ending of both names."""
    labels, ending = host.split("."), dns_domain.split(".")
    shared = 0
    while shared < min(len(labels), len(ending)) and labels[-1 - shared] == ending[-1 - shared]:
        shared += 1
    at = len(labels) - shared
    return labels[:at], labels[at:]
