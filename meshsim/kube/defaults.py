"""What the API server fills in: service types, ports and cluster IPs, namespace labels, pod defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.kernel import below
from meshsim.kube.documents import Body, mapping
from meshsim.network import Addresses

NAME_LABEL: Final = "kubernetes.io/metadata.name"
_NODE_PORTS: Final = (30000, 2768)
"""kube-apiserver --service-node-port-range 30000-32767: first port and how many."""


def default_body(item: ApiObject, addresses: Addresses, before: ApiObject | None) -> Body:
    """The document of an object with the API server's defaults; `before` is the stored value it replaces."""
    body: Body = dict(item.body)
    if item.namespace:
        body["metadata"] = {**mapping(body.get("metadata")), "namespace": item.namespace}
    match item.kind:
        case "Namespace":
            metadata = mapping(body.get("metadata"))
            labels = {**mapping(metadata.get("labels")), NAME_LABEL: item.name}
            body["metadata"] = {**metadata, "labels": labels}
        case "Service" if not item.group:
            body["spec"] = _service_spec(item, addresses, before)
        case "Pod":
            body["spec"] = _pod_spec(item)
    return body


def _service_spec(item: ApiObject, addresses: Addresses, before: ApiObject | None) -> Body:
    """Defaults of core/v1 Service (pkg/apis/core/v1/defaults.go) and the allocated addresses and node ports."""
    given = item.spec
    spec: Body = dict(mapping(item.body.get("spec")))
    kind = given.text("type", "ClusterIP")
    spec["type"] = kind
    spec.setdefault("sessionAffinity", "None")
    if given.items("ports"):
        spec["ports"] = [_service_port(item, port, kind) for port in given.items("ports")]
    if kind == "ExternalName":
        return spec
    spec.setdefault("internalTrafficPolicy", "Cluster")
    wanted = given.text("clusterIP")
    if not wanted and before is not None:
        wanted = before.spec.text("clusterIP")
    if wanted != "None":
        wanted = addresses.service_address(item.namespace, item.name, wanted)
    spec["clusterIP"] = wanted
    spec.setdefault("clusterIPs", [wanted])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    return spec


def _service_port(item: ApiObject, port: Fields, kind: str) -> Body:
    result: Body = dict(port.body)
    result.setdefault("protocol", "TCP")
    result.setdefault("targetPort", port.integer("port"))
    if kind in ("NodePort", "LoadBalancer") and "nodePort" not in port:
        first, span = _NODE_PORTS
        drawn = below(span, 0, "node-port", item.namespace, item.name, port.integer("port"), port.text("protocol"))
        result["nodePort"] = first + drawn
    return result


def _pod_spec(item: ApiObject) -> Body:
    """Defaults of core/v1 PodSpec and of the ServiceAccount admission plugin that others read."""
    defaults: Mapping[str, object] = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "schedulerName": "default-scheduler",
    }
    spec: Body = dict(mapping(item.body.get("spec")))
    if not spec.get("serviceAccountName") and spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for key, value in defaults.items():
        if spec.get(key) is None:
            spec[key] = value
    return spec
