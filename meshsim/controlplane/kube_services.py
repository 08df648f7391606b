"""Kubernetes Services as Pilot reads them (istio pilot/pkg/serviceregistry/kube/conversion.go, release 1.31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.model import Registry, Resolution, Service, ServicePort
from meshsim.controlplane.protocols import port_protocol

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig

TRAFFIC_DISTRIBUTION: Final = "networking.istio.io/traffic-distribution"
EXPORT_TO: Final = "networking.istio.io/exportTo"


def service_hostname(name: str, namespace: str, domain: str) -> str:
    """``reviews.default.svc.cluster.local``."""
    return f"{name}.{namespace}.svc.{domain}"


def convert_service(item: ApiObject, mesh: MeshConfig, distribution: str) -> Service:
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
        traffic_distribution=distribution,
        publish_not_ready=spec.flag("publishNotReadyAddresses"),
    )


def service_distribution(item: ApiObject, namespace_annotations: Mapping[str, str]) -> str:
    """Traffic distribution of a Service: its field, its annotation, its namespace's annotation."""
    return traffic_distribution(item.spec.text("trafficDistribution"), item.annotations, namespace_annotations)


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


def selected_port(service: Service, port: ServicePort, workload_ports: Mapping[str, int]) -> int:
    """The port of a WorkloadEntry behind a service port, 0 when it lacks the named one
    (istio pilot/pkg/serviceregistry/kube/controller/controller.go serviceInstanceFromWorkloadInstance)."""
    value = _target(service, port)[0]
    if isinstance(value, str) and value and not value.isdigit():
        return workload_ports.get(value, 0)
    return int(value) if isinstance(value, int | str) and value else port.port


def target_port(service: Service, port: ServicePort, pod: ApiObject) -> int:
    """The container port a service port leads to in a pod, 0 when no container declares its name."""
    value, transport = _target(service, port)
    if value is None or value in (0, ""):
        return port.port
    if isinstance(value, int):
        return value
    text = str(value)
    if text.isdigit():
        return int(text)
    return _container_port(pod, text, transport)


def _target(service: Service, port: ServicePort) -> tuple[object, str]:
    """`targetPort` as written, and the transport protocol."""
    if service.source is not None:
        for item in service.source.spec.items("ports"):
            if item.integer("port") == port.port and item.text("name") == port.name:
                return item.value("targetPort"), item.text("protocol", "TCP")
    return None, "TCP"


def _container_port(pod: ApiObject, name: str, transport: str) -> int:
    containers = [*pod.spec.items("containers")]
    containers += [c for c in pod.spec.items("initContainers") if c.text("restartPolicy") == "Always"]
    for container in containers:
        for port in container.items("ports"):
            if port.text("name") == name and port.text("protocol", "TCP") == transport:
                return port.integer("containerPort")
    return 0
