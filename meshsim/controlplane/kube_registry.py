"""Services and endpoints of the kube: Service, EndpointSlice, Pod and Node objects as Pilot reads them.

istio pilot/pkg/serviceregistry/kube/conversion.go and pilot/pkg/serviceregistry/kube/controller, release 1.31.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from meshsim.controlplane.snapshot import identical
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

if TYPE_CHECKING:
    from meshsim.api import ObjectView
    from meshsim.controlplane.mesh import MeshConfig

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
class _SliceEndpoints:
    """Endpoints of one slice and the objects they were read from."""

    owner: str
    """Namespace of the slice."""
    sources: tuple[ApiObject | None, ...]
    endpoints: tuple[Endpoint, ...]


class KubeRegistry:
    """Services, their endpoints and their workloads, read from Kubernetes objects."""

    _mesh: MeshConfig
    _namespaces: frozenset[str] | None
    _pod_objects: list[ApiObject]
    services: tuple[Service, ...]
    pods: dict[tuple[str, str], ApiObject]
    pods_by_ip: dict[str, ApiObject]
    nodes: dict[str, ApiObject]

    def __init__(
        self,
        objects: ObjectView,
        mesh: MeshConfig,
        namespaces: frozenset[str] | None,
        previous: KubeRegistry | None = None,
    ) -> None:
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
        self._pod_objects = objects.select("Pod", "")
        node_objects = objects.select("Node", "")
        self._same_pods = (
            previous is not None
            and identical(self._pod_objects, previous._pod_objects)
            and identical(node_objects, list(previous.nodes.values()))
        )
        if previous is not None and self._same_pods:
            self.pods, self.pods_by_ip, self.nodes = previous.pods, previous.pods_by_ip, previous.nodes
        else:
            self._read_pods(node_objects)
        before = {id(service.source): service for service in previous.services} if previous is not None else {}
        found: list[Service] = []
        for item in objects.select("Service", ""):
            if namespaces is None or item.namespace in namespaces:
                known = before.get(id(item))
                distribution = service_distribution(item, _annotations(spaces.get(item.namespace)))
                if known is None or known.traffic_distribution != distribution:
                    known = convert_service(item, mesh, distribution)
                found.append(known)
        self.services = tuple(found)
        self._by_namespace: dict[str, list[Service]] = {}
        for service in self.services:
            self._by_namespace.setdefault(service.namespace, []).append(service)
        self._slices: dict[str, list[_SliceEndpoints]] = {}
        self._known: dict[int, _SliceEndpoints] = {}
        self._read_slices(objects, namespaces, previous)

    def _read_pods(self, node_objects: Sequence[ApiObject]) -> None:
        self.nodes = {node.name: node for node in node_objects}
        self.pods = {}
        self.pods_by_ip = {}
        for pod in self._pod_objects:
            if self._namespaces is not None and pod.namespace not in self._namespaces:
                continue
            self.pods[pod.namespace, pod.name] = pod
            status = pod.status
            address = status.text("podIP")
            if address and status.text("phase") not in ("Succeeded", "Failed") and not pod.spec.flag("hostNetwork"):
                self.pods_by_ip.setdefault(address, pod)

    # --- endpoints ------------------------------------------------------------------------------------------

    def _read_slices(
        self, objects: ObjectView, namespaces: frozenset[str] | None, previous: KubeRegistry | None
    ) -> None:
        before = previous._known if previous is not None else {}
        by_host = {service.hostname: service for service in self.services}
        for item in objects.select("EndpointSlice"):
            name = item.labels.get(SERVICE_NAME_LABEL, "")
            if not name or (namespaces is not None and item.namespace not in namespaces):
                continue
            if item.fields.text("addressType") == "FQDN":
                continue
            host = service_hostname(name, item.namespace, self._mesh.domain)
            service = by_host.get(host)
            known = before.get(id(item))
            owner = service.source if service is not None else None
            if known is not None and self._same_pods and known.sources[0] is item and known.sources[1] is owner:
                self._known[id(item)] = known
                self._slices.setdefault(host, []).append(known)
                continue
            sources = self._slice_sources(item, service)
            if known is None or not identical(known.sources, sources):
                known = _SliceEndpoints(item.namespace, sources, tuple(self._convert_slice(item, service)))
            self._known[id(item)] = known
            self._slices.setdefault(host, []).append(known)

    def _slice_sources(self, item: ApiObject, service: Service | None) -> tuple[ApiObject | None, ...]:
        sources: list[ApiObject | None] = [item, service.source if service is not None else None]
        for endpoint in item.fields.items("endpoints"):
            for address in endpoint.texts("addresses"):
                pod, _ = self._slice_pod(item, endpoint, address)
                sources.append(pod)
                sources.append(self.nodes.get(pod.spec.text("nodeName")) if pod is not None else None)
        return tuple(sources)

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
            if held.owner == namespace
        ]

    def has_endpoints(self, hostname: str, namespace: str) -> bool:
        """Whether any slice of a host holds an address."""
        return any(held.endpoints and held.owner == namespace for held in self._slices.get(hostname, ()))

    def sources(self, hostname: str, namespace: str) -> tuple[object, ...]:
        """What the endpoints of a host are made of; equal identities mean equal endpoints."""
        return tuple(held for held in self._slices.get(hostname, ()) if held.owner == namespace)

    # --- workloads ------------------------------------------------------------------------------------------

    def ready_pods(self) -> list[ApiObject]:
        """Pods with an address of their own that are ready and stay."""
        return [
            pod
            for pod in self.pods_by_ip.values()
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
        found: list[ServiceTarget] = []
        selected = [
            service
            for service in self._by_namespace.get(pod.namespace, ())
            if service.selector and all(pod.labels.get(k) == v for k, v in service.selector.items())
        ]
        if not selected:
            return self._targets_by_address(proxy)
        for service in selected:
            # Service ports that lead to one workload port with one protocol make one listener.
            seen: set[tuple[int, Protocol]] = set()
            for port in service.ports:
                target = target_port(service, port, pod)
                if target and (target, port.protocol) not in seen:
                    seen.add((target, port.protocol))
                    found.append(ServiceTarget(service=service, port=port, target_port=target))
        return found

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
