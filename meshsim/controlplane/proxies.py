"""Proxies: the node an injected pod's agent sends, and what Pilot makes of a node.

istio pkg/bootstrap/config.go (node metadata), pilot/pkg/model/context.go (ParseServiceNodeWithMetadata) and
pilot/pkg/xds/ads.go (setTopologyLabels), release 1.31.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from meshsim.api import ApiObject, Fields, ObjectKey, ObjectView
from meshsim.controlplane.kube_registry import workload_name
from meshsim.controlplane.mesh import MeshConfig, merge_proxy_config
from meshsim.controlplane.model import Locality, Proxy, ProxyType
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
from meshsim.controlplane.yaml_text import read_yaml_mapping
from meshsim.errors import InputError

ISTIO_VERSION: Final = "1.31.0"
PROXY_CONTAINER: Final = "istio-proxy"
PROXY_CONFIG_ANNOTATION: Final = "proxy.istio.io/config"
INTERCEPTION_ANNOTATION: Final = "sidecar.istio.io/interceptionMode"
_ORDINAL: Final = re.compile(r"-\d+$")
_META_PREFIX: Final = "ISTIO_META_"


def has_proxy(pod: ApiObject) -> bool:
    """Whether a pod runs an Istio proxy, as ordinary or as native sidecar container."""
    return any(
        container.text("name") == PROXY_CONTAINER
        for key in ("containers", "initContainers")
        for container in pod.spec.items(key)
    )


def proxy_config(pod: ApiObject, objects: ObjectView, mesh: MeshConfig) -> Mapping[str, object]:
    """The effective ProxyConfig of a pod: mesh defaults, ProxyConfig objects, annotation
    (istio pilot/pkg/model/proxy_config.go EffectiveProxyConfig)."""
    config: Mapping[str, object] = mesh.proxy_defaults.body
    objects_of_mesh = sorted(objects.select("ProxyConfig"), key=lambda o: (o.created, f"{o.name}.{o.namespace}"))
    root = [o for o in objects_of_mesh if o.namespace == mesh.root_namespace and "selector" not in o.spec]
    own = [o for o in objects_of_mesh if o.namespace == pod.namespace and o.namespace != mesh.root_namespace]
    selected = [
        o
        for o in (own if pod.namespace != mesh.root_namespace else objects_of_mesh)
        if "selector" in o.spec
        and o.namespace == pod.namespace
        and all(pod.labels.get(k) == v for k, v in o.spec.fields("selector").text_map("matchLabels").items())
    ]
    for level in (root, [o for o in own if "selector" not in o.spec], selected):
        if level:
            config = _apply_proxy_config_object(config, level[0])
    text = pod.annotations.get(PROXY_CONFIG_ANNOTATION)
    if text:
        config = merge_proxy_config(config, read_yaml_mapping(text))
    return config


def _apply_proxy_config_object(config: Mapping[str, object], item: ApiObject) -> Mapping[str, object]:
    over: dict[str, object] = {}
    if "concurrency" in item.spec:
        over["concurrency"] = item.spec.integer("concurrency")
    if "environmentVariables" in item.spec:
        over["proxyMetadata"] = item.spec.text_map("environmentVariables")
    if "image" in item.spec:
        over["image"] = dict(item.spec.fields("image").body)
    return merge_proxy_config(config, over)


def node_of_pod(
    pod: ApiObject, objects: ObjectView, mesh: MeshConfig, kind: ProxyType | None = None
) -> dict[str, object]:
    """The node (id, cluster, metadata) that the agent of an injected or gateway pod sends.

    `kind` is read from the proxy's arguments when not given; without arguments a proxy alone in its pod is a gateway.
    """
    if kind is None:
        kind = _proxy_type(pod)
    addresses = [ip.text("ip") for ip in pod.status.items("podIPs")] or [pod.status.text("podIP")]
    config = proxy_config(pod, objects, mesh)
    workload = workload_name(pod)
    if workload == pod.name:
        # A pod without owner: named as a StatefulSet names its pods, its workload is the name without the ordinal.
        workload = _ORDINAL.sub("", pod.name)
    app = pod.labels.get("app") or pod.labels.get("app.kubernetes.io/name", "")
    service_cluster = Fields(config).text("serviceCluster", PROXY_CONTAINER)
    applications = [c for c in pod.spec.items("containers") if c.text("name") != PROXY_CONTAINER]
    metadata: dict[str, object] = {
        "ANNOTATIONS": dict(pod.annotations) or None,
        "APP_CONTAINERS": ",".join(c.text("name") for c in applications),
        "CLUSTER_ID": mesh.cluster_id,
        "ENVOY_PROMETHEUS_PORT": 15090,
        "ENVOY_STATUS_PORT": 15021,
        "INSTANCE_IPS": ",".join(addresses),
        "INTERCEPTION_MODE": _interception_mode(pod, config),
        "ISTIO_VERSION": ISTIO_VERSION,
        "LABELS": dict(pod.labels),
        "MESH_ID": Fields(config).text("meshId") or mesh.fields.text("meshId") or mesh.trust_domain,
        "NAME": pod.name,
        "NAMESPACE": pod.namespace,
        "NODE_NAME": pod.spec.text("nodeName"),
        "PROXY_CONFIG": dict(config),
        "SERVICE_ACCOUNT": pod.spec.text("serviceAccountName", "default"),
        "WORKLOAD_NAME": workload,
    }
    ports = [dict(sorted(port.body.items())) for c in applications for port in c.items("ports")]
    if ports:
        metadata["POD_PORTS"] = json.dumps(ports, separators=(",", ":"))
    network = pod.labels.get(NETWORK_LABEL, "")
    if network:
        metadata["NETWORK"] = network
    for key, value in Fields(config).text_map("proxyMetadata").items():
        if key.startswith(_META_PREFIX):
            metadata[key.removeprefix(_META_PREFIX)] = value
    return {
        "id": f"{kind.value}~{addresses[0]}~{pod.name}.{pod.namespace}~{pod.namespace}.svc.{mesh.domain}",
        "cluster": f"{app or service_cluster}.{pod.namespace}",
        "metadata": metadata,
    }


def _proxy_type(pod: ApiObject) -> ProxyType:
    """``proxy router`` or ``proxy sidecar`` of the arguments, else by whether an application runs beside it."""
    for key in ("containers", "initContainers"):
        for container in pod.spec.items(key):
            arguments = container.texts("args")
            if container.text("name") == PROXY_CONTAINER and arguments[:1] == ("proxy",) and len(arguments) > 1:
                return ProxyType.ROUTER if arguments[1] == ProxyType.ROUTER.value else ProxyType.SIDECAR
    alone = all(c.text("name") == PROXY_CONTAINER for c in pod.spec.items("containers"))
    return ProxyType.ROUTER if alone else ProxyType.SIDECAR


def _interception_mode(pod: ApiObject, config: Mapping[str, object]) -> str:
    return pod.annotations.get(INTERCEPTION_ANNOTATION) or Fields(config).text("interceptionMode", "REDIRECT")


def build_proxy(node: Mapping[str, object], objects: ObjectView, mesh: MeshConfig) -> Proxy:
    """A connected proxy from its node and the pod behind it; raises `InputError` for a malformed id."""
    fields = Fields(node)
    node_id = fields.text("id")
    parts = node_id.split("~")
    if len(parts) != 4:
        raise InputError(
            f"node id '{node_id}' has {len(parts)} parts", None, "write type~address~name.namespace~domain"
        )
    kind, address, proxy_id, domain = parts
    metadata = fields.fields("metadata")
    name = metadata.text("NAME") or proxy_id.rpartition(".")[0]
    namespace = metadata.text("NAMESPACE") or proxy_id.rpartition(".")[2]
    pod = objects.get(ObjectKey("", "Pod", namespace, name))
    locality = _proxy_locality(fields, metadata, pod, objects)
    addresses = tuple(a for a in metadata.text("INSTANCE_IPS").split(",") if a) or (address,)
    return Proxy(
        id=proxy_id,
        node_id=node_id,
        type=ProxyType(kind),
        addresses=addresses,
        name=name,
        namespace=namespace,
        dns_domain=domain,
        labels=_with_topology(metadata.text_map("LABELS"), locality, metadata, mesh),
        metadata=metadata,
        locality=locality,
        service_account=metadata.text("SERVICE_ACCOUNT"),
        cluster=fields.text("cluster"),
    )


def _proxy_locality(node: Fields, metadata: Fields, pod: ApiObject | None, objects: ObjectView) -> Locality:
    """Locality as the node says, else the ``istio-locality`` label, else that of the pod's Kubernetes node."""
    given = node.fields("locality")
    if given.text("region"):
        return Locality(given.text("region"), given.text("zone"), given.text("sub_zone"))
    label = metadata.text_map("LABELS").get(LOCALITY_LABEL, "")
    if label:
        return parse_locality(label)
    if pod is None:
        return Locality()
    return node_locality(objects.get(ObjectKey("", "Node", "", pod.spec.text("nodeName"))))


def _with_topology(labels: Mapping[str, str], locality: Locality, metadata: Fields, mesh: MeshConfig) -> dict[str, str]:
    """Labels of the workload with those of its place, as selectors and failover priorities see them."""
    found = dict(labels)
    for key, value in (
        (REGION_LABEL, locality.region),
        (ZONE_LABEL, locality.zone),
        (SUBZONE_LABEL, locality.subzone),
        (CLUSTER_LABEL, metadata.text("CLUSTER_ID", mesh.cluster_id)),
        (NETWORK_LABEL, metadata.text("NETWORK")),
        (HOSTNAME_LABEL, metadata.text("NODE_NAME")),
    ):
        if value:
            found[key] = value
    return found


def proxy_of_pod(pod: ApiObject, objects: ObjectView, mesh: MeshConfig, kind: ProxyType | None = None) -> Proxy:
    """The proxy in an injected or gateway pod."""
    return build_proxy(node_of_pod(pod, objects, mesh, kind), objects, mesh)
