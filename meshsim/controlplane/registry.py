"""The service registry: services and endpoints of the kube and of ServiceEntries, as Pilot sees them.

istio pilot/pkg/serviceregistry, pilot/pkg/model/push_context.go (initServiceRegistry), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, TypeAlias

from meshsim.controlplane.kube_registry import KubeRegistry
from meshsim.controlplane.kube_services import selected_port
from meshsim.controlplane.model import Endpoint, Registry, Resolution, Service, ServicePort, ServiceTarget
from meshsim.controlplane.namespaces import discovered_namespaces
from meshsim.controlplane.service_entries import ServiceEntryRegistry, Workload
from meshsim.controlplane.snapshot import identical, kept
from meshsim.controlplane.topology import labels_match
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.snapshot import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class EndpointSet:
    """All endpoints of a host in one namespace, by port name; made once for a change of any of its sources."""

    sources: tuple[object, ...] = field(repr=False)
    by_port: Mapping[str, tuple[Endpoint, ...]]
    service_accounts: tuple[str, ...]


_Key: TypeAlias = tuple[str, str]
"""A host and the namespace that defines it."""
_ByHost: TypeAlias = Mapping[str, Mapping[str, Service]]


class ServiceRegistry:
    """Both registries together, indexed by host."""

    kube: KubeRegistry
    external: ServiceEntryRegistry
    services: tuple[Service, ...]
    by_host: _ByHost
    _owners: Mapping[_Key, Sequence[Service]]
    """All services of a host in a namespace: a ServiceEntry with several addresses is several."""

    def __init__(self, objects: Snapshot, mesh: MeshConfig, previous: ServiceRegistry | None = None) -> None:
        namespaces = discovered_namespaces(objects, mesh)
        self.kube = KubeRegistry(objects, mesh, namespaces, previous.kube if previous else None)
        if previous is not None and previous.external.holds(objects, mesh, namespaces, self.kube):
            self.external = previous.external
        else:
            self.external = ServiceEntryRegistry(
                objects, mesh, namespaces, self.kube, previous.external if previous else None
            )
        self._read_services(previous)
        self._endpoints: dict[_Key, EndpointSet] = {}
        self._previous_endpoints: dict[_Key, EndpointSet] = {}
        self._accounts: Mapping[Service, tuple[str, ...]] | None = None
        if previous is not None:
            self._take_over(previous)

    def _read_services(self, previous: ServiceRegistry | None) -> None:
        """All services, and by host those of each namespace."""
        if (
            previous is not None
            and self.kube.services is previous.kube.services
            and self.external.services is previous.external.services
        ):
            self.services, self.by_host, self._owners = previous.services, previous.by_host, previous._owners
            return
        merged = sorted([*self.kube.services, *self.external.services], key=lambda s: (s.created, s.name, s.namespace))
        found = tuple(_with_aliases(merged, previous))
        self.services = found if previous is None else kept(previous.services, found)
        owners_of: dict[_Key, list[Service]] = {}
        for service in self.services:
            owners_of.setdefault((service.hostname, service.namespace), []).append(service)
        by_host: dict[str, dict[str, Service]] = {}
        for (hostname, namespace), owners in owners_of.items():
            kubernetes = (service for service in owners if service.registry is Registry.KUBERNETES)
            by_host.setdefault(hostname, {})[namespace] = next(kubernetes, owners[0])
        self.by_host, self._owners = by_host, owners_of

    def _take_over(self, previous: ServiceRegistry) -> None:
        """Keep the sets of endpoints that nothing touched, and remember those that were."""
        self._endpoints = dict(previous._endpoints)
        self._previous_endpoints = dict(previous._previous_endpoints)
        touched = self._touched(previous)
        for key in touched:
            self._remember(previous, key)
        if previous._accounts is None:
            return
        if self.services is previous.services:
            if not touched:
                self._accounts = previous._accounts
                return
            accounts = dict(previous._accounts)
        else:
            known = previous._accounts
            accounts = {service: known[service] for service in self.services if service in known}
            accounts.update(
                (service, self._find_accounts(service)) for service in self.services if service not in known
            )
        for key in touched:
            accounts.update((service, self._find_accounts(service)) for service in self._owners.get(key, ()))
        self._accounts = previous._accounts if accounts == previous._accounts else accounts

    def _touched(self, previous: ServiceRegistry) -> Mapping[_Key, None]:
        """Hosts and namespaces whose endpoints may differ from those of the registry before."""
        found: dict[_Key, None] = dict.fromkeys(self.external.changed_since(previous.external))
        entries = self.external.workload_entries or previous.external.workload_entries
        hosts: Iterable[str] = sorted(self.kube.changed or ())
        if self.kube.changed is None or (entries and self.external is not previous.external):
            # Which Services select a WorkloadEntry is not kept.
            hosts = (*self.by_host, *previous.by_host)
        elif self.by_host is not previous.by_host:
            other = (h for h in (*self.by_host, *previous.by_host) if not self._same_owners(previous, h))
            hosts = (*hosts, *other)
        for hostname in hosts:
            owners = (*self.by_host.get(hostname, ()), *previous.by_host.get(hostname, ()))
            found.update(((hostname, namespace), None) for namespace in owners)
        return found

    def _same_owners(self, previous: ServiceRegistry, hostname: str) -> bool:
        now, before = self.by_host.get(hostname, {}), previous.by_host.get(hostname, {})
        return len(now) == len(before) and all(before.get(name) is service for name, service in now.items())

    def _remember(self, previous: ServiceRegistry, key: _Key) -> None:
        """Hand on the set of a service that still exists, asked for or not: Pilot does not wait to be asked either."""
        before = self._endpoints.pop(key, None) or self._previous_endpoints.pop(key, None)
        hostname, namespace = key
        if namespace not in self.by_host.get(hostname, {}):
            return
        old = previous.by_host.get(hostname, {}).get(namespace)
        if before is None and old and previous._has_endpoints(key) and not self._has_endpoints(key):
            before = previous.endpoint_set(old)
        if before is not None:
            self._previous_endpoints[key] = before

    def _has_endpoints(self, key: _Key) -> bool:
        """Whether a host and namespace have an endpoint of their own, WorkloadEntries selected by Services aside."""
        return self.kube.has_endpoints(*key) or self.external.has_endpoints(*key)

    def endpoint_set(self, service: Service) -> EndpointSet:
        """Endpoints of the host and namespace of a service from every registry."""
        key = (service.hostname, service.namespace)
        found = self._endpoints.get(key)
        if found is None:
            found = self._build(key)
            self._endpoints[key] = found
        return found

    def _build(self, key: _Key) -> EndpointSet:
        selected = self._selected_entries(key)
        sources = (*self.kube.sources(*key), *self.external.sources(*key), *selected)
        if selected:
            # Their ports are those of the service.
            sources = (*sources, self.by_host[key[0]][key[1]])
        before = self._previous_endpoints.get(key)
        if before is not None and identical(before.sources, sources):
            return before
        by_port: dict[str, list[Endpoint]] = {}
        seen: set[tuple[str, int, str]] = set()
        accounts: dict[str, None] = {}
        for endpoint in self._endpoints_of(key, selected):
            identity = (endpoint.address, endpoint.port, endpoint.port_name)
            if identity in seen:
                continue
            seen.add(identity)
            by_port.setdefault(endpoint.port_name, []).append(endpoint)
            if endpoint.service_account:
                accounts[endpoint.service_account] = None
        found = tuple(sorted(accounts))
        if not seen and before is not None:
            # Pilot forgets the endpoints of a service that lost them all, but not who used to serve it
            # (pilot/pkg/model/endpointshards.go UpdateServiceEndpoints).
            found = before.service_accounts
        return EndpointSet(sources, {name: tuple(items) for name, items in by_port.items()}, found)

    def _selected_entries(self, key: _Key) -> list[Workload]:
        """WorkloadEntries that a Kubernetes Service selects (ENABLE_K8S_SERVICE_SELECT_WORKLOAD_ENTRIES, on)."""
        hostname, namespace = key
        service = self.by_host.get(hostname, {}).get(namespace)
        if (
            service is None
            or service.registry is not Registry.KUBERNETES
            or service.resolution is not Resolution.CLIENT_SIDE_LB
        ):
            return []
        return [
            workload
            for workload in self.external.workload_entries.get(namespace, ())
            if not workload.dns_only and _selects(service, workload)
        ]

    def _endpoints_of(self, key: _Key, selected: Sequence[Workload]) -> Iterator[Endpoint]:
        yield from self._kube_endpoints(key, selected)
        yield from self.external.endpoints(*key)

    def _kube_endpoints(self, key: _Key, selected: Sequence[Workload]) -> Iterator[Endpoint]:
        yield from self.kube.endpoints(*key)
        service = self.by_host.get(key[0], {}).get(key[1])
        if service is not None:
            for workload in selected:
                for port in service.ports:
                    number = selected_port(service, port, workload.ports)
                    if number:
                        yield replace(workload.endpoint, port=number, port_name=port.name)

    def shard(self, hostname: str, namespace: str, source: Registry) -> tuple[Endpoint, ...]:
        """The endpoints of a host that come from one of the registries."""
        key = (hostname, namespace)
        if source is Registry.EXTERNAL:
            return tuple(self.external.endpoints(*key))
        return tuple(self._kube_endpoints(key, self._selected_entries(key)))

    def endpoints(self, service: Service, port: ServicePort) -> tuple[Endpoint, ...]:
        """Addresses behind a port."""
        return self.endpoint_set(service).by_port.get(port.name, ())

    @property
    def accounts(self) -> Mapping[Service, tuple[str, ...]]:
        """SPIFFE ids that may serve each service: the same object as long as none of them changes."""
        if self._accounts is None:
            self._accounts = {service: self._find_accounts(service) for service in self.services}
        return self._accounts

    def service_accounts(self, service: Service) -> tuple[str, ...]:
        """SPIFFE ids that may serve a service, or one cut down to some of its ports."""
        found = self.accounts.get(service)
        return found if found is not None else self._find_accounts(service)

    def _find_accounts(self, service: Service) -> tuple[str, ...]:
        own = service.service_accounts
        found = self.endpoint_set(service).service_accounts
        return found if not own else tuple(sorted({*own, *found}))

    def target_inputs(self, proxy: Proxy) -> tuple[object, ...]:
        """What the targets of a proxy are made from; equal inputs mean equal targets."""
        return (*self.kube.target_inputs(proxy), ByIdentity(self.external))

    def targets(self, proxy: Proxy) -> tuple[ServiceTarget, ...]:
        """Service ports that the workload of a proxy serves, the oldest service first."""
        workload = self._entry_of(proxy)
        own = self.kube.targets(proxy) if workload is None else list(self._entry_targets(proxy, workload))
        own += self.external.targets(proxy)
        return tuple(sorted(own, key=lambda t: (t.service.created, t.service.hostname)))

    def _entry_of(self, proxy: Proxy) -> Workload | None:
        """The WorkloadEntry at the first address of a proxy outside the kube."""
        entries = self.external.workload_entries.get(proxy.namespace, ())
        address = proxy.addresses[0] if proxy.addresses else ""
        return next((w for w in entries if address and w.endpoint.address == address), None)

    def _entry_targets(self, proxy: Proxy, workload: Workload) -> Iterator[ServiceTarget]:
        """Ports of the Services that select a WorkloadEntry."""
        for service in self.kube.services:
            if service.namespace == proxy.namespace and _selects(service, workload):
                for port in service.ports:
                    number = selected_port(service, port, workload.ports)
                    if number:
                        yield ServiceTarget(service=service, port=port, target_port=number)


def _selects(service: Service, workload: Workload) -> bool:
    return bool(service.selector) and labels_match(service.selector, workload.endpoint.labels)


def _with_aliases(services: Sequence[Service], previous: ServiceRegistry | None) -> Iterable[Service]:
    """Give each service the ExternalName hosts that lead to it, over any number of hops; loops lead nowhere."""
    targets = {s.hostname: s.external_name for s in services if s.resolution is Resolution.ALIAS}
    if not targets:
        yield from services
        return
    aliases: dict[str, list[tuple[str, str]]] = {}
    for alias in (s for s in services if s.resolution is Resolution.ALIAS):
        target = _final_target(alias.hostname, targets)
        if target is not None:
            aliases.setdefault(target, []).append((alias.namespace, alias.hostname))
    known = {} if previous is None else {(id(s.source), s.hostname): s for s in previous.services if s.aliases}
    for service in services:
        names = tuple(host for _, host in sorted(aliases.get(service.hostname, ())))
        if not names:
            yield service
            continue
        merged = replace(service, aliases=names)
        before = known.get((id(service.source), service.hostname))
        yield before if before is not None and _same(before, merged) else merged


def _final_target(host: str, targets: Mapping[str, str]) -> str | None:
    seen: set[str] = set()
    while host in targets:
        if host in seen:
            return None
        seen.add(host)
        host = targets[host]
    return host


def _same(one: Service, other: Service) -> bool:
    return all(getattr(one, item.name) == getattr(other, item.name) for item in fields(one))
