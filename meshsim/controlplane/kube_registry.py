"""Services and endpoints of the kube: Service, EndpointSlice, Pod and Node objects as Pilot reads them.

istio pilot/pkg/serviceregistry/kube/conversion.go and pilot/pkg/serviceregistry/kube/controller, release 1.31.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.kube_services import (
    convert_service,
    service_distribution,
    service_hostname,
    spiffe_id,
    target_port,
)
from meshsim.controlplane.model import Endpoint, Health, Locality, Protocol, Proxy, Service, ServiceTarget
from meshsim.controlplane.snapshot import Difference, identical, kept
from meshsim.controlplane.topology import (
    CLUSTER_LABEL,
    HOSTNAME_LABEL,
    LOCALITY_LABEL,
    NETWORK_LABEL,
    REGION_LABEL,
    SUBZONE_LABEL,
    ZONE_LABEL,
    node_locality,
    parse_locality,
)
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.snapshot import Snapshot

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
TLS_MODE_LABEL: Final = "security.istio.io/tlsMode"


_CRON_JOB: Final = re.compile(r"^(.+)-\d{8,10}$")


def workload_name(pod: ApiObject) -> str:
    """Name of the controller that owns a pod: its Deployment, its other owner, or the pod itself
    (istio pkg/kube/util.go GetWorkloadMetaFromPod)."""
    owner = next((o for o in pod.metadata.items("ownerReferences") if o.flag("controller")), None)
    if owner is None:
        return pod.name
    name, kind = owner.text("name"), owner.text("kind")
    if kind == "ReplicaSet":
        for label in ("pod-template-hash", "rollouts-pod-template-hash"):
            template = pod.labels.get(label, "")
            if template and name.endswith(template):
                return name.removesuffix(f"-{template}")
    if kind == "ReplicationController" and pod.labels.get("deploymentconfig"):
        return pod.labels["deploymentconfig"]
    if kind == "Job":
        scheduled = _CRON_JOB.match(name)
        return scheduled.group(1) if scheduled else name
    return name


@dataclass(frozen=True, slots=True, eq=False)
class SliceEndpoints:
    """Endpoints of one slice and the objects they were read from."""

    sources: tuple[ApiObject | None, ...]
    """The slice, its Service, and for each address its pod and the pod's node."""
    found_by_address: bool
    """Whether some pod was looked for by its address, so that another pod may take its place."""
    endpoints: tuple[Endpoint, ...]

    @property
    def item(self) -> ApiObject:
        """The slice."""
        item = self.sources[0]
        assert item is not None
        return item

    def reads(self, gone: Set[int]) -> bool:
        """Whether it may differ when objects (by identity) are gone and others have come."""
        if self.found_by_address or None in self.sources[2:]:
            return True
        return any(id(source) in gone for source in self.sources)


