"""Domains of a service's virtual host: every Host header by which the service can be meant.

Modelled on istio pilot/pkg/networking/core/httproute.go (generateVirtualHostDomains, GenerateAltVirtualHosts,
dedupeDomains), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Final, NamedTuple

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.host_names import bracketed, domain_with_port, is_ip_address
from meshsim.controlplane.model import Registry, Resolution, Service
from meshsim.controlplane.routes.hosts import HostHead

_UNSPECIFIED: Final = "0.0.0.0"
_KUBE_MARK: Final = ".svc."


class ServiceDomains(NamedTuple):
    """The domains of a service's virtual host."""

    head: HostHead
    """Name and all domains."""
    folded: frozenset[str]
    """The domains in lower case."""
    expanded: frozenset[str]
    """Those that are short forms of a name."""

    @classmethod
    def of(cls, name: str, domains: Sequence[str], expanded: Iterable[str] = ()) -> ServiceDomains:
        folded = frozenset(domain.lower() for domain in domains)
        return cls(HostHead.of(name, domains), folded, frozenset(expanded))


class DomainSet:
    """The domains of one route configuration; Envoy refuses one that stands twice, in whatever case."""

    __slots__ = ("_known", "_taken")

    def __init__(self, known: Set[str]) -> None:
        self._taken: set[str] = set()
        self._known = known
        """Full names of the services in the configuration; no short form of another service may shadow one."""

    @property
    def taken(self) -> Set[str]:
        """All domains so far, in lower case."""
        return self._taken

    def take(self, wanted: ServiceDomains) -> HostHead:
        """Those of the domains that are still free, now taken; the very same head when all are."""
        head = wanted.head
        if (
            len(wanted.folded) == len(head.domains)
            and self._taken.isdisjoint(wanted.folded)
            and self._known.isdisjoint(wanted.expanded)
        ):
            self._taken |= wanted.folded
            return head
        kept = []
        for domain in head.domains:
            folded = domain.lower()
            if folded in self._taken or (domain in wanted.expanded and domain in self._known):
                continue
            kept.append(domain)
            self._taken.add(folded)
        return head if len(kept) == len(head.domains) else HostHead.of(head.name, kept)


class Viewpoint:
    """Where a proxy writes names from: its DNS domain. Namespaces differ only in what they call their own services."""

    __slots__ = ("_cache", "_dns_domain", "_elsewhere", "_own")

    def __init__(self, dns_domain: str, cache: GenerationCache) -> None:
        self._dns_domain = dns_domain
        self._cache = cache
        at = dns_domain.find(_KUBE_MARK)
        self._own = f".{dns_domain}" if at >= 0 else ""
        self._elsewhere = dns_domain[max(at, 0) :]

    @property
    def stranger(self) -> Viewpoint:
        """The place of a proxy in another namespace of the kube: nothing there is its own."""
        return Viewpoint(self._elsewhere, self._cache) if self._own else self

    @property
    def place(self) -> str:
        """The DNS domain of the viewpoint."""
        return self._dns_domain

    @property
    def own_ending(self) -> str:
        """How hosts end for which a proxy here has names of its own; empty where there is no telling."""
        return self._own

    def is_own(self, service: Service) -> bool:
        """Whether a proxy here has names of its own for a service."""
        own = service.hostname.endswith(self._own)
        return own or any(alias.endswith(self._own) for alias in service.aliases)

    def domains(self, service: Service, port: int, with_ports: bool) -> ServiceDomains:
        """The domains of a port of a service; `with_ports`: also with the port, where ports count."""
        own = self.is_own(service)

        def make() -> ServiceDomains:
            domains, expanded = domains_of(service, port if with_ports else 0, self._dns_domain)
            return ServiceDomains.of(domain_with_port(service.hostname, port), domains, expanded)

        key = ("domains", service, port, with_ports, self._dns_domain if own else self._elsewhere)
        return self._cache.get_or_make(key, make)


def domains_of(service: Service, port: int, dns_domain: str) -> tuple[list[str], list[str]]:
    """The domains of a service as a proxy in `dns_domain` writes them, and which of them are short forms.

    `port` 0 leaves ports out, for listeners that ignore the port of a Host header.
    """
    domains: list[str] = []
    expanded: list[str] = []
    for host in (service.hostname, *service.aliases):
        short = short_forms(host, port, dns_domain)
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


def short_forms(host: str, port: int, dns_domain: str) -> list[str]:
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
