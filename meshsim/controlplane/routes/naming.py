"""Names and domains of a sidecar's virtual hosts, as proxies of one namespace write them.

Namespaces differ only in what they call their own services, so the names that a stranger uses are given once, and those
of a namespace are made of them.

istio pilot/pkg/networking/core/httproute.go (buildVirtualHosts, dedupeDomains), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.controlplane.host_names import bracketed, domain_with_port
from meshsim.controlplane.model import Service
from meshsim.controlplane.routes.domains import DomainSet, ServiceDomains, Viewpoint
from meshsim.controlplane.routes.groups import Wanted
from meshsim.controlplane.routes.hosts import HostHead

_HTTP_SUFFIX: Final = ":80"


class Named(NamedTuple):
    """A virtual host with its name and domains."""

    head: HostHead
    at: int
    """Its place among those who wanted a name."""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """The virtual hosts of a configuration by name."""

    hosts: tuple[Named, ...]
    duplicates: tuple[tuple[str, str], ...]
    """Names, or names of hosts that lost a domain, with what Pilot says of it."""
    taken: frozenset[str]
    """All domains, in lower case."""
    known: frozenset[str]
    """Full names of the services."""
    heads: Mapping[int, HostHead]
    """By the places of those who wanted a name."""


def give_names(wanted: Sequence[Wanted], viewpoint: Viewpoint, listener_port: int) -> Names:
    """Names and domains; a name or domain that is taken goes to the first who had it."""
    asked = [_domains(item, viewpoint, listener_port) for item in wanted]
    known = {item.about.hostname for item in wanted if isinstance(item.about, Service)}
    known.update(found.head.name for found, item in zip(asked, wanted) if isinstance(item.about, Service))
    domain_set = DomainSet(known)
    names: set[str] = set()
    hosts: list[Named] = []
    duplicates: list[tuple[str, str]] = []
    for at, domains in enumerate(asked):
        name = domains.head.name
        kind = "service" if isinstance(wanted[at].about, Service) else "virtual service"
        message = f"duplicate domain from {kind}: {name}"
        if name in names:
            duplicates.append((name, message))
            continue
        names.add(name)
        head = domain_set.take(domains)
        if head is not domains.head:
            duplicates.append((name, message))
        if not listener_port and not name.endswith(_HTTP_SUFFIX):
            # A proxy listener takes all ports; only on port 80 a Host header goes without one.
            head = HostHead.of(name, (domain for domain in head.domains if ":" in domain))
        if head.domains:
            hosts.append(Named(head, at))
    hosts.sort(key=lambda host: host.head.name)
    heads = {host.at: host.head for host in hosts}
    return Names(tuple(hosts), tuple(duplicates), frozenset(domain_set.taken), frozenset(known), heads)


def _domains(item: Wanted, viewpoint: Viewpoint, listener_port: int) -> ServiceDomains:
    if isinstance(item.about, Service):
        return viewpoint.domains(item.about, item.port, not listener_port)
    host = item.about.lower()
    return ServiceDomains.of(domain_with_port(host, item.port), (bracketed(host),))


def places_by_ending(wanted: Sequence[Wanted]) -> Mapping[str, Sequence[int]]:
    """Services by every ending of their hosts that begins at a dot: where each stands among those who want a name."""
    found: dict[str, dict[int, None]] = {}
    for at, item in enumerate(wanted):
        if isinstance(item.about, Service):
            for host in (item.about.hostname, *item.about.aliases):
                dot = host.find(".")
                while dot >= 0:
                    found.setdefault(host[dot:], {})[at] = None
                    dot = host.find(".", dot + 1)
    return {ending: tuple(places) for ending, places in found.items()}


def own_heads(
    strangers: Names, wanted: Sequence[Wanted], own: Iterable[int], viewpoint: Viewpoint, listener_port: int
) -> Mapping[int, HostHead] | None:
    """The heads of a namespace's own services, at the places in `own`, instead of those that a stranger sees.

    `None` when they do not simply add names that nobody has: then all names must be given anew.
    """
    if not listener_port:
        return None
    added: set[str] = set()
    found: dict[int, HostHead] = {}
    for at in own:
        head = strangers.heads.get(at)
        domains = _domains(wanted[at], viewpoint, listener_port)
        if head is None or head.name != domains.head.name:
            return None
        common = {domain.lower() for domain in head.domains}
        more = domains.folded - common
        if (
            not common <= domains.folded
            or len(domains.folded) != len(domains.head.domains)
            or not added.isdisjoint(more)
            or not strangers.taken.isdisjoint(more)
            or not strangers.known.isdisjoint(domains.expanded)
        ):
            return None
        added |= more
        found[at] = domains.head
    return found
