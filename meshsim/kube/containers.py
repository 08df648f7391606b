"""State of one pod on its node: its containers, what they really do and what the kubelet knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import simpy

from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.kube.documents import Body, mapping, rfc3339, uid_of
from meshsim.kube.pods import PROXY_CONTAINER, condition, is_native_sidecar
from meshsim.kube.probes import ProbeKind, Prober
from meshsim.kube.settings import Stages
from meshsim.units import SECOND, Nanos


class ContainerState(Enum):
    """State of a container's process."""

    WAITING = "waiting"
    RUNNING = "running"
    TERMINATED = "terminated"


@dataclass(slots=True, eq=False)
class ContainerRun:
    """One container of a pod."""

    spec: Fields
    init: bool
    """Whether it stands among the init containers."""
    ready_event: simpy.Event
    """Fires once its process answers for the first time (what a postStart hook of istio-proxy waits for)."""
    passed_event: simpy.Event
    """Fires once its startup probe has passed (what the kubelet waits for before the next container)."""
    state: ContainerState = ContainerState.WAITING
    started_at: Nanos = 0
    restarts: int = 0
    backoff: Nanos = 0
    """Wait before the next restart."""
    answering: bool = False
    """Whether its process answers requests and probes."""
    hung: bool = False
    """Whether the process runs but neither answers nor obeys SIGTERM."""
    passed: bool = False
    """Whether its startup probe has passed, as the kubelet knows."""
    ready: bool = False
    """As the kubelet knows."""
    probers: dict[ProbeKind, Prober] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.spec.text("name")

    @property
    def is_proxy(self) -> bool:
        return self.name == PROXY_CONTAINER

    @property
    def is_sidecar(self) -> bool:
        """A native sidecar: an init container that keeps running."""
        return self.init and is_native_sidecar(self.spec)

    @property
    def stays(self) -> bool:
        """Whether it runs as long as the pod does."""
        return not self.init or self.is_sidecar

    @property
    def is_up(self) -> bool:
        """Whether its process runs and answers."""
        return self.state is ContainerState.RUNNING and self.answering and not self.hung


@dataclass(slots=True, eq=False)
class PodRun:
    """A pod on its node, from binding to its end."""

    key: ObjectKey
    uid: str
    node: str
    stages: Stages
    containers: list[ContainerRun]
    """Init containers first, as in the pod."""
    grace: Nanos
    """Its termination grace period."""
    address: str = ""
    initialized: bool = False
    """Whether all init containers are done and all containers were started."""
    serving: bool = False
    """Whether every application container answers."""
    stopping: bool = False
    ended: bool = False

    def find(self, name: str) -> ContainerRun | None:
        """The container of this name."""
        return next((c for c in self.containers if c.name == name), None)

    @property
    def apps(self) -> list[ContainerRun]:
        """Containers that stay, without istio-proxy."""
        return [c for c in self.containers if c.stays and not c.is_proxy]

    @property
    def is_ready(self) -> bool:
        """Whether the kubelet would call the pod ready."""
        return self.initialized and all(c.ready for c in self.containers if c.stays)

    def status(self, pod: ApiObject, host_address: str, wall: Nanos) -> Body:
        """The pod's status as the kubelet writes it."""
        now = rfc3339(wall)
        running = any(c.state is ContainerState.RUNNING for c in self.containers)
        status: Body = {
            "phase": "Running" if self.initialized else "Pending",
            "conditions": [
                _condition(pod, "PodScheduled", True, now),
                _condition(pod, "Initialized", self.initialized, now),
                _condition(pod, "ContainersReady", self.is_ready, now),
                _condition(pod, "Ready", self.is_ready, now),
            ],
            "hostIP": host_address,
            "startTime": pod.status.text("startTime", now),
            "initContainerStatuses": [_container_status(c, self.uid) for c in self.containers if c.init],
            "containerStatuses": [_container_status(c, self.uid) for c in self.containers if not c.init],
        }
        if self.address:
            status["podIP"] = self.address
            status["podIPs"] = [{"ip": self.address}]
        if self.stopping and not running:
            status["phase"] = "Succeeded"
        return status


def _condition(pod: ApiObject, kind: str, value: bool, now: str) -> Body:
    text = "True" if value else "False"
    before = condition(pod, kind)
    since = before.text("lastTransitionTime", now) if before.text("status") == text else now
    return {"type": kind, "status": text, "lastTransitionTime": since}


def _container_status(run: ContainerRun, pod_uid: str) -> Body:
    return {
        "name": run.name,
        "image": run.spec.text("image"),
        "ready": run.ready or (run.init and not run.is_sidecar and run.state is ContainerState.TERMINATED),
        "started": run.passed,
        "restartCount": run.restarts,
        "containerID": f"containerd://{pod_uid}/{run.name}/{run.restarts}" if run.started_at or run.passed else "",
        "state": {run.state.value: {}},
    }


def make_run(env: simpy.Environment, pod: ApiObject, stages: Stages) -> PodRun:
    """A pod as its kubelet first sees it."""
    containers = [
        ContainerRun(Fields(mapping(spec.body)), init, env.event(), env.event())
        for kind, init in (("initContainers", True), ("containers", False))
        for spec in pod.spec.items(kind)
    ]
    grace = pod.spec.integer("terminationGracePeriodSeconds", 30) * SECOND
    return PodRun(pod.key, uid_of(pod), pod.spec.text("nodeName"), stages, containers, grace)
