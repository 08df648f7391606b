"""The probes of running containers: made at their start, begun when the kubelet sees them run, and what results mean.

Rules: k8s.io/kubernetes pkg/kubelet/prober/prober_manager.go. Readiness and liveness wait for the startup probe; a
container without a readiness probe is ready as soon as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from meshsim.kernel import Environment, below
from meshsim.kube.containers import ContainerRun, ContainerState, PodRun
from meshsim.kube.probes import ProbeKind, Prober, Target, probe_spec

_INITIAL: Final[Mapping[ProbeKind, bool | None]] = {
    ProbeKind.STARTUP: None,
    ProbeKind.READINESS: False,
    ProbeKind.LIVENESS: True,
}
"""What the kubelet believes before the first result (prober/worker.go newWorker)."""


class Probing:
    """Owns the probers of all containers of the kubelets."""

    def __init__(
        self,
        env: Environment,
        seed: int,
        write_status: Callable[[PodRun], None],
        restart: Callable[[PodRun, ContainerRun], None],
    ) -> None:
        self._env = env
        self._seed = seed
        self._write_status = write_status
        self._restart = restart

    def make(self, run: PodRun, container: ContainerRun) -> None:
        """New probers for a container that starts; none for one that ends by itself."""
        for old in container.probers.values():
            old.stop(False)
        container.probers = {}
        if not container.stays:
            return

        def look() -> Target:
            return Target(
                container.state is ContainerState.RUNNING,
                container.answering,
                container.hung,
                container.started_at,
            )

        for kind in ProbeKind:
            spec = probe_spec(container.spec, kind)
            if spec is not None:
                container.probers[kind] = Prober(
                    self._env,
                    spec,
                    look,
                    lambda healthy, kind=kind: self._on_probe(run, container, kind, healthy),  # type: ignore[misc]
                    _INITIAL[kind],
                )

    def resume(self, run: PodRun, container: ContainerRun) -> None:
        """Probers of a pod that has run for long: passed, with ticks at a place of their own in the period."""
        for kind, prober in container.probers.items():
            prober.result = True
            if kind is ProbeKind.STARTUP:
                continue
            phase = below(prober.spec.period, self._seed, run.uid, container.name, kind.value)
            prober.start(self._env.instant - phase)

    def observe_running(self, run: PodRun, container: ContainerRun) -> None:
        """The kubelet has noticed that a container runs."""
        startup = container.probers.get(ProbeKind.STARTUP)
        if startup is not None:
            startup.start()
        else:
            self._pass_startup(run, container)

    def _pass_startup(self, run: PodRun, container: ContainerRun) -> None:
        container.passed = True
        if not container.passed_event.triggered:
            container.passed_event.succeed()
        for kind in (ProbeKind.READINESS, ProbeKind.LIVENESS):
            prober = container.probers.get(kind)
            if prober is not None:
                prober.start()
        if ProbeKind.READINESS not in container.probers:
            container.ready = True
            self._write_status(run)

    def _on_probe(self, run: PodRun, container: ContainerRun, kind: ProbeKind, healthy: bool) -> None:
        if run.ended:
            return
        if kind is ProbeKind.READINESS:
            container.ready = healthy
            self._write_status(run)
        elif kind is ProbeKind.STARTUP and healthy:
            container.probers[kind].stop(True)
            self._pass_startup(run, container)
        elif not healthy and not run.stopping:
            container.probers[kind].stop(False)
            self._restart(run, container)