class KubeRegistry:
    """Services, their endpoints and their workloads, read from Kubernetes objects.

    What the objects that changed do not touch is taken over from the registry before.
    """

    _mesh: MeshConfig
    _namespaces: frozenset[str] | None
    services: tuple[Service, ...]
    pods: dict[tuple[str, str], ApiObject]
    pods_by_ip: dict[str, ApiObject]
    nodes: dict[str, ApiObject]
    _pods_at: dict[str, tuple[ApiObject, ...]]
    """All pods at an address; `pods_by_ip` has the first by name."""
    _by_selector: dict[tuple[str, str, str], list[tuple[int, Service]]]
    """Services with their places, by namespace and the first label they select by."""

    def __init__(
        self,
        objects: Snapshot,
        mesh: MeshConfig,
        namespaces: frozenset[str] | None,
        previous: KubeRegistry | None = None,
    ) -> None:
        self._objects = objects
        self._mesh = mesh
        spaces = {item.name: item for item in objects.select("Namespace", "")}
        root = spaces.get(mesh.root_namespace)
        self.network = root.labels.get(NETWORK_LABEL, "") if root is not None else ""
        """Network of pods that name none: the label of the namespace in which Pilot runs."""
        if previous is not None and (
            previous._mesh is not mesh or previous._namespaces != namespaces or previous.network != self.network
        ):
            previous = None
        self._namespaces = namespaces
        self.same_pods = previous is not None and objects.same(previous._objects, "Pod", "Node")
        """Whether pods and nodes are those of the registry before."""
        self._read_pods(previous)
        self._read_services(spaces, previous)
        self._slices: dict[str, tuple[SliceEndpoints, ...]] = {}
        self.changed: frozenset[str] | None = None
        """Hosts whose endpoints differ from those of the registry before; `None` when there is none."""
        if previous is None:
            self._read_slices()
        else:
            self._update_slices(previous)

    def _takes(self, namespace: str) -> bool:
        return self._namespaces is None or namespace in self._namespaces

    def _read_pods(self, previous: KubeRegistry | None) -> None:
        objects = self._objects
        if previous is not None and objects.same(previous._objects, "Node"):
            self.nodes = previous.nodes
        else:
            self.nodes = {node.name: node for node in objects.select("Node", "")}
        if previous is None:
            self.pods, self._pods_at = {}, {}
            gone, come = Difference((), objects.listed("Pod"))
        else:
            gone, come = objects.since(previous._objects, "Pod")
            self.pods, self._pods_at, self.pods_by_ip = previous.pods, previous._pods_at, previous.pods_by_ip
            if not gone and not come:
                return
            self.pods, self._pods_at = dict(self.pods), dict(self._pods_at)
        touched: dict[str, None] = {}
        for pod in gone:
            if self.pods.pop((pod.namespace, pod.name), None) is not None and _address(pod):
                address = _address(pod)
                self._pods_at[address] = tuple(p for p in self._pods_at[address] if p is not pod)
                touched[address] = None
        for pod in come:
            if self._takes(pod.namespace):
                self.pods[pod.namespace, pod.name] = pod
                address = _address(pod)
                if address:
                    self._pods_at[address] = (*self._pods_at.get(address, ()), pod)
                    touched[address] = None
        self.pods_by_ip = {} if previous is None else dict(self.pods_by_ip)
        for address in touched:
            if self._pods_at[address]:
                self.pods_by_ip[address] = min(self._pods_at[address], key=_by_name)
            else:
                del self._pods_at[address]
                self.pods_by_ip.pop(address, None)

    def _read_services(self, spaces: Mapping[str, ApiObject], previous: KubeRegistry | None) -> None:
        objects = self._objects
        same_namespaces = previous is not None and objects.same(previous._objects, "Namespace")
        if previous is not None and same_namespaces and objects.same(previous._objects, "Service"):
            self.services = previous.services
            self.by_hostname: Mapping[str, Service] = previous.by_hostname
            self._by_namespace: Mapping[str, tuple[Service, ...]] = previous._by_namespace
            self._by_selector = previous._by_selector
            return
        before = {id(service.source): service for service in previous.services} if previous is not None else {}
        found: list[Service] = []
        for item in objects.select("Service", ""):
            if self._takes(item.namespace):
                known = before.get(id(item))
                if known is None or not same_namespaces:
                    distribution = service_distribution(item, _annotations(spaces.get(item.namespace)))
                    if known is None or known.traffic_distribution != distribution:
                        known = convert_service(item, self._mesh, distribution)
                found.append(known)
        self.services = tuple(found) if previous is None else kept(previous.services, tuple(found))
        self.by_hostname = {service.hostname: service for service in self.services}
        grouped: dict[str, list[Service]] = {}
        for service in self.services:
            grouped.setdefault(service.namespace, []).append(service)
        self._by_selector = {}
        for at, service in enumerate(self.services):
            if service.selector:
                first = next(iter(service.selector.items()))
                self._by_selector.setdefault((service.namespace, *first), []).append((at, service))
        known_groups = previous._by_namespace if previous is not None else {}
        self._by_namespace = {name: kept(known_groups.get(name, ()), tuple(group)) for name, group in grouped.items()}

    # --- endpoints ------------------------------------------------------------------------------------------

    def _read_slices(self) -> None:
        found: dict[str, list[SliceEndpoints]] = {}
        for item in self._objects.listed("EndpointSlice"):
            host = self._host_of(item)
            if host:
                found.setdefault(host, []).append(self._convert(item, host))
        self._slices = {host: tuple(held) for host, held in found.items()}

    def _update_slices(self, previous: KubeRegistry) -> None:
        """Read the slices anew that changed themselves, or whose Service, pods or nodes did."""
        gone, come = self._objects.since(previous._objects, "EndpointSlice")
        touched: dict[str, None] = dict.fromkeys(self._host_of(item) for item in (*gone, *come))
        touched.pop("", None)
        if self.by_hostname is not previous.by_hostname:
            # Other hosts by the difference of the two, but in the order of the dictionaries.
            for one, other in ((self.by_hostname, previous.by_hostname), (previous.by_hostname, self.by_hostname)):
                touched.update((host, None) for host, service in one.items() if other.get(host) is not service)
        slices = previous._slices
        if not self.same_pods:
            lost = {id(item) for kind in ("Pod", "Node") for item in self._objects.since(previous._objects, kind).gone}
            for host, held in slices.items():
                if any(one.reads(lost) for one in held):
                    touched[host] = None
        left = {id(item) for item in gone}
        arrived: dict[str, list[ApiObject]] = {}
        for item in come:
            arrived.setdefault(self._host_of(item), []).append(item)
        changed: dict[str, tuple[SliceEndpoints, ...]] = {}
        for host in touched:
            before = slices.get(host, ())
            items = [held.item for held in before if id(held.item) not in left] + arrived.get(host, [])
            known = {id(held.item): held for held in before}
            now = tuple(self._convert(item, host, known.get(id(item))) for item in sorted(items, key=_by_name))
            if not identical(now, before):
                changed[host] = now
        self._slices = {**slices, **changed} if changed else slices
        self.changed = frozenset(changed)

    def _host_of(self, item: ApiObject) -> str:
        """Host of the Service a slice belongs to; empty for slices that Pilot does not read."""
        name = item.labels.get(SERVICE_NAME_LABEL, "")
        if not name or not self._takes(item.namespace) or item.fields.text("addressType") == "FQDN":
            return ""
        return service_hostname(name, item.namespace, self._mesh.domain)

    def _convert(self, item: ApiObject, host: str, known: SliceEndpoints | None = None) -> SliceEndpoints:
        """The endpoints of a slice: those known when they were read from the very same objects."""
        service = self.by_hostname.get(host)
        sources: list[ApiObject | None] = [item, service.source if service is not None else None]
        by_address = False
        for endpoint in item.fields.items("endpoints"):
            for address in endpoint.texts("addresses"):
                pod, named = self._slice_pod(item, endpoint, address)
                sources.append(pod)
                sources.append(self.nodes.get(pod.spec.text("nodeName")) if pod is not None else None)
                by_address = by_address or not named
        if known is not None and identical(known.sources, sources):
            return known
        return SliceEndpoints(tuple(sources), by_address, tuple(self._convert_slice(item, service)))

    def _slice_pod(self, item: ApiObject, endpoint: Fields, address: str) -> tuple[ApiObject | None, bool]:
        """The pod behind an address, and whether there should be one."""
        reference = endpoint.fields("targetRef")
        if reference.text("kind") == "Pod":
            return self.pods.get((reference.text("namespace", item.namespace), reference.text("name"))), True
        return self.pods_by_ip.get(address), False

    def _convert_slice(self, item: ApiObject, service: Service | None) -> list[Endpoint]:
        found: list[Endpoint] = []
        for endpoint in item.fields.items("endpoints"):
            health = _health(endpoint.fields("conditions"), service)
            for address in endpoint.texts("addresses"):
                pod, expected = self._slice_pod(item, endpoint, address)
                if pod is None and expected:
                    continue
                for port in item.fields.items("ports"):
                    found.append(self.endpoint(address, port.integer("port"), port.text("name"), health, pod))
        return found

    def endpoint(
        self,
        address: str,
        port: int,
        port_name: str,
        health: Health,
        pod: ApiObject | None,
    ) -> Endpoint:
        """One endpoint, with what its pod and the pod's node say (kube/controller/endpoint_builder.go)."""
        if pod is None:
            return Endpoint(
                address=address,
                port=port,
                port_name=port_name,
                labels=self._augmented_labels({}, Locality(), ""),
                health=health,
                network=self.network,
                cluster_id=self._mesh.cluster_id,
            )
        locality = self.pod_locality(pod)
        account = pod.spec.text("serviceAccountName")
        node = pod.spec.text("nodeName")
        return Endpoint(
            address=address,
            port=port,
            port_name=port_name,
            labels=self._augmented_labels(pod.labels, locality, node),
            health=health,
            locality=locality,
            network=pod.labels.get(NETWORK_LABEL) or self.network,
            cluster_id=self._mesh.cluster_id,
            namespace=pod.namespace,
            workload_name=workload_name(pod),
            service_account=spiffe_id(self._mesh.trust_domain, pod.namespace, account) if account else "",
            tls_mode=pod.labels.get(TLS_MODE_LABEL, "disabled"),
            hostname=pod.spec.text("hostname") or pod.name,
            subdomain=pod.spec.text("subdomain"),
            node_name=node,
        )

    def _augmented_labels(self, own: Mapping[str, str], locality: Locality, node: str) -> dict[str, str]:
        labels = dict(own)
        if locality.region:
            labels[REGION_LABEL] = locality.region
        if locality.zone:
            labels[ZONE_LABEL] = locality.zone
        if locality.subzone:
            labels[SUBZONE_LABEL] = locality.subzone
        labels[CLUSTER_LABEL] = self._mesh.cluster_id
        if self.network and not labels.get(NETWORK_LABEL):
            labels[NETWORK_LABEL] = self.network
        if node:
            labels[HOSTNAME_LABEL] = node
        return labels

    def pod_locality(self, pod: ApiObject) -> Locality:
        """Locality of a pod: its ``istio-locality`` label, else the labels of its node."""
        label = pod.labels.get(LOCALITY_LABEL, "")
        if label:
            return parse_locality(label)
        return node_locality(self.nodes.get(pod.spec.text("nodeName")))

    def endpoints(self, hostname: str, namespace: str) -> list[Endpoint]:
        """All endpoints of a host."""
        return [
            endpoint
            for held in self._slices.get(hostname, ())
            for endpoint in held.endpoints
            if held.item.namespace == namespace
        ]

    def has_endpoints(self, hostname: str, namespace: str) -> bool:
        """Whether any slice of a host holds an address."""
        return any(held.endpoints and held.item.namespace == namespace for held in self._slices.get(hostname, ()))

    def sources(self, hostname: str, namespace: str) -> tuple[object, ...]:
        """What the endpoints of a host are made of; equal identities mean equal endpoints."""
        return tuple(held for held in self._slices.get(hostname, ()) if held.item.namespace == namespace)

    # --- workloads ------------------------------------------------------------------------------------------

    def ready_pods(self) -> list[ApiObject]:
        """Pods with an address of their own that are ready and stay."""
        return [
            pod
            for pod in sorted(self.pods_by_ip.values(), key=_by_name)
            if "deletionTimestamp" not in pod.metadata
            and any(c.text("type") == "Ready" and c.text("status") == "True" for c in pod.status.items("conditions"))
        ]

    def pod_of(self, proxy: Proxy) -> ApiObject | None:
        """The pod of a proxy, by name, else by address."""
        name = proxy.id.rpartition(".")[0]
        pod = self.pods.get((proxy.namespace, name))
        if pod is None and proxy.addresses:
            pod = self.pods_by_ip.get(proxy.addresses[0])
        return pod

    def targets(self, proxy: Proxy) -> list[ServiceTarget]:
        """Service ports that select the pod of a proxy (kube/controller/controller.go GetProxyServiceTargets)."""
        pod = self.pod_of(proxy)
        if pod is None:
            return []
        selected = self._selecting(pod)
        if not selected:
            return self._targets_by_address(proxy)
        found: list[ServiceTarget] = []
        for service in selected:
            # Service ports that lead to one workload port with one protocol make one listener.
            seen: set[tuple[int, Protocol]] = set()
            for port in service.ports:
                target = target_port(service, port, pod)
                if target and (target, port.protocol) not in seen:
                    seen.add((target, port.protocol))
                    found.append(ServiceTarget(service=service, port=port, target_port=target))
        return found

    def target_inputs(self, proxy: Proxy) -> tuple[object, ...]:
        """What the targets of a proxy are made from."""
        pod = self.pod_of(proxy)
        if pod is None:
            return (None, (), None)
        # Without a service that selects the pod the addresses in slices count.
        namespace = self._by_namespace.get(pod.namespace, ())
        return (ByIdentity(pod), namespace, None if self._selecting(pod) else ByIdentity(self._slices))

    def _selecting(self, pod: ApiObject) -> list[Service]:
        """Services of a pod's namespace that select it, by name."""
        labels = pod.labels
        found = [
            (at, service)
            for label in labels.items()
            for at, service in self._by_selector.get((pod.namespace, *label), ())
            if all(labels.get(key) == value for key, value in service.selector.items())
        ]
        found.sort(key=_place)
        return [service for _, service in found]

    def _targets_by_address(self, proxy: Proxy) -> list[ServiceTarget]:
        """Services without selector whose slices list the address of the proxy."""
        found: list[ServiceTarget] = []
        for service in self._by_namespace.get(proxy.namespace, ()):
            for endpoint in self.endpoints(service.hostname, service.namespace):
                if endpoint.address not in proxy.addresses:
                    continue
                port = service.port_named(endpoint.port_name)
                if port is not None:
                    found.append(ServiceTarget(service=service, port=port, target_port=endpoint.port))
        return found


def _address(pod: ApiObject) -> str:
    """The address at which a pod alone is found; empty before it has one, after its end, and on its node's network."""
    status = pod.status
    if status.text("phase") in ("Succeeded", "Failed") or pod.spec.flag("hostNetwork"):
        return ""
    return status.text("podIP")


def _place(numbered: tuple[int, Service]) -> int:
    return numbered[0]


def _by_name(item: ApiObject) -> tuple[str, str]:
    return item.namespace, item.name


def _annotations(item: ApiObject | None) -> Mapping[str, str]:
    return item.annotations if item is not None else {}


def _health(conditions: Fields, service: Service | None) -> Health:
    """Health by the conditions of a slice endpoint (kube/controller/endpointslice.go endpointHealthStatus)."""
    if conditions.optional_flag("ready") is not False:
        return Health.HEALTHY
    if conditions.optional_flag("terminating") is not False:
        if service is not None and service.supports_draining and conditions.optional_flag("serving") is not False:
            return Health.DRAINING
        return Health.TERMINATING
    return Health.UNHEALTHY
