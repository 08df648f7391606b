"""What is analysed: Pilot's reading of the objects, the workloads there are or will be, the proxies that connect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from meshsim.analysis.report import close, listed
from meshsim.api import ApiObject, Fields
from meshsim.controlplane.host_names import MESH_GATEWAY, resolve_gateway_name
from meshsim.controlplane.model import Proxy, VirtualService
from meshsim.controlplane.policy_attachment import selects
from meshsim.controlplane.proxies import has_proxy
from meshsim.controlplane.push_context import PushContext

_CONTROLLERS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
_INJECT: Final = "sidecar.istio.io/inject"
ISTIO_NETWORKING: Final = "networking.istio.io"


class Workload(NamedTuple):
    """A pod, or the pods that a controller makes."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    source: ApiObject
    in_mesh: bool = True
    """Whether it has a proxy; assumed of pods that are not there yet."""

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it carries all these labels."""
        return all(self.labels.get(key) == value for key, value in labels.items())


class Blame(NamedTuple):
    """The label of a selector that makes it fit nothing."""

    key: str
    values: tuple[str, ...]
    """What workloads that fit otherwise have instead."""

    def hint(self, labels: Mapping[str, str]) -> str:
        """What may be meant."""
        if near := close(labels[self.key], self.values):
            return near
        return f"there is {self.key}={listed(self.values, 'or')}" if self.values else ""


class View(NamedTuple):
    """The VirtualServices that proxies of a namespace follow for the mesh, the one that counts first."""

    namespace: str
    virtual_services: tuple[VirtualService, ...]


@dataclass(frozen=True, slots=False, eq=False)
class Cluster:
    """The objects of one instant with everything that reads them."""

    push: PushContext
    workloads: tuple[Workload, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    """One for each workload is enough."""
    whole: bool = True
    """Whether these are all objects of the mesh. Of a part, only what contradicts itself is reported: what is missing
    may be elsewhere."""
    written: frozenset[str] = field(default_factory=frozenset)
    """Namespaces that manifests put workloads into, of a part."""

    def of_kind(self, kind: str, group: str = ISTIO_NETWORKING) -> list[ApiObject]:
        """Objects of a kind as they were written, not those made of Gateway API objects; by namespace and name."""
        return self.push.objects.select(kind, group)

    def knows(self, namespace: str) -> bool:
        """Whether what is not among the objects of a namespace does not exist."""
        return self.whole or namespace in self.written

    def pods(self, labels: Mapping[str, str], namespace: str | None = None) -> list[Workload]:
        """Workloads with these labels, of one namespace or of all."""
        if not labels:
            return [w for w in self.workloads if namespace in (None, w.namespace)]
        fewest = min((self._by_label.get((namespace, *label), ()) for label in labels.items()), key=len)
        return [w for w in fewest if w.has(labels)]

    @cached_property
    def _by_label(self) -> Mapping[tuple[str | None, str, str], Sequence[Workload]]:
        """Workloads by namespace (`None` for all), label and value."""
        found: dict[tuple[str | None, str, str], list[Workload]] = {}
        for workload in self.workloads:
            for key, value in workload.labels.items():
                for namespace in (None, workload.namespace):
                    found.setdefault((namespace, key, value), []).append(workload)
        return found

    def blame(self, labels: Mapping[str, str], namespace: str | None = None) -> Blame:
        """Which of labels that no workload has together is wrong, and the values that workloads have for it."""
        for key in labels:
            others = {name: value for name, value in labels.items() if name != key}
            fitting = self.pods(others, namespace) if others else []
            if fitting:
                return Blame(key, tuple(sorted({pod.labels[key] for pod in fitting if key in pod.labels})))
        key = next(iter(labels))
        values = {pod.labels[key] for pod in self.pods({}, namespace) if key in pod.labels}
        return Blame(key, tuple(sorted(values)))

    def routers(self, selector: Mapping[str, str]) -> list[Proxy]:
        """Gateway proxies with these labels."""
        return [p for p in self.proxies if p.is_router and all(p.labels.get(k) == v for k, v in selector.items())]

    @cached_property
    def views(self) -> tuple[View, ...]:
        """What the sidecars follow, each combination once; without sidecars what the namespaces would."""
        found: dict[tuple[str, tuple[int, ...]], View] = {}
        for proxy in self.proxies:
            if proxy.is_router:
                continue
            for listener in self.push.scope(proxy).egress_listeners:
                items = listener.virtual_services
                found.setdefault((proxy.namespace, tuple(map(id, items))), View(proxy.namespace, items))
        if not found:
            for namespace in sorted({item.namespace for item in self.push.virtual_services}):
                items = self.push.virtual_services_exported_to(namespace, "mesh")
                found[namespace, ()] = View(namespace, items)
        return tuple(found.values())

    @cached_property
    def resolved(self) -> Mapping[int, VirtualService]:
        """Pilot's reading of each VirtualService, by identity of its object."""
        return {id(item.source): item for item in self.push.virtual_services}

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Names of all namespaces, sorted."""
        return tuple(sorted(item.name for item in self.push.objects.listed("Namespace")))

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Host names of all services, sorted."""
        return tuple(sorted(self.push.registry.by_host))


def route_gateways(item: ApiObject, route: Fields) -> list[str]:
    """The gateways on which a route can be taken, as ``mesh`` or ``namespace/name``."""
    bound = item.spec.texts("gateways") or (MESH_GATEWAY,)
    matches = route.items("match")
    if matches and all(match.texts("gateways") for match in matches):
        bound = tuple(name for match in matches for name in match.texts("gateways"))
    return list(dict.fromkeys(resolve_gateway_name(name, item.namespace) for name in bound))


def workloads_of(objects: Iterable[ApiObject]) -> tuple[Workload, ...]:
    """The workloads among objects: controllers by their templates, and pods that no controller made."""
    pods: dict[tuple[str, str, str], list[ApiObject]] = {}
    items = list(objects)
    for item in items:
        if item.kind == "Pod":
            for key, value in item.labels.items():
                pods.setdefault((item.namespace, key, value), []).append(item)
    return tuple(found for item in items for found in _workload(item, pods))


def _workload(item: ApiObject, pods: Mapping[tuple[str, str, str], Sequence[ApiObject]]) -> Iterator[Workload]:
    if item.metadata.items("ownerReferences"):
        return
    if item.kind == "Pod":
        yield Workload(item.name, item.namespace, item.labels, item, has_proxy(item))
    elif item.kind in _CONTROLLERS:
        labels = item.spec.fields("template").fields("metadata").text_map("labels")
        fewest = min((pods.get((item.namespace, *label), ()) for label in labels.items()), key=len, default=())
        own = [pod for pod in fewest if selects(labels, pod.labels)]
        in_mesh = any(map(has_proxy, own)) if own else labels.get(_INJECT) != "false"
        yield Workload(item.name, item.namespace, labels, item, in_mesh)


def representatives(pods: Sequence[ApiObject]) -> list[ApiObject]:
    """Of the pods with a proxy one for each workload: those with the same owner or else the same labels are alike."""
    chosen: dict[tuple[object, ...], ApiObject] = {}
    for pod in pods:
        if not has_proxy(pod) or not pod.status.text("podIP"):
            continue
        owners = pod.metadata.items("ownerReferences")
        likeness: object = _owner(owners[0]) if owners else tuple(sorted(pod.labels.items()))
        chosen.setdefault((pod.namespace, likeness), pod)
    return list(chosen.values())


def _owner(reference: Fields) -> tuple[str, str]:
    return reference.text("kind"), reference.text("name")
