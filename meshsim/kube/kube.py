"""A kube: API server, controllers, scheduler, nodes and kubelets on one clock, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from meshsim.api import ApiObject, ObjectKey, make_object
from meshsim.api.selectors import matches_labels
from meshsim.errors import InputError
from meshsim.kernel import Environment
from meshsim.kube.autoscalers import Autoscalers, Rescale
from meshsim.kube.deployments import DeploymentController
from meshsim.kube.documents import controller_of, is_terminating, rfc3339, with_spec
from meshsim.kube.endpointslices import EndpointSliceController
from meshsim.kube.garbage import GarbageCollector
from meshsim.kube.kubelet import Kubelets
from meshsim.kube.lifecycle import PodDeletion
from meshsim.kube.nodes import NodeController, default_nodes
from meshsim.kube.pod_metrics import PodMetrics, PodReadings
from meshsim.kube.pods import is_ready, is_terminal
from meshsim.kube.replicasets import ReplicaSetController
from meshsim.kube.scheduler import Scheduler
from meshsim.kube.server import ApiServer, PodAdmission
from meshsim.kube.settings import KubeSettings
from meshsim.kube.statefulsets import StatefulSetController
from meshsim.network import Addresses, AddressRanges, Network
from meshsim.trace import Taps, TimelineMark
from meshsim.units import Nanos

Undo: TypeAlias = Callable[[], None]
"""Takes an action back, as an operator would: by another change, from its own instant on."""

_NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
_ORDER: Final = ("Namespace", "Node", "ServiceAccount", "Service")
_RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"


class WorkloadRef(NamedTuple):
    """A Deployment, StatefulSet or ReplicaSet."""

    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> ObjectKey:
        return ObjectKey("apps", self.kind, self.namespace, self.name)


class Rollout(NamedTuple):
    """How far a workload is."""

    wanted: int
    updated: int
    ready: int
    total: int

    @property
    def complete(self) -> bool:
        """Whether every wanted pod is new and ready and no old one is left."""
        return self.wanted == self.updated == self.ready == self.total


class Kube:
    """One simulated Kubernetes cluster.

    Use: `load` objects, `settle` once (time zero: everything runs and is ready), then let the environment run and call
    the actions at their instants.
    """

    def __init__(
        self,
        env: Environment,
        *,
        settings: KubeSettings | None = None,
        seed: int = 0,
        taps: Taps | None = None,
        network: Network | None = None,
        ranges: AddressRanges | None = None,
        admission: PodAdmission | None = None,
    ) -> None:
        self.env = env
        self.settings = settings if settings is not None else KubeSettings()
        self.taps = taps if taps is not None else Taps()
        self.network = network if network is not None else Network()
        self.addresses = Addresses(ranges)
        self.server = ApiServer(env, self.settings, self.addresses, seed, admission)
        deletion = self._deletion = PodDeletion(self.server, self.taps)
        self.kubelets = Kubelets(env, self.server, self.addresses, deletion, self.taps)
        self._nodes = NodeController(env, self.server, self.addresses, self.network, self.kubelets, deletion, self.taps)
        self._scheduler = Scheduler(env, self.server, self.taps)
        self._deployments = DeploymentController(env, self.server)
        self._replica_sets = ReplicaSetController(env, self.server, deletion)
        self._stateful_sets = StatefulSetController(env, self.server, deletion)
        self._slices = EndpointSliceController(env, self.server)
        self._garbage = GarbageCollector(env, self.server, deletion)
        self.autoscalers: Autoscalers | None = None
        """There are none before somebody can tell what pods do."""
        for name in _NAMESPACES:
            self._ensure_namespace(name)

    # --- before time zero ---

    def load(self, objects: Iterable[ApiObject]) -> None:
        """Store the objects a cluster starts with; namespaces that nobody declares are made."""
        ordered = sorted(objects, key=lambda o: _ORDER.index(o.kind) if o.kind in _ORDER else len(_ORDER))
        services = [o for o in ordered if o.kind == "Service" and not o.group]
        # addresses that objects ask for are taken before any is drawn
        services.sort(key=lambda o: not o.spec.text("clusterIP"))
        for item in [*(o for o in ordered if o.kind == "Namespace"), *services]:
            self._load_one(item)
        for item in ordered:
            if item.kind != "Namespace" and not (item.kind == "Service" and not item.group):
                self._load_one(item)

    def _load_one(self, item: ApiObject) -> None:
        if item.namespace:
            self._ensure_namespace(item.namespace)
        if self.server.objects.get(item.key) is None and item.kind == "Pod" and item.spec.text("nodeName"):
            self._ensure_node(item.spec.text("nodeName"))
        self.server.apply(item, "load")

    def settle(self) -> None:
        """Bring every workload to its steady state as of long ago, then open the watches: time zero."""
        self._settle_nodes()
        for item in self.server.objects.select("Deployment", "apps"):
            wanted = item.spec.integer("replicas", 1)
            new = self._deployments.ensure_new(item, wanted)
            if new.spec.integer("replicas", 1) != wanted:
                self.server.update(with_spec(new, {"replicas": wanted}), "settle")
        for item in self.server.objects.select("ReplicaSet", "apps"):
            for _ in range(item.spec.integer("replicas", 1) - len(self._replica_sets.active(item.key))):
                self._replica_sets.create_now(item)
        for item in self.server.objects.select("StatefulSet", "apps"):
            present = {pod.name for pod in self.server.pods.owned(item.namespace, "StatefulSet", item.name)}
            for ordinal in self._stateful_sets.ordinals(item):
                if f"{item.name}-{ordinal}" not in present:
                    self._stateful_sets.create_now(item, ordinal)
        self._settle_pods()
        self._slices.prime()
        self.server.open_watches()
        for kind in ("Deployment", "ReplicaSet", "StatefulSet"):
            for item in self.server.objects.select(kind, "apps"):
                self._report(item)

    def _settle_nodes(self) -> None:
        if not self.server.objects.select("Node"):
            pods = sum(
                item.spec.integer("replicas", 1)
                for kind in ("Deployment", "StatefulSet", "ReplicaSet")
                for item in self.server.objects.select(kind, "apps")
                if controller_of(item) is None
            ) + len(self.server.objects.select("Pod"))
            # room for half as many again, so that rolling updates and one lost node leave space
            needed = -(-pods * 3 // (2 * self.settings.max_pods_per_node))
            for node in default_nodes(max(self.settings.default_nodes, needed), self.settings.epoch):
                self.server.create(node, "settle")
        for node in self.server.objects.select("Node"):
            self._nodes.settle(node)

    def _settle_pods(self) -> None:
        for pod in self.server.objects.select("Pod"):
            if is_terminal(pod):
                continue
            node = pod.spec.text("nodeName") or self._scheduler.choose(pod)
            if node is None:
                continue
            bound = pod if pod.spec.text("nodeName") else self.server.update(with_spec(pod, {"nodeName": node}))
            self.kubelets.begin_settled(bound)

    def _report(self, item: ApiObject) -> None:
        match item.kind:
            case "Deployment":
                self._deployments.sync(item.key)
            case "ReplicaSet":
                self._replica_sets.sync(item.key)
            case _:
                self._stateful_sets.sync(item.key)

    def _ensure_namespace(self, name: str) -> None:
        if self.server.get("Namespace", "", name) is None:
            self.server.create(make_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))

    def _ensure_node(self, name: str) -> None:
        if self.server.get("Node", "", name) is None:
            self.server.create(make_object({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}))

    def autoscale(self, readings: PodReadings) -> None:
        """From now on autoscalers act by what pods do."""
        metrics = PodMetrics(self.env, self.settings.epoch, readings, self.server.seed)
        self.autoscalers = Autoscalers(self.env, self.server, metrics, self._on_rescale)

    def _on_rescale(self, rescale: Rescale) -> None:
        target = rescale.target
        detail = (
            f"{target.kind} {target.namespace}/{target.name} from {rescale.before} to {rescale.after} replicas: "
            f"{rescale.reason}"
        )
        name = f"hpa/{rescale.autoscaler.name}"
        self.taps.timeline(TimelineMark(self.env.instant, name, "autoscale", True, detail))

    # --- actions ---

    def apply(self, item: ApiObject, cause: str = "") -> Undo:
        """Create or replace an object."""
        if item.namespace:
            self._ensure_namespace(item.namespace)
        before = self.server.objects.get(item.key)
        self.server.apply(item, cause)
        if before is None:
            return _undo(lambda: self.delete(item.key, cause))
        return _undo(lambda: self.server.apply(before, cause))

    def delete(self, key: ObjectKey, cause: str = "", grace: Nanos | None = None) -> Undo:
        """Delete an object; a pod gracefully. Raises `InputError` when there is none."""
        item = self._need(key)
        if key.kind == "Pod":
            self._deletion.delete(item, cause, grace)
        else:
            self.server.remove(key, cause)
        return _undo(lambda: self.server.apply(item, cause))

    def scale(self, ref: WorkloadRef, replicas: int, cause: str = "") -> Undo:
        """Set a workload's number of replicas."""
        item = self._need(ref.key)
        before = item.spec.integer("replicas", 1)
        self.server.update(with_spec(item, {"replicas": replicas}), cause)
        return _undo(lambda: self.scale(ref, before, cause))

    def restart(self, ref: WorkloadRef, cause: str = "") -> None:
        """Replace all pods of a workload by its rollout strategy (``kubectl rollout restart``)."""
        item = self._need(ref.key)
        template = item.spec.fields("template")
        metadata = template.fields("metadata")
        annotations = {**metadata.text_map("annotations"), _RESTARTED_AT: rfc3339(self.server.wall)}
        changed = {**template.body, "metadata": {**metadata.body, "annotations": annotations}}
        self.server.update(with_spec(item, {"template": changed}), cause)

    def pods(self, namespace: str = "", labels: Mapping[str, str] | None = None, name: str = "") -> list[ApiObject]:
        """Pods that exist and match, in the order of their names."""
        return [
            pod
            for pod in self.server.objects.select("Pod", "", namespace or None)
            if (not name or pod.name == name) and matches_labels(labels or {}, pod.labels)
        ]

    def pods_of(self, ref: WorkloadRef) -> list[ApiObject]:
        """Pods of a workload, those of a Deployment through its ReplicaSets."""
        if ref.kind != "Deployment":
            return self.server.pods.owned(ref.namespace, ref.kind, ref.name)
        sets = self._deployments.replica_sets(self._need(ref.key))
        return [pod for item in sets for pod in self.server.pods.owned(item.namespace, "ReplicaSet", item.name)]

    def crash(self, pods: Iterable[ApiObject], container: str = "") -> None:
        """The processes of these pods die where they are; their kubelets restart them."""
        for pod in pods:
            self.kubelets.crash(pod.key, container)

    def hang(self, pods: Iterable[ApiObject], container: str = "") -> Undo:
        """The applications of these pods stop answering; probes find out."""
        keys = [pod.key for pod in pods]
        for key in keys:
            self.kubelets.hang(key, container)

        def resume() -> None:
            for key in keys:
                self.kubelets.hang(key, container, False)

        return resume

    def kill(self, pods: Iterable[ApiObject], cause: str = "") -> None:
        """Delete pods without grace (``kubectl delete pod --force --grace-period=0``); controllers replace them."""
        for pod in pods:
            self._deletion.delete(pod, cause, 0)

    def evict(self, pods: Iterable[ApiObject], cause: str = "") -> None:
        """Delete pods gracefully; controllers replace them."""
        for pod in pods:
            if not is_terminating(pod):
                self._deletion.delete(pod, cause)

    def kill_workload(self, ref: WorkloadRef, cause: str = "") -> Undo:
        """All pods of a workload die at once and none comes back until this is undone."""
        undo = self.scale(ref, 0, cause)
        self.kill(self.pods_of(ref), cause)
        return undo

    def lose_node(self, name: str) -> Undo:
        """A node dies with its pods; undone, it boots again."""
        self._need(ObjectKey("", "Node", "", name))
        self._nodes.lose(name)
        return lambda: self._nodes.recover(name)

    def cordon(self, name: str) -> Undo:
        """No new pods on a node."""
        self._need(ObjectKey("", "Node", "", name))
        self._nodes.cordon(name)
        return lambda: self._nodes.cordon(name, False)

    def drain(self, name: str, cause: str = "") -> Undo:
        """Cordon a node and evict its pods."""
        undo = self.cordon(name)
        self.evict(self.server.pods.on_node(name), cause)
        return undo

    def rollout(self, ref: WorkloadRef) -> Rollout:
        """How far a workload is."""
        item = self._need(ref.key)
        pods = [pod for pod in self.pods_of(ref) if not is_terminal(pod)]
        if ref.kind == "Deployment":
            name = self._deployments.current_name(item)
            updated = [p for p in pods if (owner := controller_of(p)) is not None and owner.name == name]
        elif ref.kind == "StatefulSet":
            revision = self._stateful_sets.revision(item)
            updated = [p for p in pods if p.labels.get("controller-revision-hash") == revision]
        else:
            updated = pods
        wanted = item.spec.integer("replicas", 1)
        return Rollout(wanted, len(updated), sum(is_ready(p) and not is_terminating(p) for p in pods), len(pods))

    def _need(self, key: ObjectKey) -> ApiObject:
        item = self.server.objects.get(key)
        if item is None:
            raise InputError(f"there is no {key}", None, "check kind, namespace and name", str(key))
        return item


def _undo(action: Callable[[], object]) -> Undo:
    def undo() -> None:
        action()

    return undo
