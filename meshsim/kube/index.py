"""Pods and ReplicaSets by owner, pods by label and node, so that controllers need not look through all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from meshsim.api import ApiObject, ObjectKey
from meshsim.api.selectors import matches_labels
from meshsim.kube.documents import Owner, controller_of

Group: TypeAlias = dict[ObjectKey, ApiObject]
Pair: TypeAlias = tuple[str, str]


class OwnerIndex:
    """Objects of one kind by their controlling owner, in the order they were created."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, Owner], Group] = {}

    def put(self, item: ApiObject) -> None:
        """Take a new value of an object in."""
        owner = controller_of(item)
        if owner is not None:
            self._groups.setdefault((item.namespace, owner), {})[item.key] = item

    def discard(self, item: ApiObject) -> None:
        """Forget an object."""
        owner = controller_of(item)
        if owner is not None:
            self._groups.get((item.namespace, owner), {}).pop(item.key, None)

    def owned(self, namespace: str, kind: str, name: str) -> list[ApiObject]:
        """Objects whose controller is this owner."""
        return list(self._groups.get((namespace, Owner(kind, name)), {}).values())


class PodIndex(OwnerIndex):
    """Pods by owner, by label and by node."""

    def __init__(self) -> None:
        super().__init__()
        self._by_label: dict[tuple[str, Pair], Group] = {}
        self._by_node: dict[str, Group] = {}

    def replace(self, pod: ApiObject, before: ApiObject | None) -> None:
        """Take a new value of a pod in."""
        if before is not None:
            if before.spec.text("nodeName") != pod.spec.text("nodeName"):
                self._by_node.get(before.spec.text("nodeName"), {}).pop(before.key, None)
            for pair in before.labels.items():
                if pod.labels.get(pair[0]) != pair[1]:
                    self._by_label.get((before.namespace, pair), {}).pop(before.key, None)
        self.put(pod)
        for pair in pod.labels.items():
            self._by_label.setdefault((pod.namespace, pair), {})[pod.key] = pod
        self._by_node.setdefault(pod.spec.text("nodeName"), {})[pod.key] = pod

    def discard(self, item: ApiObject) -> None:
        super().discard(item)
        for pair in item.labels.items():
            self._by_label.get((item.namespace, pair), {}).pop(item.key, None)
        self._by_node.get(item.spec.text("nodeName"), {}).pop(item.key, None)

    def labelled(self, namespace: str, labels: Mapping[str, str]) -> list[ApiObject]:
        """Pods of a namespace with all of these labels, of which there is at least one."""
        groups = [self._by_label.get((namespace, pair), {}) for pair in labels.items()]
        smallest = min(groups, key=len)
        return [pod for pod in smallest.values() if matches_labels(labels, pod.labels)]

    def on_node(self, node: str) -> list[ApiObject]:
        """Pods bound to a node; an empty name gives those that wait for one."""
        return list(self._by_node.get(node, {}).values())

    def count_on_node(self, node: str) -> int:
        """How many pods are bound to a node."""
        return len(self._by_node.get(node, {}))
