"""Services and endpoints of the kube: Service, EndpointSlice, Pod and Node objects as Pilot reads them.

istio pilot/pkg/serviceregistry/kube/conversion.go and pilot/pkg/serviceregistry/kube/controller, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.model import (
    Endpoint,
    Health,
    Locality,
    Proxy,
    Registry,
    Resolution,
    Service,
    ServicePort,
    ServiceTarget,
)
from meshsim.controlplane.protocols import port_protocol

if TYPE_CHECKING:
    from meshsim.api import ObjectView
    from meshsim.controlplane.mesh import MeshConfig

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
TLS_MODE_LABEL: Final = "security.istio.io/tlsMode"
REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
SUBZONE_LABEL: Final = "topology.istio.io/subzone"
LOCALITY_LABEL: Final = "istio-locality"
NETWORK_LABEL: Final = "topology.istio.io/network"
CLUSTER_LABEL: Final = "topology.istio.io/cluster"
HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
TRAFFIC_DISTRIBUTION: Final = "networking.istio.io/traffic-distribution"
EXPORT_TO: Final = "networking.istio.io/exportTo"


def service_hostname(name: str, namespace: str, domain: str) -> str:
    """``reviews.default.svc.cluster.local``."""
    return f"{name}.{namespace}.svc.{domain}"


def convert_service(item: ApiObject, mesh: MeshConfig) -> Service:
    """A Kubernetes Service as Pilot's service (istio pilot/pkg/serviceregistry/kube/conversion.go ConvertService)."""
    spec = item.spec
    external_name = spec.text("externalName") if spec.text("type") == "ExternalName" else ""
    resolution = Resolution.ALIAS if external_name else Resolution.CLIENT_SIDE_LB
    cluster_ip = spec.text("clusterIP")
    addresses: tuple[str, ...] = ()
    if cluster_ip == "None":
        resolution = Resolution.PASSTHROUGH
    elif cluster_ip:
        addresses = spec.texts("clusterIPs") or (cluster_ip,)
    return Service(
        hostname=service_hostname(item.name, item.namespace, mesh.domain),
        name=item.name,
        namespace=item.namespace,
        registry=Registry.KUBERNETES,
        resolution=resolution,
        ports=tuple(_convert_port(port) for port in spec.items("ports")),
        addresses=addresses,
        default_address=addresses[0] if addresses else "0.0.0.0",
        mesh_external=bool(external_name),
        export_to=_export_to(item),
        labels=item.labels,
        annotations=item.annotations,
        selector=spec.text_map("selector"),
        created=item.created,
        service_accounts=_alternate_accounts(item, mesh),
        external_name=external_name,
        external_addresses=_external_addresses(item),
        source=item,
        node_local=spec.text("internalTrafficPolicy") == "Local",
        traffic_distribution=traffic_distribution(spec.text("trafficDistribution"), item.annotations),
        publish_not_ready=spec.flag("publishNotReadyAddresses"),
    )


def traffic_distribution(value: str, *annotations: Mapping[str, str]) -> str:
    """The distribution of a field, else of the first annotation that gives one
    (istio pilot/pkg/model/service.go GetTrafficDistribution)."""
    for text in (value, *(a.get(TRAFFIC_DISTRIBUTION, "") for a in annotations)):
        if text in ("PreferClose", "PreferSameZone"):
            return "PreferSameZone"
        if text == "PreferSameNode":
            return text
    return ""


def _convert_port(port: Fields) -> ServicePort:
    number = port.integer("port")
    target = port.value("targetPort")
    return ServicePort(
        name=port.text("name"),
        port=number,
        protocol=port_protocol(
            number,
            port.text("name"),
            port.text("protocol", "TCP"),
            port.text("appProtocol") if "appProtocol" in port else None,
        ),
        target_port=target if isinstance(target, int) else 0,
    )


def _export_to(item: ApiObject) -> frozenset[str]:
    text = item.annotations.get(EXPORT_TO, "")
    return frozenset(part.strip() for part in text.split(",")) if text else frozenset()


