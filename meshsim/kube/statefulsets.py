"""The StatefulSet controller: pods with ordinals, made and replaced one at a time.

Rules: k8s.io/kubernetes pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

from meshsim.api import ApiObject, ObjectKey
from meshsim.errors import MeshsimError
from meshsim.kernel import Environment
from meshsim.kube.documents import Body, controller_of, is_terminating, mapping, with_spec
from meshsim.kube.lifecycle import PodDeletion
from meshsim.kube.names import template_hash
from meshsim.kube.pods import is_ready, is_terminal, pod_from_template
from meshsim.kube.server import ApiServer, Change
from meshsim.kube.workqueue import TokenBucket, WorkQueue
from meshsim.units import MILLISECOND, SECOND

CAUSE = "statefulset-controller"
REVISION_LABEL = "controller-revision-hash"
_FIRST_RETRY = 5 * MILLISECOND
_LAST_RETRY = 1000 * SECOND


class StatefulSetController:
    """Creates, replaces and deletes the pods of StatefulSets in ordinal order."""

    def __init__(self, env: Environment, server: ApiServer, deletion: PodDeletion) -> None:
        self._server = server
        self._deletion = deletion
        settings = server.settings
        self._bucket = TokenBucket(env, settings.controller_qps, settings.controller_burst)
        self._queue: WorkQueue[ObjectKey] = WorkQueue(env, self.sync, settings.controller_latency)
        self._failures: dict[ObjectKey, int] = {}
        server.watch(self._on_change, ("StatefulSet", "Pod"))

    def _on_change(self, change: Change) -> None:
        item = change.object
        if item.kind == "StatefulSet":
            self._queue.add(item.key)
            return
        owner = controller_of(item)
        if owner is not None and owner.kind == "StatefulSet":
            self._queue.add(ObjectKey("apps", "StatefulSet", item.namespace, owner.name))

    def sync(self, key: ObjectKey) -> None:
        """Take the next steps of a StatefulSet."""
        workload = self._server.objects.get(key)
        if workload is None or is_terminating(workload):
            return
        pods = {ordinal_of(pod): pod for pod in self._server.pods.owned(key.namespace, "StatefulSet", key.name)}
        in_order = workload.spec.text("podManagementPolicy", "OrderedReady") == "OrderedReady"
        if self._create_missing(workload, pods, in_order) and self._scale_down(workload, pods, in_order):
            self._replace_old(workload, pods)
        self._report(workload)

    def ordinals(self, workload: ApiObject) -> range:
        """Ordinals a StatefulSet asks for."""
        start = workload.spec.fields("ordinals").integer("start")
        return range(start, start + workload.spec.integer("replicas", 1))

    def revision(self, workload: ApiObject) -> str:
        """Value of the revision label of the current template."""
        return f"{workload.name}-{template_hash(mapping(workload.spec.value('template')))}"

    def create_now(self, workload: ApiObject, ordinal: int) -> ApiObject:
        """The pod of an ordinal, at once; raises what its admission raises."""
        name = f"{workload.name}-{ordinal}"
        labels = {
            "apps.kubernetes.io/pod-index": str(ordinal),
            "statefulset.kubernetes.io/pod-name": name,
            REVISION_LABEL: self.revision(workload),
        }
        pod = pod_from_template(workload, workload.spec.fields("template"), name, f"{workload.name}-", labels)
        pod = with_spec(pod, {"hostname": name, "subdomain": workload.spec.text("serviceName")})
        return self._server.create(pod, CAUSE)

    def _create_missing(self, workload: ApiObject, pods: dict[int, ApiObject], in_order: bool) -> bool:
        """Create what is missing; whether everything is there (and, in order, ready)."""
        complete = True
        for ordinal in self.ordinals(workload):
            pod = pods.get(ordinal)
            if pod is not None and is_terminal(pod):
                self._deletion.delete(pod, CAUSE)
                complete = False
            elif pod is None:
                complete = False
                if not self._try_create(workload, ordinal):
                    return False
            elif in_order and (is_terminating(pod) or not is_ready(pod)):
                return False
            if in_order and not complete:
                return False
        return complete

    def _try_create(self, workload: ApiObject, ordinal: int) -> bool:
        wait = self._bucket.reserve()
        if wait:
            self._queue.add(workload.key, wait)
            return False
        try:
            self.create_now(workload, ordinal)
        except MeshsimError as refusal:
            failures = self._failures[workload.key] = self._failures.get(workload.key, 0) + 1
            self._server.refused(workload, refusal)
            self._queue.add(workload.key, min(_FIRST_RETRY << min(failures - 1, 20), _LAST_RETRY))
            return False
        self._failures.pop(workload.key, None)
        self._server.accepted(workload)
        return True

    def _scale_down(self, workload: ApiObject, pods: dict[int, ApiObject], in_order: bool) -> bool:
        """Delete ordinals beyond the wanted ones, the highest first; whether none is left."""
        wanted = self.ordinals(workload)
        for ordinal in sorted((n for n in pods if n not in wanted), reverse=True):
            pod = pods[ordinal]
            if not is_terminating(pod):
                self._deletion.delete(pod, CAUSE)
            if in_order:
                return False
        return all(ordinal in wanted for ordinal in pods)

    def _replace_old(self, workload: ApiObject, pods: dict[int, ApiObject]) -> None:
        """Rolling update: the highest ordinal with an old template goes, when all above it are ready."""
        strategy = workload.spec.fields("updateStrategy")
        if strategy.text("type", "RollingUpdate") != "RollingUpdate":
            return
        partition = strategy.fields("rollingUpdate").integer("partition")
        revision = self.revision(workload)
        for ordinal in reversed(self.ordinals(workload)):
            if ordinal < partition:
                return
            pod = pods[ordinal]
            if is_terminating(pod):
                return
            if pod.labels.get(REVISION_LABEL) != revision:
                self._deletion.delete(pod, CAUSE)
                return
            if not is_ready(pod):
                return

    def _report(self, workload: ApiObject) -> None:
        current = self._server.objects.get(workload.key)
        if current is None:
            return
        pods = self._server.pods.owned(workload.namespace, "StatefulSet", workload.name)
        ready = sum(is_ready(pod) for pod in pods)
        revision = self.revision(workload)
        status: Body = {
            "observedGeneration": current.metadata.integer("generation"),
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": sum(pod.labels.get(REVISION_LABEL) == revision for pod in pods),
            "updateRevision": revision,
        }
        self._server.update_status(current, status, CAUSE)


def ordinal_of(pod: ApiObject) -> int:
    """Ordinal of a StatefulSet's pod, from its name."""
    return int(pod.name.rpartition("-")[2])
