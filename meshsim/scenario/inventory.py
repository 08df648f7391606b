"""What exists in the cluster of a scenario, as far as its references go: Services, pods to be, controllers, hosts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.api.canonical import canonical_name, canonical_revision

_CONTROLLERS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


class PodTemplate(NamedTuple):
    """Pods that a controller makes, or a bare pod."""

    kind: str
    name: str
    namespace: str
    labels: Mapping[str, str]

    @property
    def app(self) -> str:
        """Canonical service name."""
        return canonical_name(self.labels, self.name)

    @property
    def version(self) -> str:
        """Canonical revision."""
        return canonical_revision(self.labels)

    def matches(self, labels: Mapping[str, str], namespace: str | None = None) -> bool:
        """Whether the pods have all these labels."""
        return (namespace is None or namespace == self.namespace) and all(
            self.labels.get(key) == value for key, value in labels.items()
        )


@dataclass(slots=True)
class Inventory:
    """Everything a scenario's names can refer to."""

    templates: list[PodTemplate] = field(default_factory=list)
    services: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """(namespace, name) to selector."""
    entry_hosts: list[str] = field(default_factory=list)
    """Hosts of ServiceEntries."""
    nodes: list[str] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    _by_name: dict[tuple[str, str, str], list[PodTemplate]] = field(
        init=False, default_factory=lambda: defaultdict(list)
    )
    """Templates by kind, namespace and name; several where a timeline changes their labels."""
    _by_label: dict[tuple[str, str], list[PodTemplate]] = field(init=False, default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        given, self.templates = self.templates, []
        for template in given:
            self._add_template(template)

    @classmethod
    def of(cls, objects: Iterable[ApiObject]) -> Inventory:
        """The inventory of these objects."""
        inventory = cls()
        for item in objects:
            inventory._add(item)
        return inventory

    def _add(self, item: ApiObject) -> None:
        if item.namespace and item.namespace not in self.namespaces:
            self.namespaces.append(item.namespace)
        if item.kind == "Namespace":
            self.namespaces.append(item.name)
        elif item.kind == "Service" and item.group == "":
            self.services[item.namespace, item.name] = item.spec.text_map("selector")
        elif item.kind == "ServiceEntry":
            self.entry_hosts.extend(item.spec.texts("hosts"))
        elif item.kind == "Node":
            self.nodes.append(item.name)
            zone = item.labels.get("topology.kubernetes.io/zone")
            if zone and zone not in self.zones:
                self.zones.append(zone)
        elif item.kind in _CONTROLLERS:
            labels = Fields.fields(Fields.fields(item.spec, "template"), "metadata").text_map("labels")
            self._add_template(PodTemplate(item.kind, item.name, item.namespace, labels))
        elif item.kind == "Pod":
            self._add_template(PodTemplate(item.kind, item.name, item.namespace, item.labels))

    def _add_template(self, template: PodTemplate) -> None:
        if template in self._named(template.kind, template.namespace, template.name):
            return
        self.templates.append(template)
        self._by_name[template.kind, template.namespace, template.name].append(template)
        for label in template.labels.items():
            self._by_label[label].append(template)

    def pods(self, labels: Mapping[str, str], namespace: str | None = None) -> list[PodTemplate]:
        """Templates whose pods have all these labels."""
        first = next(iter(labels.items()), None)
        candidates = self.templates if first is None else self._by_label.get(first, ())
        return [template for template in candidates if template.matches(labels, namespace)]

    def controller(self, kind: str, namespace: str, name: str) -> PodTemplate | None:
        """The Deployment, StatefulSet or Pod of this name."""
        return next(iter(self._named(kind, namespace, name)), None)

    def _named(self, kind: str, namespace: str, name: str) -> Sequence[PodTemplate]:
        return self._by_name.get((kind, namespace, name), ())

    def resolve(self, host: str, namespace: str) -> tuple[str, str] | None:
        """The Service (namespace, name) a host means to a caller in a namespace, by the search path of its DNS."""
        parts = host.split(".")
        candidates: Sequence[tuple[str, str]]
        if len(parts) == 1:
            candidates = [(namespace, host)]
        elif len(parts) == 2 or parts[2:] in (["svc"], ["svc", "cluster", "local"]):
            candidates = [(parts[1], parts[0])]
        elif parts[-3:] == ["svc", "cluster", "local"] or parts[-1] == "svc":
            names = parts[: parts.index("svc")]
            candidates = [(names[-1], names[-2])] if len(names) >= 2 else []
        else:
            candidates = []
        return next((key for key in candidates if key in self.services), None)

    def is_known_outside(self, host: str) -> bool:
        """Whether a ServiceEntry has this host, by name or wildcard."""
        return any(host == entry or (entry.startswith("*") and host.endswith(entry[1:])) for entry in self.entry_hosts)

    def service_names(self, namespace: str) -> list[str]:
        """Every host that `resolve` would take from a namespace, the shortest form of each."""
        return [name if where == namespace else f"{name}.{where}" for where, name in self.services]
