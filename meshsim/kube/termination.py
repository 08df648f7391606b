"""Stopping pods and containers: preStop, SIGTERM, grace period, SIGKILL, in the order sidecars ask for.

Rules: k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer; istio pkg/envoy/agent.go for
what istio-proxy does on SIGTERM.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Final, Protocol, TypeAlias

import simpy

from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.kernel import Environment
from meshsim.kube.containers import ContainerRun, ContainerState, PodRun
from meshsim.kube.server import ApiServer
from meshsim.units import SECOND, Nanos

Steps: TypeAlias = Generator[simpy.Event, object, None]
_SLEEP: Final = re.compile(r"\bsleep\s+(\d+(?:\.\d+)?)")


class Runner(Protocol):
    """What stopping needs of the kubelet."""

    def end_process(self, run: PodRun, container: ContainerRun, phase: str) -> None: ...
    def bring_back(self, run: PodRun, container: ContainerRun) -> Steps: ...
    def write_status(self, run: PodRun) -> None: ...
    def finish(self, run: PodRun) -> None: ...
    def record(self, run: PodRun, phase: str) -> None: ...
    def span(self, run: PodRun, base: Nanos, purpose: str) -> Nanos: ...
    def observed(self, node: str) -> simpy.Timeout: ...
    def run_of(self, key: ObjectKey) -> PodRun | None: ...


class Stopper:
    """Ends containers the way the kubelet does."""

    def __init__(self, env: Environment, server: ApiServer, runner: Runner) -> None:
        self._env = env
        self._settings = server.settings
        self._runner = runner

    def stop(self, run: PodRun, pod: ApiObject) -> None:
        """Graceful termination of a pod."""
        run.stopping = True
        grace = pod.metadata.integer("deletionGracePeriodSeconds", 30) * SECOND
        self._env.process(self._stop(run, grace))

    def _stop(self, run: PodRun, grace: Nanos) -> Steps:
        running = [c for c in run.containers if c.state is ContainerState.RUNNING]
        mains = [c for c in running if not c.is_sidecar]
        ended = {c.name: self._env.event() for c in running}
        main_ends = [ended[c.name] for c in mains]
        later: list[simpy.Event] = []
        for container in reversed(running):
            waits = [*main_ends, *later] if container.is_sidecar else []
            self._env.process(self._end(run, container, grace, waits, ended[container.name]))
            if container.is_sidecar:
                later.append(ended[container.name])
        yield self._env.all_of(list(ended.values()))
        if run.ended:
            return
        yield self._runner.observed(run.node)
        if not run.ended:
            self._runner.finish(run)

    def _end(
        self, run: PodRun, container: ContainerRun, grace: Nanos, waits: list[simpy.Event], ended: simpy.Event
    ) -> Steps:
        """One container: preStop, its turn, SIGTERM, SIGKILL when it takes too long."""
        left = grace
        hook = min(pre_stop_span(container.spec), left)
        if hook:
            yield self._env.timeout(hook)
            left -= hook
        if waits:
            began = self._env.instant
            yield self._env.all_of(waits) | self._env.timeout(left)
            left -= self._env.instant - began
        if run.ended:
            return
        if not container.is_proxy and not container.is_sidecar:
            self._runner.record(run, "stopping")
        left = max(left, self._settings.minimum_grace)
        yield self._env.timeout(min(self._shutdown(run, container), left))
        if run.ended:
            return
        if container.state is ContainerState.RUNNING:
            self._runner.end_process(run, container, "stopped")
            container.ready = False
            self._runner.write_status(run)
        ended.succeed()

    def _shutdown(self, run: PodRun, container: ContainerRun) -> Nanos:
        """From SIGTERM to exit when nobody kills it."""
        if container.hung:
            return 1 << 62
        if container.is_proxy:
            # a native sidecar has drained in its preStop hook and exits at once
            return 0 if container.is_sidecar else self._settings.proxy_drain
        return self._runner.span(run, run.stages.app_stop, f"stop {container.name}")

    def restart_unhealthy(self, run: PodRun, container: ContainerRun) -> Steps:
        """A failed liveness or startup probe: stop the container within its grace, then start it again."""
        grace = max(run.grace, self._settings.minimum_grace)
        yield self._env.timeout(min(self._shutdown(run, container), grace))
        if run.ended or run.stopping or container.state is not ContainerState.RUNNING:
            return
        self._runner.end_process(run, container, "crashed")
        yield from self._runner.bring_back(run, container)


def pre_stop_span(container: Fields) -> Nanos:
    """How long a preStop hook takes: its sleep; other commands and calls return at once.

    DEVIATION: a hook that does something else than sleep takes as long as that; only sleeping is understood.
    """
    hook = container.fields("lifecycle").fields("preStop")
    if "sleep" in hook:
        return hook.fields("sleep").integer("seconds") * SECOND
    found = _SLEEP.search(" ".join(hook.fields("exec").texts("command")))
    return round(float(found.group(1)) * SECOND) if found else 0
