"""The kubelets: from a bound pod to running, ready and probed containers, and to their end.

Rules: k8s.io/kubernetes pkg/kubelet (kubelet.go SyncPod, pleg/generic.go, kuberuntime/kuberuntime_container.go,
kuberuntime/kuberuntime_termination_order.go).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

import simpy

from meshsim.api import ApiObject, ObjectKey
from meshsim.kernel import Environment, below, unit
from meshsim.kube.containers import ContainerRun, ContainerState, PodRun, make_run
from meshsim.kube.documents import is_terminating, uid_of
from meshsim.kube.lifecycle import PodDeletion, record_phase
from meshsim.kube.pods import container_images, is_ready, is_terminal
from meshsim.kube.probing import Probing
from meshsim.kube.server import ApiServer, Change, Verb
from meshsim.kube.termination import Stopper
from meshsim.network import Addresses
from meshsim.trace import Taps
from meshsim.units import Nanos

CAUSE = "kubelet"
Steps: TypeAlias = Generator[simpy.Event, object, None]


class Kubelets:
    """All kubelets of a kube."""

    def __init__(
        self, env: Environment, server: ApiServer, addresses: Addresses, deletion: PodDeletion, taps: Taps
    ) -> None:
        self._env = env
        self._server = server
        self._settings = server.settings
        self._addresses = addresses
        self._taps = taps
        self._runs: dict[ObjectKey, PodRun] = {}
        self._images: dict[str, dict[str, None]] = {}
        self._lost: dict[str, None] = {}
        self._stopper = Stopper(env, server, self)
        self._probing = Probing(env, server.seed, self.write_status, self._restart_unhealthy)
        deletion.on_forced(self.kill)
        server.watch(self._on_change, ("Pod",))

    # --- what the API server says ---

    def _on_change(self, change: Change) -> None:
        pod = change.object
        node = pod.spec.text("nodeName")
        if not node or change.verb is Verb.DELETE or node in self._lost:
            return
        current = self._server.objects.get(pod.key)
        if current is None or uid_of(current) != uid_of(pod):
            return
        run = self._runs.get(pod.key)
        if run is None:
            if is_terminating(current):
                self._finish(current)
            elif not is_terminal(current):
                self._begin(current)
        elif is_terminating(pod) and not run.stopping:
            self._stopper.stop(run, current)

    def _begin(self, pod: ApiObject) -> None:
        run = make_run(self._env, pod, self._settings.stages_of(pod.labels))
        self._runs[pod.key] = run
        self._env.process(self._start(run, pod.spec.flag("hostNetwork")))

    def run_of(self, key: ObjectKey) -> PodRun | None:
        """A pod as its node has it, ``None`` when no node has it."""
        return self._runs.get(key)

    def begin_settled(self, pod: ApiObject) -> ApiObject:
        """A pod that has been running since long before: every container up, every probe passed."""
        run = make_run(self._env, pod, self._settings.stages_of(pod.labels))
        self._runs[pod.key] = run
        recorded = pod.status.text("podIP")
        if recorded:
            self._addresses.reserve(recorded)
        run.address = recorded or self._allocate(run, pod.spec.flag("hostNetwork"))
        run.initialized = True
        images = self._images.setdefault(run.node, {})
        for image in container_images(pod):
            images[image] = None
        for container in run.containers:
            if container.stays:
                container.state = ContainerState.RUNNING
                container.answering = container.passed = container.ready = True
                container.ready_event.succeed()
                container.passed_event.succeed()
            else:
                container.state = ContainerState.TERMINATED
            self._probing.make(run, container)
            self._probing.resume(run, container)
        run.serving = True
        pod = self._write_status(run, pod)
        for phase in ("scheduled", "proxy_started", "started", "ready"):
            if phase != "proxy_started" or any(c.is_proxy for c in run.containers):
                record_phase(self._server, self._taps, pod, phase)
        return pod

    # --- start-up ---

    def _start(self, run: PodRun, host_network: bool) -> Steps:
        yield self._env.timeout(self.span(run, run.stages.sandbox, "sandbox"))
        if run.ended or run.stopping:
            return
        run.address = self._allocate(run, host_network)
        yield self.observed(run.node)
        if run.ended or run.stopping:
            return
        self.write_status(run)
        for container in run.containers:
            yield from self._start_container(run, container)
            if run.ended or run.stopping:
                return
            if container.init:
                yield from self._wait_for_init(run, container)
                if run.ended or run.stopping:
                    return
        run.initialized = True
        yield self.observed(run.node)
        if run.ended or run.stopping:
            return
        for container in run.containers:
            if not container.init:
                self._probing.observe_running(run, container)
        self.write_status(run)

    def _start_container(self, run: PodRun, container: ContainerRun) -> Steps:
        images = self._images.setdefault(run.node, {})
        image = container.spec.text("image")
        if image not in images:
            yield self._env.timeout(self.span(run, run.stages.image_pull, f"pull {container.name}"))
            images[image] = None
        yield self._env.timeout(self.span(run, run.stages.container_start, f"start {container.name}"))
        if run.ended or run.stopping:
            return
        self._launch(run, container)
        if container.is_proxy and not container.init and _waits_for_proxy(container):
            yield container.ready_event

    def _wait_for_init(self, run: PodRun, container: ContainerRun) -> Steps:
        if not container.is_sidecar:
            yield self._env.timeout(self.span(run, run.stages.init_run, f"init {container.name}"))
            container.state = ContainerState.TERMINATED
            yield self.observed(run.node)
            return
        yield self.observed(run.node)
        if run.ended or run.stopping:
            return
        self._probing.observe_running(run, container)
        yield container.passed_event

    def _launch(self, run: PodRun, container: ContainerRun) -> None:
        """The process is up; when it answers is its own matter."""
        container.state = ContainerState.RUNNING
        container.started_at = self._env.instant
        container.answering = container.hung = container.passed = container.ready = False
        if container.init and not container.is_sidecar:
            return
        self._probing.make(run, container)
        if container.is_proxy:
            self.record(run, "proxy_started")
            if self._settings.proxy_readiness_reported:
                return
            span = self.span(run, run.stages.sidecar_start, f"ready {container.restarts}")
        else:
            span = self.span(run, run.stages.app_start, f"{container.name} {container.restarts}")
        restarts = container.restarts
        self._env.call_at(self._env.instant + span, lambda: self._answers(run, container, restarts))

    def _answers(self, run: PodRun, container: ContainerRun, restarts: int) -> None:
        same = container.restarts == restarts and container.state is ContainerState.RUNNING
        if same and not run.ended:
            self._set_answering(run, container, True)

    def set_answering(self, key: ObjectKey, container: str, answering: bool) -> None:
        """Say that a container's process does or does not answer on its ports (istio-proxy: on 15021)."""
        run = self._runs.get(key)
        found = run.find(container) if run is not None else None
        if run is not None and found is not None and found.state is ContainerState.RUNNING:
            self._set_answering(run, found, answering)

    def _set_answering(self, run: PodRun, container: ContainerRun, answering: bool) -> None:
        container.answering = answering
        if answering and not container.ready_event.triggered:
            container.ready_event.succeed()
        for prober in container.probers.values():
            prober.wake()
        self._note_serving(run)

    def _note_serving(self, run: PodRun) -> None:
        serving = all(container.is_up for container in run.apps)
        if serving and not run.serving:
            self.record(run, "started")
        run.serving = serving

    # --- trouble ---

    def _restart_unhealthy(self, run: PodRun, container: ContainerRun) -> None:
        self._env.process(self._stopper.restart_unhealthy(run, container))

    def crash(self, key: ObjectKey, container: str = "") -> None:
        """The process of a container dies (of all that stay when no name is given); its kubelet restarts it."""
        run = self._runs.get(key)
        if run is None or run.ended or run.node in self._lost:
            return
        for found in run.containers:
            if found.stays and container in ("", found.name) and found.state is ContainerState.RUNNING:
                self._env.process(self._crashed(run, found))

    def hang(self, key: ObjectKey, container: str = "", hung: bool = True) -> None:
        """The process of a container stops answering without dying, or answers again."""
        run = self._runs.get(key)
        if run is None or run.ended:
            return
        for found in run.apps:
            if container in ("", found.name):
                found.hung = hung
                for prober in found.probers.values():
                    prober.wake()
        self.record(run, "hung" if hung else "resumed")
        self._note_serving(run)

    def _crashed(self, run: PodRun, container: ContainerRun) -> Steps:
        self.end_process(run, container, "crashed")
        yield from self.bring_back(run, container)

    def bring_back(self, run: PodRun, container: ContainerRun) -> Steps:
        """From the end of a container's process to its next start, with CrashLoopBackOff."""
        ran = self._env.instant - container.started_at
        yield self.observed(run.node)
        if run.ended or run.stopping:
            return
        container.ready = container.passed = False
        self.write_status(run)
        wait = 0 if ran > self._settings.restart_backoff_reset else container.backoff
        container.backoff = min(max(2 * wait, self._settings.restart_backoff), self._settings.restart_backoff_max)
        container.restarts += 1
        yield self._env.timeout(wait)
        if run.ended or run.stopping:
            return
        yield self._env.timeout(self.span(run, run.stages.container_start, f"start {container.name}"))
        if run.ended or run.stopping:
            return
        self._launch(run, container)
        yield self.observed(run.node)
        if not (run.ended or run.stopping):
            self._probing.observe_running(run, container)
            self.write_status(run)

    def end_process(self, run: PodRun, container: ContainerRun, phase: str) -> None:
        """A container's process is gone; `phase` is recorded when it was an application that served."""
        container.state = ContainerState.TERMINATED
        container.answering = container.hung = False
        for prober in container.probers.values():
            prober.stop(False)
        was_serving = run.serving
        run.serving = was_serving and container.is_proxy
        if container.is_proxy:
            self.record(run, f"proxy_{phase}")
        elif was_serving or phase == "crashed":
            self.record(run, phase)

    def kill(self, pod: ApiObject) -> None:
        """SIGKILL to everything of a pod whose object is gone."""
        run = self._runs.get(pod.key)
        if run is not None and run.uid == uid_of(pod):
            self.forget(run)

    def lose(self, node: str) -> None:
        """A node dies with all its pods."""
        self._lost[node] = None
        for run in self._on_node(node):
            run.ended = True
            self.record(run, "lost")

    def recover(self, node: str) -> None:
        """A dead node boots: pods it still has start anew, those being deleted are gone."""
        self._lost.pop(node, None)
        for run in self._on_node(node):
            del self._runs[run.key]
            self._addresses.release_pod(node, run.address)
            pod = self._server.objects.get(run.key)
            if pod is None or uid_of(pod) != run.uid:
                continue
            if is_terminating(pod):
                self._finish(pod)
            else:
                self._begin(pod)

    def is_lost(self, node: str) -> bool:
        """Whether a node is dead."""
        return node in self._lost

    def _on_node(self, node: str) -> list[PodRun]:
        return [run for run in self._runs.values() if run.node == node]

    # --- the pod's object ---

    def forget(self, run: PodRun) -> None:
        """A pod's containers are gone and its address is free."""
        run.ended = True
        for container in run.containers:
            for prober in container.probers.values():
                prober.stop(False)
        if self._runs.get(run.key) is run:
            del self._runs[run.key]
        if run.address:
            self._addresses.release_pod(run.node, run.address)

    def _finish(self, pod: ApiObject) -> None:
        self._server.remove(pod.key, CAUSE)
        record_phase(self._server, self._taps, pod, "gone")

    def finish(self, run: PodRun) -> None:
        """All containers have ended: the object goes."""
        self.forget(run)
        pod = self._server.objects.get(run.key)
        if pod is not None and uid_of(pod) == run.uid:
            self._finish(pod)

    def write_status(self, run: PodRun) -> None:
        """Report a pod's state to the API server."""
        pod = self._server.objects.get(run.key)
        if pod is None or uid_of(pod) != run.uid or run.ended:
            return
        was_ready = is_ready(pod)
        pod = self._write_status(run, pod)
        if is_ready(pod) != was_ready:
            record_phase(self._server, self._taps, pod, "unready" if was_ready else "ready")

    def _write_status(self, run: PodRun, pod: ApiObject) -> ApiObject:
        host = self._addresses.node_address(run.node)
        return self._server.update_status(pod, run.status(pod, host, self._server.wall), CAUSE)

    def record(self, run: PodRun, phase: str) -> None:
        """Report a step of a pod's life."""
        pod = self._server.objects.get(run.key)
        if pod is not None:
            record_phase(self._server, self._taps, pod, phase)

    # --- time ---

    def span(self, run: PodRun, base: Nanos, purpose: str) -> Nanos:
        """A stage's duration for this pod."""
        share = 1 + run.stages.spread * (2 * unit(self._server.seed, run.uid, purpose) - 1)
        return round(base * share)

    def observed(self, node: str) -> simpy.Timeout:
        """The node's next look at its containers."""
        period = self._settings.relist_period
        phase = below(period, self._server.seed, "relist", node)
        return self._env.timeout(period - (self._env.instant - phase) % period)

    def _allocate(self, run: PodRun, host_network: bool) -> str:
        if host_network:
            return self._addresses.node_address(run.node)
        return self._addresses.pod_address(run.node)


def _waits_for_proxy(container: ContainerRun) -> bool:
    """Whether a postStart hook holds the next containers back (holdApplicationUntilProxyStarts)."""
    command = container.spec.fields("lifecycle").fields("postStart").fields("exec").texts("command")
    return "wait" in command
