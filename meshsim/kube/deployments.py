"""The Deployment controller: a ReplicaSet for each template, and the roll from old to new ones.

Rules: k8s.io/kubernetes pkg/controller/deployment (rolling.go, recreate.go, sync.go).

DEVIATION: a change of `replicas` in the middle of a roll goes to the new ReplicaSet first; the real controller gives
each ReplicaSet its proportion. Progress deadlines and the history limit are not enforced.
"""

from __future__ import annotations

import math

from meshsim.api import ApiObject, Fields, ObjectKey, make_object
from meshsim.kernel import Environment
from meshsim.kube.documents import Body, controller_of, is_terminating, mapping, owner_reference, with_spec
from meshsim.kube.names import template_hash
from meshsim.kube.pods import is_active, is_available, is_ready
from meshsim.kube.server import ApiServer, Change
from meshsim.kube.workqueue import WorkQueue

CAUSE = "deployment-controller"
HASH_LABEL = "pod-template-hash"


class DeploymentController:
    """Creates and scales the ReplicaSets of Deployments."""

    def __init__(self, env: Environment, server: ApiServer) -> None:
        self._server = server
        self._queue: WorkQueue[ObjectKey] = WorkQueue(env, self.sync, server.settings.controller_latency)
        server.watch(self._on_change, ("Deployment", "ReplicaSet", "Pod"))

    def _on_change(self, change: Change) -> None:
        item = change.object
        if item.kind == "Deployment":
            self._queue.add(item.key)
            return
        owner = controller_of(item)
        if item.kind == "Pod" and owner is not None:
            # only the last old pod of a Recreate roll is waited for; ReplicaSet status brings everything else
            replica_set = self._server.get("ReplicaSet", item.namespace, owner.name, "apps")
            owner = controller_of(replica_set) if replica_set is not None else None
        if owner is not None and owner.kind == "Deployment":
            self._queue.add(ObjectKey("apps", "Deployment", item.namespace, owner.name))

    def sync(self, key: ObjectKey) -> None:
        """Take the next step of a Deployment."""
        deployment = self._server.objects.get(key)
        if deployment is None or is_terminating(deployment) or deployment.spec.flag("paused"):
            return
        sets = self.replica_sets(deployment)
        digest = template_hash(mapping(deployment.spec.value("template")))
        new = next((item for item in sets if item.labels.get(HASH_LABEL) == digest), None)
        old = [item for item in sets if item is not new]
        if deployment.spec.fields("strategy").text("type", "RollingUpdate") == "Recreate":
            self._recreate(deployment, new, old)
        else:
            self._roll(deployment, new, old)
        self._report(deployment)

    def replica_sets(self, deployment: ApiObject) -> list[ApiObject]:
        """ReplicaSets of a Deployment, oldest first."""
        found = self._server.replica_sets.owned(deployment.namespace, "Deployment", deployment.name)
        found.sort(key=lambda item: (item.created, item.name))
        return found

    def current_name(self, deployment: ApiObject) -> str:
        """Name of the ReplicaSet of the current template."""
        return f"{deployment.name}-{template_hash(mapping(deployment.spec.value('template')))}"

    def ensure_new(self, deployment: ApiObject, replicas: int) -> ApiObject:
        """The ReplicaSet of the current template, made when it is missing."""
        template = deployment.spec.fields("template")
        digest = template_hash(template.body)
        name = self.current_name(deployment)
        existing = self._server.get("ReplicaSet", deployment.namespace, name, "apps")
        if existing is not None:
            return existing
        metadata = template.fields("metadata")
        labels = {**metadata.text_map("labels"), HASH_LABEL: digest}
        selector = deployment.spec.fields("selector")
        body: Body = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": deployment.namespace,
                "labels": labels,
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": replicas,
                "minReadySeconds": deployment.spec.integer("minReadySeconds"),
                "selector": {**selector.body, "matchLabels": {**selector.text_map("matchLabels"), HASH_LABEL: digest}},
                "template": {**template.body, "metadata": {**metadata.body, "labels": labels}},
            },
        }
        return self._server.create(make_object(body, deployment.origin, deployment.namespace), CAUSE)

    def _scale(self, replica_set: ApiObject, replicas: int) -> bool:
        if replica_set.spec.integer("replicas", 1) == replicas:
            return False
        self._server.update(with_spec(replica_set, {"replicas": replicas}), CAUSE)
        return True

    def _recreate(self, deployment: ApiObject, new: ApiObject | None, old: list[ApiObject]) -> None:
        scaled = [self._scale(item, 0) for item in old]
        if any(scaled):
            return
        if any(self._server.pods.owned(item.namespace, "ReplicaSet", item.name) for item in old):
            return
        wanted = deployment.spec.integer("replicas", 1)
        self._scale(new if new is not None else self.ensure_new(deployment, wanted), wanted)

    def _roll(self, deployment: ApiObject, new: ApiObject | None, old: list[ApiObject]) -> None:
        wanted = deployment.spec.integer("replicas", 1)
        surge, unavailable = rolling_limits(deployment.spec, wanted)
        olds = sum(_size(item) for item in old)
        if new is None:
            self.ensure_new(deployment, min(wanted, max(0, wanted + surge - olds)))
            return
        if not olds:
            self._scale(new, wanted)
            return
        size = _size(new)
        target = min(wanted, size + max(0, wanted + surge - size - olds))
        if self._scale(new, target):
            return
        self._shrink_old(new, old, wanted - unavailable)

    def _shrink_old(self, new: ApiObject, old: list[ApiObject], minimum: int) -> None:
        """Old ReplicaSets give way: what is not available first, then as much as `minimum` available pods allow."""
        total = _size(new) + sum(_size(item) for item in old)
        room = total - minimum - (_size(new) - self._available(new))
        sizes = {item.key: _size(item) for item in old}
        for item in old:
            sick = min(max(room, 0), sizes[item.key] - min(self._available(item), sizes[item.key]))
            sizes[item.key] -= sick
            room -= sick
        spare = self._available(new) + sum(min(self._available(item), sizes[item.key]) for item in old) - minimum
        spare = min(spare, room)
        for item in old:
            healthy = min(max(spare, 0), sizes[item.key])
            sizes[item.key] -= healthy
            spare -= healthy
        for item in old:
            self._scale(item, sizes[item.key])

    def _available(self, replica_set: ApiObject) -> int:
        pods = self._server.pods.owned(replica_set.namespace, "ReplicaSet", replica_set.name)
        settle = replica_set.spec.integer("minReadySeconds")
        return sum(is_active(pod) and is_available(pod, settle, self._server.wall) for pod in pods)

    def _report(self, deployment: ApiObject) -> None:
        current = self._server.objects.get(deployment.key)
        if current is None:
            return
        digest = template_hash(mapping(deployment.spec.value("template")))
        sets = self.replica_sets(deployment)
        pods = [p for item in sets for p in self._server.pods.owned(item.namespace, "ReplicaSet", item.name)]
        active = [pod for pod in pods if is_active(pod)]
        available = sum(self._available(item) for item in sets)
        status: Body = {
            "observedGeneration": current.metadata.integer("generation"),
            "replicas": len(active),
            "updatedReplicas": sum(pod.labels.get(HASH_LABEL) == digest for pod in active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": available,
            "unavailableReplicas": max(0, deployment.spec.integer("replicas", 1) - available),
        }
        self._server.update_status(current, status, CAUSE)


def _size(replica_set: ApiObject) -> int:
    return replica_set.spec.integer("replicas", 1)


def rolling_limits(spec: Fields, replicas: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers: percentages round up and down; both 0 means one may be unavailable."""
    rolling = spec.fields("strategy").fields("rollingUpdate")
    surge = _resolve(rolling.value("maxSurge"), replicas, round_up=True)
    unavailable = _resolve(rolling.value("maxUnavailable"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _resolve(value: object, replicas: int, *, round_up: bool) -> int:
    if value is None:
        value = "25%"
    if isinstance(value, str) and value.endswith("%"):
        share = float(value[:-1]) * replicas / 100
        return math.ceil(share) if round_up else math.floor(share)
    return int(value) if isinstance(value, int | str) else 0
