"""Services and endpoints of ServiceEntries and WorkloadEntries.

istio pilot/pkg/serviceregistry/serviceentry/conversion.go and servicediscovery.go, release 1.31.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.kube_registry import TLS_MODE_LABEL
from meshsim.controlplane.kube_services import spiffe_id, traffic_distribution
from meshsim.controlplane.model import (
    Endpoint,
    Health,
    Proxy,
    Registry,
    Resolution,
    Service,
    ServicePort,
    ServiceTarget,
)
from meshsim.controlplane.protobuf_values import UNIX_PREFIX
from meshsim.controlplane.protocols import parse_protocol
from meshsim.controlplane.snapshot import identical
from meshsim.controlplane.topology import (
    CLUSTER_LABEL,
    LOCALITY_LABEL,
    NETWORK_LABEL,
    REGION_LABEL,
    SUBZONE_LABEL,
    ZONE_LABEL,
    labels_match,
    parse_locality,
)

if TYPE_CHECKING:
    from meshsim.controlplane.kube_registry import KubeRegistry
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.snapshot import Snapshot

_RESOLUTIONS: Final = {
    "NONE": Resolution.PASSTHROUGH,
    "STATIC": Resolution.CLIENT_SIDE_LB,
    "DNS": Resolution.DNS_LB,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
    "DYNAMIC_DNS": Resolution.DYNAMIC_DNS,
}


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """A pod or WorkloadEntry that ServiceEntries (and WorkloadEntries: Services) may select, without a port yet."""

    endpoint: Endpoint
    ports: Mapping[str, int]
    """Workload port by service port name."""
    dns_only: bool
    """Its address is a host name or a unix path, which only Envoy can resolve."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """A ServiceEntry with the services made of it: one for each host and address."""

    source: ApiObject
    services: tuple[Service, ...]
    endpoints: Mapping[str, tuple[Endpoint, ...]]
    """Inline endpoints by host; empty when it selects workloads."""


class ServiceEntryRegistry:
    """Services declared by ServiceEntries, with their endpoints."""

    def __init__(
        self,
        objects: Snapshot,
        mesh: MeshConfig,
        namespaces: frozenset[str] | None,
        kube: KubeRegistry,
        previous: ServiceEntryRegistry | None = None,
    ) -> None:
        self._objects = objects
        self._mesh = mesh
        self._network = kube.network
        self._namespaces = namespaces
        if previous is not None and (previous._mesh is not mesh or previous._network != kube.network):
            previous = None
        annotations = {item.name: item.annotations for item in objects.select("Namespace", "")}
        before = {id(entry.source): entry for entry in previous._entries} if previous is not None else {}
        self._entries: list[_Entry] = []
        for item in objects.select("ServiceEntry"):
            if namespaces is not None and item.namespace not in namespaces:
                continue
            known = before.get(id(item))
            distribution = traffic_distribution("", item.annotations, annotations.get(item.namespace, {}))
            if known is None or any(s.traffic_distribution != distribution for s in known.services):
                known = self._convert(item, distribution)
            self._entries.append(known)
        self.services: tuple[Service, ...] = tuple(s for entry in self._entries for s in entry.services)
        self._by_host: dict[tuple[str, str], list[_Entry]] = {}
        self._by_namespace: dict[str, list[_Entry]] = {}
        for entry in self._entries:
            self._by_namespace.setdefault(entry.source.namespace, []).append(entry)
            for host in dict.fromkeys(s.hostname for s in entry.services):
                self._by_host.setdefault((host, entry.source.namespace), []).append(entry)
        known_workloads = previous._known_workloads if previous is not None else {}
        self._known_workloads: dict[int, tuple[tuple[ApiObject | None, ...], Workload]] = {}
        self.workload_entries: dict[str, list[Workload]] = {}
        for item in objects.select("WorkloadEntry"):
            if namespaces is None or item.namespace in namespaces:
                made = self._remember(known_workloads, (item,), partial(self._entry_workload, item))
                self.workload_entries.setdefault(item.namespace, []).append(made)
        self._pods: dict[str, list[Workload]] = {}
        selecting = {e.source.namespace for e in self._entries if "workloadSelector" in e.source.spec}
        self._selects_pods = bool(selecting)
        if selecting:
            for pod in kube.ready_pods():
                if pod.namespace in selecting:
                    node = kube.nodes.get(pod.spec.text("nodeName"))
                    made = self._remember(known_workloads, (pod, node), partial(_pod_workload, kube, pod))
                    self._pods.setdefault(pod.namespace, []).append(made)

    def _remember(
        self,
        known: Mapping[int, tuple[tuple[ApiObject | None, ...], Workload]],
        sources: tuple[ApiObject | None, ...],
        make: Callable[[], Workload],
    ) -> Workload:
        key = id(sources[0])
        held = known.get(key)
        if held is None or len(held[0]) != len(sources) or any(a is not b for a, b in zip(held[0], sources)):
            held = (sources, make())
        self._known_workloads[key] = held
        return held[1]

    def holds(self, objects: Snapshot, mesh: MeshConfig, namespaces: frozenset[str] | None, kube: KubeRegistry) -> bool:
        """Whether a registry of these objects would be the same."""
        return (
            self._mesh is mesh
            and self._network == kube.network
            and self._namespaces == namespaces
            and objects.same(self._objects, "Namespace", "ServiceEntry", "WorkloadEntry")
            and (kube.same_pods or not self._selects_pods)
        )

    # --- conversion -----------------------------------------------------------------------------------------

    def _convert(self, item: ApiObject, distribution: str) -> _Entry:
        spec = item.spec
        services = tuple(self._services(item, distribution))
        endpoints: dict[str, tuple[Endpoint, ...]] = {}
        if "workloadSelector" not in spec:
            for service in services:
                if service.hostname not in endpoints:
                    endpoints[service.hostname] = tuple(self._inline_endpoints(item, service))
        return _Entry(item, services, endpoints)

    def _services(self, item: ApiObject, distribution: str) -> Iterator[Service]:
        spec = item.spec
        resolution = _RESOLUTIONS[spec.text("resolution", "NONE")]
        ports = tuple(
            ServicePort(
                name=port.text("name"),
                port=port.integer("number"),
                protocol=parse_protocol(port.text("protocol")),
                target_port=port.integer("targetPort"),
            )
            for port in spec.items("ports")
        )
        selector = spec.fields("workloadSelector").text_map("labels")
        allocated = _allocated_addresses(item)
        for host in spec.texts("hosts"):
            base = Service(
                hostname=host,
                name=host,
                namespace=item.namespace,
                registry=Registry.EXTERNAL,
                resolution=resolution,
                ports=ports,
                mesh_external=spec.text("location", "MESH_EXTERNAL") == "MESH_EXTERNAL",
                export_to=frozenset(spec.texts("exportTo")),
                labels=item.labels,
                annotations=item.annotations,
                selector=selector,
                created=item.created,
                service_accounts=spec.texts("subjectAltNames"),
                source=item,
                traffic_distribution=distribution,
            )
            addresses = [a for a in map(_plain_address, spec.texts("addresses")) if a]
            if not spec.texts("addresses"):
                yield replace(base, auto_address=allocated.get(host, ""))
            for address in addresses:
                yield replace(base, default_address=address)

    def _inline_endpoints(self, item: ApiObject, service: Service) -> Iterator[Endpoint]:
        inline = item.spec.items("endpoints")
        if not inline and service.is_dns:
            for port in service.ports:
                yield Endpoint(
                    address=service.hostname,
                    port=port.target_port or port.port,
                    port_name=port.name,
                    health=Health.UNKNOWN,
                    cluster_id=self._mesh.cluster_id,
                    namespace=item.namespace,
                    workload_name=item.name,
                )
            return
        for index, fields in enumerate(inline):
            workload = self._workload(fields, f"{item.name}-{index}", item.namespace, {})
            yield from workload_endpoints(workload, service)

    def _entry_workload(self, item: ApiObject) -> Workload:
        return self._workload(item.spec, item.name, item.namespace, item.labels)

    def _workload(self, spec: Fields, name: str, namespace: str, more_labels: Mapping[str, str]) -> Workload:
        """A WorkloadEntry, or an inline endpoint, which has the same fields."""
        labels = {**spec.text_map("labels"), **more_labels}
        account = spec.text("serviceAccount")
        locality = parse_locality(spec.text("locality") or labels.get(LOCALITY_LABEL, ""))
        network = spec.text("network")
        address = spec.text("address")
        augmented = dict(labels)
        for key, value in (
            (REGION_LABEL, locality.region),
            (ZONE_LABEL, locality.zone),
            (SUBZONE_LABEL, locality.subzone),
            (CLUSTER_LABEL, self._mesh.cluster_id),
            (NETWORK_LABEL, network),
        ):
            if value:
                augmented[key] = value
        endpoint = Endpoint(
            address=address,
            port=0,
            port_name="",
            labels=augmented,
            health=Health.UNKNOWN,
            locality=locality,
            weight=spec.integer("weight"),
            network=network,
            cluster_id=self._mesh.cluster_id,
            namespace=namespace,
            workload_name=name,
            service_account=spiffe_id(self._mesh.trust_domain, namespace, account) if account else "",
            tls_mode=labels.get(TLS_MODE_LABEL) or ("istio" if account else "disabled"),
        )
        ports = {key: int(value) for key, value in spec.text_map("ports").items()}
        return Workload(endpoint, ports, bool(address) and not _is_ip(address))

    # --- reading --------------------------------------------------------------------------------------------

    def changed_since(self, previous: ServiceEntryRegistry) -> Iterator[tuple[str, str]]:
        """Hosts, each with its namespace, whose endpoints may differ from those in another registry."""
        if self is previous:
            return
        for key in dict.fromkeys((*self._by_host, *previous._by_host)):
            if not identical(self.sources(*key), previous.sources(*key)):
                yield key

    def declared(self, hostname: str, namespace: str) -> tuple[Service, ...]:
        """The services that ServiceEntries of a namespace make of a host, one for each address."""
        entries = self._by_host.get((hostname, namespace), ())
        return tuple(s for entry in entries for s in entry.services if s.hostname == hostname)

    def sources(self, hostname: str, namespace: str) -> tuple[object, ...]:
        """What the endpoints of a host are made of; equal identities mean equal endpoints."""
        found: list[object] = []
        for entry in self._by_host.get((hostname, namespace), ()):
            found.append(entry)
            if "workloadSelector" in entry.source.spec:
                found.extend(self._selected(entry))
        return tuple(found)

    def has_endpoints(self, hostname: str, namespace: str) -> bool:
        """Whether some ServiceEntry gives a host an endpoint."""
        return any(
            any(entry.endpoints.values()) or bool("workloadSelector" in entry.source.spec and self._selected(entry))
            for entry in self._by_host.get((hostname, namespace), ())
        )

    def endpoints(self, hostname: str, namespace: str) -> list[Endpoint]:
        """All endpoints that ServiceEntries of a namespace give a host."""
        found: list[Endpoint] = []
        for entry in self._by_host.get((hostname, namespace), ()):
            if hostname in entry.endpoints:
                found.extend(entry.endpoints[hostname])
                continue
            service = next(s for s in entry.services if s.hostname == hostname)
            for workload in self._selected(entry):
                found.extend(workload_endpoints(workload, service))
        return found

    def _selected(self, entry: _Entry) -> Iterator[Workload]:
        service = entry.services[0] if entry.services else None
        if service is None or not service.selector:
            return
        namespace = entry.source.namespace
        for workload in (*self.workload_entries.get(namespace, ()), *self._pods.get(namespace, ())):
            if workload.dns_only and not service.is_dns:
                continue
            if labels_match(service.selector, workload.endpoint.labels):
                yield workload

    def targets(self, proxy: Proxy) -> list[ServiceTarget]:
        """Service ports of ServiceEntries in the proxy's namespace that lead to one of its addresses."""
        found: list[ServiceTarget] = []
        for entry in self._by_namespace.get(proxy.namespace, ()):
            for service in entry.services:
                for endpoint in self._entry_endpoints(entry, service):
                    port = service.port_named(endpoint.port_name)
                    if endpoint.address in proxy.addresses and port is not None:
                        found.append(ServiceTarget(service=service, port=port, target_port=endpoint.port))
        return found

    def _entry_endpoints(self, entry: _Entry, service: Service) -> Iterator[Endpoint]:
        if service.hostname in entry.endpoints:
            yield from entry.endpoints[service.hostname]
            return
        for workload in self._selected(entry):
            yield from workload_endpoints(workload, service)


