"""The scheduler: which node a pod goes to.

Filters and scores of the default profile that matter here: unschedulable nodes, taints, node selector and required node
affinity, pods per node; then spreading over zones and nodes (the built-in topology spread constraints), then the
emptiest node.

DEVIATION: resource requests, pod affinity and topologySpreadConstraints of the pod are not looked at; real scheduling
may refuse or prefer other nodes for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.api.selectors import matches_labels, matches_requirement
from meshsim.kernel import Environment, draw
from meshsim.kube.documents import controller_of, with_spec
from meshsim.kube.lifecycle import record_phase
from meshsim.kube.pods import is_terminal
from meshsim.kube.server import ApiServer, Change, Verb, identity
from meshsim.kube.workqueue import WorkQueue
from meshsim.network import ZONE_LABEL
from meshsim.trace import Taps

CAUSE = "scheduler"


class Scheduler:
    """Binds pods to nodes."""

    def __init__(self, env: Environment, server: ApiServer, taps: Taps) -> None:
        self._server = server
        self._taps = taps
        self._queue: WorkQueue[ObjectKey] = WorkQueue(env, self.sync, server.settings.scheduler_latency)
        server.watch(self._on_change, ("Pod", "Node"))

    def _on_change(self, change: Change) -> None:
        item = change.object
        if item.kind == "Pod" and change.verb is Verb.ADD:
            if not item.spec.text("nodeName"):
                self._queue.add(item.key)
        elif item.kind == "Node" or change.verb is Verb.DELETE:
            for pod in self._server.pods.on_node(""):
                self._queue.add(pod.key)

    def sync(self, key: ObjectKey) -> None:
        """Bind a pod if a node fits; else it waits for a node or a pod to change."""
        pod = self._server.objects.get(key)
        if pod is None or pod.spec.text("nodeName"):
            return
        node = self.choose(pod)
        if node is not None:
            bound = self._server.update(with_spec(pod, {"nodeName": node}), CAUSE)
            record_phase(self._server, self._taps, bound, "scheduled")

    def choose(self, pod: ApiObject) -> str | None:
        """The node for a pod, ``None`` when none fits."""
        wishes = _Wishes(
            pod.spec.text_map("nodeSelector"),
            pod.spec.items("tolerations"),
            _required_terms(pod.spec.fields("affinity")),
        )
        nodes = [node for node in self._server.objects.select("Node") if self._fits(wishes, node)]
        if not nodes:
            return None
        on_node, in_zone = self._siblings(pod)

        def score(node: ApiObject) -> tuple[int, int, int]:
            zone = node.labels.get(ZONE_LABEL, "")
            return (in_zone.get(zone, 0), on_node.get(node.name, 0), self._server.pods.count_on_node(node.name))

        scores = [score(node) for node in nodes]
        best = min(scores)
        equals = [node.name for node, value in zip(nodes, scores) if value == best]
        own = identity(pod)
        return min(equals, key=lambda name: draw(self._server.seed, own, "schedule", name))

    def _siblings(self, pod: ApiObject) -> tuple[dict[str, int], dict[str, int]]:
        """Pods of the same owner by node and by zone."""
        by_node: dict[str, int] = {}
        by_zone: dict[str, int] = {}
        owner = controller_of(pod)
        if owner is None:
            return by_node, by_zone
        for other in self._server.pods.owned(pod.namespace, *owner):
            name = other.spec.text("nodeName")
            node = self._server.get("Node", "", name) if name and not is_terminal(other) else None
            if node is not None:
                zone = node.labels.get(ZONE_LABEL, "")
                by_node[name] = by_node.get(name, 0) + 1
                by_zone[zone] = by_zone.get(zone, 0) + 1
        return by_node, by_zone

    def _fits(self, wishes: _Wishes, node: ApiObject) -> bool:
        spec = node.spec
        if spec.flag("unschedulable"):
            return False
        if self._server.pods.count_on_node(node.name) >= self._server.settings.max_pods_per_node:
            return False
        if not matches_labels(wishes.selector, node.labels):
            return False
        for taint in spec.items("taints"):
            if taint.text("effect") != "PreferNoSchedule" and not any(tolerates(t, taint) for t in wishes.tolerations):
                return False
        return not wishes.terms or any(_matches_term(term, node) for term in wishes.terms)


class _Wishes(NamedTuple):
    """What a pod asks of its node."""

    selector: Mapping[str, str]
    tolerations: tuple[Fields, ...]
    terms: tuple[Fields, ...]
    """Node selector terms, one of which must match."""


def _required_terms(affinity: Fields) -> tuple[Fields, ...]:
    required = affinity.fields("nodeAffinity").fields("requiredDuringSchedulingIgnoredDuringExecution")
    return required.items("nodeSelectorTerms")


def tolerates(toleration: Fields, taint: Fields) -> bool:
    """Whether a toleration covers a taint (k8s.io/api core/v1 toleration.go)."""
    effect = toleration.text("effect")
    if effect and effect != taint.text("effect"):
        return False
    key = toleration.text("key")
    if key and key != taint.text("key"):
        return False
    operator = toleration.text("operator", "Equal")
    return operator == "Exists" or (operator == "Equal" and toleration.text("value") == taint.text("value"))


def _matches_term(term: Fields, node: ApiObject) -> bool:
    expressions, fields = term.items("matchExpressions"), term.items("matchFields")
    if not expressions and not fields:
        return False
    return all(matches_requirement(entry, node.labels) for entry in expressions) and all(
        matches_requirement(entry, {"metadata.name": node.name}) for entry in fields
    )
