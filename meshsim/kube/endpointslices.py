"""The EndpointSlice controller: which pods stand behind a service, and in which state.

Rules: k8s.io/endpointslice reconciler.go and utils.go, k8s.io/kubernetes pkg/controller/endpointslice.

DEVIATION: topology hints (trafficDistribution) and IPv6 slices are not written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from meshsim.api import ApiObject, Fields, ObjectKey, make_object
from meshsim.api.selectors import matches_labels
from meshsim.kernel import Environment
from meshsim.kube.documents import Body, is_terminating, owner_reference, rfc3339, uid_of
from meshsim.kube.names import suffix
from meshsim.kube.pods import is_ready, is_terminal, pod_address
from meshsim.kube.server import ApiServer, Change, Verb, identity
from meshsim.kube.workqueue import WorkQueue
from meshsim.network import ZONE_LABEL

CAUSE = "endpointslice-controller"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"


class EndpointPort(NamedTuple):
    """A port of a slice."""

    name: str
    port: int
    protocol: str
    app_protocol: str


Ports: TypeAlias = tuple[EndpointPort, ...]
Endpoints: TypeAlias = dict[str, Body]
"""Endpoints by address."""


class EndpointSliceController:
    """Keeps the slices of every service with a selector."""

    def __init__(self, env: Environment, server: ApiServer) -> None:
        self._server = server
        self._queue: WorkQueue[ObjectKey] = WorkQueue(env, self.sync, server.settings.controller_latency)
        self._made: dict[ObjectKey, int] = {}
        self._slices: dict[ObjectKey, dict[ObjectKey, ApiObject]] = {}
        self._services: dict[tuple[str, str, str], dict[ObjectKey, None]] = {}
        """Services with a selector by namespace and the first label of it."""
        self._selectors: dict[ObjectKey, Mapping[str, str]] = {}
        server.watch(self._on_change, ("Service", "Pod"))

    def _on_change(self, change: Change) -> None:
        item = change.object
        if item.kind == "Service":
            self._take(change.verb, item)
            self._queue.add(item.key)
            return
        before = change.before if change.before is not None else item
        if change.verb is Verb.UPDATE and not _matters(item, before):
            return
        keys: dict[ObjectKey, None] = {}
        for labels in (item.labels, before.labels):
            for label, value in labels.items():
                for key in self._services.get((item.namespace, label, value), {}):
                    if matches_labels(self._selectors[key], labels):
                        keys[key] = None
        for key in keys:
            self._queue.add(key)

    def _take(self, verb: Verb, service: ApiObject) -> None:
        key = service.key
        known = self._selectors.pop(key, {})
        for label, value in known.items():
            self._services[key.namespace, label, value].pop(key, None)
            break
        selector = service.spec.text_map("selector")
        if verb is Verb.DELETE or not selector:
            return
        self._selectors[key] = selector
        label, value = next(iter(selector.items()))
        self._services.setdefault((key.namespace, label, value), {})[key] = None

    def prime(self) -> None:
        """Learn the services that are there before watches open, and write their slices."""
        for service in self._server.objects.select("Service", ""):
            self._take(Verb.ADD, service)
            self.sync(service.key)

    def sync(self, key: ObjectKey) -> None:
        """Bring the slices of one service up to date."""
        service = self._server.objects.get(key)
        existing = self._slices.setdefault(key, {})
        if service is None:
            for slice_key in existing:
                self._server.remove(slice_key, CAUSE)
            del self._slices[key]
            return
        if not service.spec.text_map("selector") or service.spec.text("type") == "ExternalName":
            return
        by_ports: dict[Ports, Endpoints] = {}
        for slice_key in existing:
            current = self._server.objects.get(slice_key)
            if current is not None:
                by_ports.setdefault(_slice_ports(current), {})
        for ports, address, endpoint in self._wanted(service):
            by_ports.setdefault(ports, {})[address] = endpoint
        for ports, endpoints in by_ports.items():
            self._reconcile(service, ports, endpoints)
        if not self._slices[key]:
            self._write_new(service, (), [])

    def _wanted(self, service: ApiObject) -> list[tuple[Ports, str, Body]]:
        selector = service.spec.text_map("selector")
        not_ready_too = service.spec.flag("publishNotReadyAddresses")
        found = []
        for pod in sorted(self._server.pods.labelled(service.namespace, selector), key=lambda p: p.name):
            address = pod_address(pod)
            if address and not is_terminal(pod):
                found.append((_pod_ports(service, pod), address, self._endpoint(service, pod, not_ready_too)))
        return found

    def _endpoint(self, service: ApiObject, pod: ApiObject, not_ready_too: bool) -> Body:
        serving, terminating = is_ready(pod), is_terminating(pod)
        endpoint: Body = {
            "addresses": [pod_address(pod)],
            "conditions": {
                "ready": not_ready_too or (serving and not terminating),
                "serving": serving,
                "terminating": terminating,
            },
            "nodeName": pod.spec.text("nodeName"),
            "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": uid_of(pod)},
        }
        node = self._server.get("Node", "", pod.spec.text("nodeName"))
        if node is not None and node.labels.get(ZONE_LABEL):
            endpoint["zone"] = node.labels[ZONE_LABEL]
        if pod.spec.text("hostname") and pod.spec.text("subdomain") == service.name:
            endpoint["hostname"] = pod.spec.text("hostname")
        return endpoint

    def _reconcile(self, service: ApiObject, ports: Ports, wanted: Endpoints) -> None:
        """Keep endpoints where they are, change as few slices as possible, fill before making new ones."""
        limit = self._server.settings.endpoints_per_slice
        slices = self._slices[service.key]
        kept: dict[ObjectKey, list[Body]] = {}
        left = dict(wanted)
        for slice_key in slices:
            current = self._server.objects.get(slice_key)
            if current is None or _slice_ports(current) != ports:
                continue
            addresses = [entry.texts("addresses")[0] for entry in current.fields.items("endpoints")]
            kept[slice_key] = [left.pop(address) for address in addresses if address in left]
        for endpoints in sorted(kept.values(), key=len, reverse=True):
            while left and len(endpoints) < limit:
                address = next(iter(left))
                endpoints.append(left.pop(address))
        for slice_key, endpoints in kept.items():
            if endpoints:
                self._write(service, slices[slice_key], ports, endpoints)
            else:
                self._server.remove(slice_key, CAUSE)
                del slices[slice_key]
        rest = list(left.values())
        for start in range(0, len(rest), limit):
            self._write_new(service, ports, rest[start : start + limit])

    def _write(self, service: ApiObject, current: ApiObject, ports: Ports, endpoints: list[Body]) -> None:
        metadata: Body = {"name": current.name, "generateName": f"{service.name}-"}
        item = make_object(self._body(service, metadata, ports, endpoints), None, service.namespace)
        stored = self._server.objects.get(current.key)
        if stored is not None and _content(stored) != _content(item):
            self._slices[service.key][current.key] = self._server.apply(item, CAUSE)

    def _write_new(self, service: ApiObject, ports: Ports, endpoints: list[Body]) -> None:
        number = self._made[service.key] = self._made.get(service.key, 0) + 1
        name = f"{service.name}-{suffix(self._server.seed, identity(service), 'slice', number)}"
        metadata: Body = {"name": name, "generateName": f"{service.name}-"}
        item = make_object(self._body(service, metadata, ports, endpoints), None, service.namespace)
        self._slices[service.key][item.key] = self._server.create(item, CAUSE)

    def _body(self, service: ApiObject, metadata: Body, ports: Ports, endpoints: list[Body]) -> Body:
        labels = {**service.labels, SERVICE_LABEL: service.name, MANAGED_BY_LABEL: MANAGER}
        if service.spec.text("clusterIP") == "None":
            labels[HEADLESS_LABEL] = ""
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                **metadata,
                "namespace": service.namespace,
                "labels": labels,
                "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": rfc3339(self._server.wall)},
                "ownerReferences": [owner_reference(service)],
            },
            "addressType": "IPv4",
            "ports": [_port_body(port) for port in ports],
            "endpoints": endpoints,
        }


def _content(item: ApiObject) -> tuple[object, object, object]:
    return item.body.get("ports"), item.body.get("endpoints"), dict(item.labels)


def _matters(pod: ApiObject, before: ApiObject) -> bool:
    """Whether an update of a pod can change an endpoint (k8s.io/endpointslice util podEndpointsChanged)."""
    return (
        pod.labels != before.labels
        or is_ready(pod) != is_ready(before)
        or is_terminating(pod) != is_terminating(before)
        or is_terminal(pod) != is_terminal(before)
        or pod_address(pod) != pod_address(before)
        or pod.spec.text("nodeName") != before.spec.text("nodeName")
    )


def _port_body(port: EndpointPort) -> Body:
    body: Body = {"name": port.name, "port": port.port, "protocol": port.protocol}
    if port.app_protocol:
        body["appProtocol"] = port.app_protocol
    return body


def _slice_ports(item: ApiObject) -> Ports:
    return tuple(
        EndpointPort(port.text("name"), port.integer("port"), port.text("protocol", "TCP"), port.text("appProtocol"))
        for port in item.fields.items("ports")
    )


def _pod_ports(service: ApiObject, pod: ApiObject) -> Ports:
    """Ports of a service on one pod; a target port name the pod does not have is left out."""
    ports = []
    for port in service.spec.items("ports"):
        number = _target(port, pod)
        if number:
            protocol = port.text("protocol", "TCP")
            ports.append(EndpointPort(port.text("name"), number, protocol, port.text("appProtocol")))
    return tuple(ports)


def _target(port: Fields, pod: ApiObject) -> int:
    target = port.value("targetPort")
    if target is None or target in (0, ""):
        return port.integer("port")
    if isinstance(target, int) or (isinstance(target, str) and target.isdigit()):
        return int(target)
    protocol = port.text("protocol", "TCP")
    containers = [*pod.spec.items("containers"), *(c for c in pod.spec.items("initContainers") if _stays(c))]
    for container in containers:
        for candidate in container.items("ports"):
            if candidate.text("name") == target and candidate.text("protocol", "TCP") == protocol:
                return candidate.integer("containerPort")
    return 0


def _stays(container: Fields) -> bool:
    return container.text("restartPolicy") == "Always"