def workload_endpoints(workload: Workload, service: Service) -> Iterator[Endpoint]:
    """A workload as an endpoint of each port of a service.

    The workload's own port of that name wins, then the service port's target port, then its number.
    """
    address = workload.endpoint.address
    unix = address.startswith(UNIX_PREFIX)
    for port in service.ports:
        number = 0 if unix else workload.ports.get(port.name) or port.target_port or port.port
        yield replace(workload.endpoint, address=address, port=number, port_name=port.name)


def _pod_workload(kube: KubeRegistry, pod: ApiObject) -> Workload:
    """A pod as a ServiceEntry's selector sees it, with its named TCP ports."""
    ports: dict[str, int] = {}
    for container in pod.spec.items("containers"):
        for port in container.items("ports"):
            if port.text("name") and port.text("protocol", "TCP") == "TCP":
                ports.setdefault(port.text("name"), port.integer("containerPort"))
    address = pod.status.text("podIP")
    endpoint = kube.endpoint(address, 0, "", Health.HEALTHY, pod)
    return Workload(endpoint, ports, dns_only=False)


def _allocated_addresses(item: ApiObject) -> dict[str, str]:
    """IPv4 addresses that Istio's allocator wrote into the status, by host."""
    found: dict[str, str] = {}
    for address in item.status.items("addresses"):
        value = address.text("value")
        if _is_ip(value) and ":" not in value:
            found.setdefault(address.text("host"), value)
    return found


def _plain_address(text: str) -> str:
    """An address or CIDR; a CIDR of one address is that address, anything else is dropped."""
    if _is_ip(text):
        return text
    try:
        network = ipaddress.ip_interface(text)
    except ValueError:
        return ""
    return str(network.ip) if network.network.num_addresses == 1 else text


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
