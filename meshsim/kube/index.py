"""Pods by owner, namespace and node, so that controllers need not look through all of them."""

from __future__ import annotations

from typing import TypeAlias

from meshsim.api import ApiObject, ObjectKey
from meshsim.kube.documents import Owner, controller_of

Group: TypeAlias = dict[ObjectKey, ApiObject]


class PodIndex:
    """Three indexes over the pods of an API server; values are in the order pods were created."""

    def __init__(self) -> None:
        self._by_owner: dict[tuple[str, Owner], Group] = {}
        self._by_namespace: dict[str, Group] = {}
        self._by_node: dict[str, Group] = {}

    def put(self, pod: ApiObject, before: ApiObject | None) -> None:
        """Take a new value of a pod in."""
        if before is not None and before.spec.text("nodeName") != pod.spec.text("nodeName"):
            self._by_node.get(before.spec.text("nodeName"), {}).pop(before.key, None)
        owner = controller_of(pod)
        if owner is not None:
            self._by_owner.setdefault((pod.namespace, owner), {})[pod.key] = pod
        self._by_namespace.setdefault(pod.namespace, {})[pod.key] = pod
        self._by_node.setdefault(pod.spec.text("nodeName"), {})[pod.key] = pod

    def discard(self, pod: ApiObject) -> None:
        """Forget a pod."""
        owner = controller_of(pod)
        if owner is not None:
            self._by_owner.get((pod.namespace, owner), {}).pop(pod.key, None)
        self._by_namespace.get(pod.namespace, {}).pop(pod.key, None)
        self._by_node.get(pod.spec.text("nodeName"), {}).pop(pod.key, None)

    def owned(self, namespace: str, kind: str, name: str) -> list[ApiObject]:
        """Pods whose controller is this owner."""
        return list(self._by_owner.get((namespace, Owner(kind, name)), {}).values())

    def in_namespace(self, namespace: str) -> list[ApiObject]:
        """Pods of a namespace."""
        return list(self._by_namespace.get(namespace, {}).values())

    def on_node(self, node: str) -> list[ApiObject]:
        """Pods bound to a node; an empty name gives those that wait for one."""
        return list(self._by_node.get(node, {}).values())

    def count_on_node(self, node: str) -> int:
        """How many pods are bound to a node."""
        return len(self._by_node.get(node, {}))