def _alternate_accounts(item: ApiObject, mesh: MeshConfig) -> tuple[str, ...]:
    accounts = [a for a in item.annotations.get("alpha.istio.io/canonical-serviceaccounts", "").split(",") if a]
    for account in item.annotations.get("alpha.istio.io/kubernetes-serviceaccounts", "").split(","):
        if account:
            accounts.append(spiffe_id(mesh.trust_domain, item.namespace, account))
    return tuple(accounts)


def _external_addresses(item: ApiObject) -> tuple[str, ...]:
    found: list[str] = []
    if item.spec.text("type") == "LoadBalancer":
        for ingress in item.status.fields("loadBalancer").items("ingress"):
            found.append(ingress.text("ip") or ingress.text("hostname"))
    return (*(a for a in found if a), *item.spec.texts("externalIPs"))


def spiffe_id(trust_domain: str, namespace: str, account: str) -> str:
    """Identity of a service account."""
    return f"spiffe://{trust_domain}/ns/{namespace}/sa/{account}"


def workload_name(pod: ApiObject) -> str:
    """Name of the controller that owns a pod: its Deployment, its other owner, or the pod itself
    (istio pkg/kube/util.go GetWorkloadMetaFromPod)."""
    for owner in pod.metadata.items("ownerReferences"):
        if not owner.flag("controller"):
            continue
        name, kind = owner.text("name"), owner.text("kind")
        template = pod.labels.get("pod-template-hash", "")
        if kind == "ReplicaSet" and template and name.endswith(template):
            return name[: -len(template)].rstrip("-")
        if kind == "Job":
            head, _, tail = name.rpartition("-")
            if head and tail.isdigit() and len(tail) >= 8:
                return head
        return name
    return pod.name


@dataclass(frozen=True, slots=True, eq=False)
class _SliceEndpoints:
    """Endpoints of one slice and the objects they were read from."""

    sources: tuple[ApiObject | None, ...]
    endpoints: tuple[Endpoint, ...]


class KubeRegistry:
    """Services, their endpoints and their workloads, read from Kubernetes objects."""

    def __init__(
        self,
        objects: ObjectView,
        mesh: MeshConfig,
        namespaces: frozenset[str] | None,
        previous: KubeRegistry | None = None,
    ) -> None:
        self._mesh = mesh
        if previous is not None and (previous._mesh is not mesh or previous._namespaces != namespaces):
            previous = None
        self._namespaces = namespaces
        self._pod_objects = objects.select("Pod", "")
        node_objects = objects.select("Node", "")
        self._same_pods = (
            previous is not None
            and _identical(self._pod_objects, previous._pod_objects)
            and _identical(node_objects, list(previous.nodes.values()))
        )
        if previous is not None and self._same_pods:
            self.pods, self.pods_by_ip, self.nodes = previous.pods, previous.pods_by_ip, previous.nodes
        else:
            self._read_pods(node_objects)
        before = {id(service.source): service for service in previous.services} if previous is not None else {}
        self.services: tuple[Service, ...] = tuple(
            before.get(id(item)) or convert_service(item, mesh)
            for item in objects.select("Service", "")
            if namespaces is None or item.namespace in namespaces
        )
        self._by_namespace: dict[str, list[Service]] = {}
        for service in self.services:
            self._by_namespace.setdefault(service.namespace, []).append(service)
        self._slices: dict[str, list[_SliceEndpoints]] = {}
        self._known: dict[int, _SliceEndpoints] = {}
        self._read_slices(objects, namespaces, previous)

    def _read_pods(self, node_objects: Sequence[ApiObject]) -> None:
        self.nodes = {node.name: node for node in node_objects}
        self.pods: dict[tuple[str, str], ApiObject] = {}
        self.pods_by_ip: dict[str, ApiObject] = {}
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
            if known is None or len(known.sources) != len(sources) or any(
                one is not other for one, other in zip(known.sources, sources)
            ):
                known = _SliceEndpoints(sources, tuple(self._convert_slice(item, service)))
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
                    found.append(
                        self.endpoint(address, port.integer("port"), port.text("name"), health, pod)
                    )
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
                health=health,
                cluster_id=self._mesh.cluster_id,
            )
        locality = self.pod_locality(pod)
        account = pod.spec.text("serviceAccountName")
        return Endpoint(
            address=address,
            port=port,
            port_name=port_name,
            labels=self._augmented_labels(pod, locality),
            health=health,
            locality=locality,
            network=pod.labels.get(NETWORK_LABEL, ""),
            cluster_id=self._mesh.cluster_id,
            namespace=pod.namespace,
            workload_name=workload_name(pod),
            service_account=spiffe_id(self._mesh.trust_domain, pod.namespace, account) if account else "",
            tls_mode=pod.labels.get(TLS_MODE_LABEL) or "disabled",
            hostname=pod.spec.text("hostname") or pod.name,
            subdomain=pod.spec.text("subdomain"),
            node_name=pod.spec.text("nodeName"),
        )

    def _augmented_labels(self, pod: ApiObject, locality: Locality) -> dict[str, str]:
        labels = dict(pod.labels)
        if locality.region:
            labels[REGION_LABEL] = locality.region
        if locality.zone:
            labels[ZONE_LABEL] = locality.zone
        if locality.subzone:
            labels[SUBZONE_LABEL] = locality.subzone
        labels[CLUSTER_LABEL] = self._mesh.cluster_id
        node = pod.spec.text("nodeName")
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
            if held.sources[0] is not None and held.sources[0].namespace == namespace
        ]

    def sources(self, hostname: str, namespace: str) -> tuple[object, ...]:
        """What the endpoints of a host are made of; equal identities mean equal endpoints."""
        return tuple(
            held
            for held in self._slices.get(hostname, ())
            if held.sources[0] is not None and held.sources[0].namespace == namespace
        )

    # --- workloads ------------------------------------------------------------------------------------------

    def ready_pods(self) -> list[ApiObject]:
        """Pods with an address of their own that are ready and stay."""
        return [
            pod
            for pod in self.pods_by_ip.values()
            if "deletionTimestamp" not in pod.metadata
            and any(
                c.text("type") == "Ready" and c.text("status") == "True" for c in pod.status.items("conditions")
            )
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
            seen: set[tuple[int, int]] = set()
            for port in service.ports:
                target = target_port(service, port, pod)
                if target and (port.port, target) not in seen:
                    seen.add((port.port, target))
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


def _identical(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))


