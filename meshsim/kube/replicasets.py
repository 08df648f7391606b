"""The ReplicaSet controller: as many active pods as asked for (k8s.io/kubernetes pkg/controller/replicaset)."""

from __future__ import annotations

from meshsim.api import ApiObject, ObjectKey
from meshsim.errors import MeshsimError
from meshsim.kernel import Environment
from meshsim.kube.documents import Body, controller_of, is_terminating
from meshsim.kube.lifecycle import PodDeletion
from meshsim.kube.names import suffix
from meshsim.kube.pods import condition, is_active, is_available, is_ready, pod_from_template
from meshsim.kube.server import ApiServer, Change, identity
from meshsim.kube.workqueue import TokenBucket, WorkQueue
from meshsim.units import MILLISECOND, SECOND

CAUSE = "replicaset-controller"
_FIRST_RETRY = 5 * MILLISECOND
_LAST_RETRY = 1000 * SECOND


class ReplicaSetController:
    """Creates and deletes the pods of ReplicaSets."""

    def __init__(self, env: Environment, server: ApiServer, deletion: PodDeletion) -> None:
        self._env = env
        self._server = server
        self._deletion = deletion
        settings = server.settings
        self._bucket = TokenBucket(env, settings.controller_qps, settings.controller_burst)
        self._queue: WorkQueue[ObjectKey] = WorkQueue(env, self.sync, settings.controller_latency)
        self._pending: dict[ObjectKey, int] = {}
        self._created: dict[ObjectKey, int] = {}
        self._failures: dict[ObjectKey, int] = {}
        server.watch(self._on_change, ("ReplicaSet", "Pod"))

    def _on_change(self, change: Change) -> None:
        if change.object.kind == "ReplicaSet":
            self._queue.add(change.object.key)
            return
        owner = controller_of(change.object)
        if owner is not None and owner.kind == "ReplicaSet":
            self._queue.add(ObjectKey("apps", "ReplicaSet", change.object.namespace, owner.name))

    def sync(self, key: ObjectKey) -> None:
        """Bring one ReplicaSet's pods to their number."""
        replica_set = self._server.objects.get(key)
        if replica_set is None or is_terminating(replica_set):
            return
        active = self.active(key)
        wanted = replica_set.spec.integer("replicas", 1)
        missing = wanted - len(active) - self._pending.get(key, 0)
        if missing > 0:
            self._create(key, missing)
        elif len(active) > wanted:
            for pod in self._victims(active)[: len(active) - wanted]:
                self._deletion.delete(pod, CAUSE)
        self._report(replica_set)

    def active(self, key: ObjectKey) -> list[ApiObject]:
        """Pods that count for a ReplicaSet."""
        return [p for p in self._server.pods.owned(key.namespace, "ReplicaSet", key.name) if is_active(p)]

    def create_now(self, replica_set: ApiObject) -> ApiObject:
        """One more pod, at once; raises what its admission raises."""
        number = self._created[replica_set.key] = self._created.get(replica_set.key, 0) + 1
        prefix = f"{replica_set.name}-"
        name = prefix + suffix(self._server.seed, identity(replica_set), number)
        template = replica_set.spec.fields("template")
        return self._server.create(pod_from_template(replica_set, template, name, prefix), CAUSE)

    def _create(self, key: ObjectKey, number: int) -> None:
        self._pending[key] = self._pending.get(key, 0) + number
        for _ in range(number):
            self._env.call_at(self._env.instant + self._bucket.reserve(), lambda: self._create_pending(key))

    def _create_pending(self, key: ObjectKey) -> None:
        self._pending[key] -= 1
        replica_set = self._server.objects.get(key)
        if replica_set is None or len(self.active(key)) >= replica_set.spec.integer("replicas", 1):
            return
        try:
            self.create_now(replica_set)
        except MeshsimError as refusal:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            self._server.refused(replica_set, refusal)
            self._queue.add(key, min(_FIRST_RETRY << min(failures - 1, 20), _LAST_RETRY))
        else:
            self._failures.pop(key, None)
            self._server.accepted(replica_set)

    def _victims(self, pods: list[ApiObject]) -> list[ApiObject]:
        """Pods in the order they are given up (pkg/controller/controller_utils.go ActivePodsWithRanks)."""
        per_node: dict[str, int] = {}
        for pod in pods:
            node = pod.spec.text("nodeName")
            per_node[node] = per_node.get(node, 0) + 1

        def rank(pod: ApiObject) -> tuple[bool, int, bool, int, int, str, str, str]:
            node = pod.spec.text("nodeName")
            cost = pod.annotations.get("controller.kubernetes.io/pod-deletion-cost", "0")
            phase = {"Pending": 0, "Unknown": 1}.get(pod.status.text("phase", "Pending"), 2)
            return (
                bool(node),
                phase,
                is_ready(pod),
                int(cost) if cost.lstrip("-").isdigit() else 0,
                -per_node[node],
                _descending(condition(pod, "Ready").text("lastTransitionTime")),
                _descending(pod.metadata.text("creationTimestamp")),
                pod.name,
            )

        return sorted(pods, key=rank)

    def _report(self, replica_set: ApiObject) -> None:
        pods = self.active(replica_set.key)
        settle = replica_set.spec.integer("minReadySeconds")
        ready = sum(is_ready(pod) for pod in pods)
        available = sum(is_available(pod, settle, self._server.wall) for pod in pods)
        if available < ready:
            self._queue.add(replica_set.key, settle * SECOND)
        status: Body = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": available,
            "observedGeneration": replica_set.metadata.integer("generation"),
        }
        self._server.update_status(replica_set, status, CAUSE)


def _descending(text: str) -> str:
    """A key that sorts texts of digits the other way round: the newest time first."""
    return "".join(chr(0x10FFFF - ord(letter)) for letter in text)
