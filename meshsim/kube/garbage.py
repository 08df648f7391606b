"""The garbage collector: what belonged to a deleted owner or namespace goes too (background deletion)."""

from __future__ import annotations

from meshsim.api import ApiObject, ObjectKey
from meshsim.kernel import Environment
from meshsim.kube.lifecycle import PodDeletion
from meshsim.kube.server import ApiServer, Change, Verb
from meshsim.kube.workqueue import WorkQueue

CAUSE = "garbage-collector"
_OWNERS = ("Deployment", "ReplicaSet", "StatefulSet", "Namespace")


class GarbageCollector:
    """Deletes dependents of deleted workloads and the content of deleted namespaces."""

    def __init__(self, env: Environment, server: ApiServer, deletion: PodDeletion) -> None:
        self._server = server
        self._deletion = deletion
        self._queue: WorkQueue[ObjectKey] = WorkQueue(env, self.sync, server.settings.controller_latency)
        server.watch(self._on_change, _OWNERS)

    def _on_change(self, change: Change) -> None:
        if change.verb is Verb.DELETE:
            self._queue.add(change.object.key)

    def sync(self, key: ObjectKey) -> None:
        """Delete what depended on a deleted object, unless it is back."""
        if self._server.objects.get(key) is not None:
            return
        if key.kind == "Namespace":
            for item in [item for item in self._server.objects if item.namespace == key.name]:
                self._delete(item)
            return
        for item in self._server.replica_sets.owned(key.namespace, key.kind, key.name):
            self._server.remove(item.key, CAUSE)
        for pod in self._server.pods.owned(key.namespace, key.kind, key.name):
            self._deletion.delete(pod, CAUSE)

    def _delete(self, item: ApiObject) -> None:
        if item.kind == "Pod":
            self._deletion.delete(item, CAUSE)
        else:
            self._server.remove(item.key, CAUSE)