def _health(conditions: Fields, service: Service | None) -> Health:
    """Health by the conditions of a slice endpoint (kube/controller/endpointslice.go endpointHealthStatus)."""
    if conditions.optional_flag("ready") is not False:
        return Health.HEALTHY
    if conditions.optional_flag("terminating") is not False:
        if service is not None and service.supports_draining and conditions.optional_flag("serving") is not False:
            return Health.DRAINING
        return Health.TERMINATING
    return Health.UNHEALTHY


def target_port(service: Service, port: ServicePort, pod: ApiObject) -> int:
    """The container port a service port leads to in a pod, 0 when no container declares its name."""
    source = service.source
    value: object = None
    if source is not None:
        for item in source.spec.items("ports"):
            if item.integer("port") == port.port and item.text("name") == port.name:
                value = item.value("targetPort")
                transport = item.text("protocol", "TCP")
                break
    if value is None or value in (0, ""):
        return port.port
    if isinstance(value, int):
        return value
    text = str(value)
    if text.isdigit():
        return int(text)
    return _container_port(pod, text, transport)


def _container_port(pod: ApiObject, name: str, transport: str) -> int:
    containers = [*pod.spec.items("containers")]
    containers += [c for c in pod.spec.items("initContainers") if c.text("restartPolicy") == "Always"]
    for container in containers:
        for port in container.items("ports"):
            if port.text("name") == name and port.text("protocol", "TCP") == transport:
                return port.integer("containerPort")
    return 0


def node_locality(node: ApiObject | None) -> Locality:
    """Locality by the well-known labels of a Kubernetes node."""
    if node is None:
        return Locality()
    labels = node.labels
    return Locality(labels.get(REGION_LABEL, ""), labels.get(ZONE_LABEL, ""), labels.get(SUBZONE_LABEL, ""))


def parse_locality(text: str) -> Locality:
    """``region/zone/subzone`` (a label writes it with dots, istio pilot/pkg/model/locality.go), any tail absent."""
    if "/" not in text:
        text = text.replace(".", "/")
    parts = (text.split("/") + ["", "", ""])[:3]
    return Locality(*parts)


def labels_match(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every label of a selector is present with its value."""
    return all(labels.get(key) == value for key, value in selector.items())
