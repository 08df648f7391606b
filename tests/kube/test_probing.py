"""What results of probes mean for containers and pods."""

from __future__ import annotations

from typing import Any

from meshsim.api import make_object
from meshsim.kernel import Environment
from meshsim.kube import Stages
from meshsim.kube.containers import ContainerRun, ContainerState, PodRun, make_run
from meshsim.kube.probes import ProbeKind
from meshsim.kube.probing import Probing
from meshsim.units import SECOND


class Watched:
    """One pod with one container, and what probing did to it."""

    def __init__(self, **probes: dict[str, Any]) -> None:
        self.env = Environment()
        body = {"containers": [{"name": "app", **probes}]}
        pod = make_object({"kind": "Pod", "metadata": {"name": "p", "uid": "u"}, "spec": body})
        self.run = make_run(self.env, pod, Stages())
        (self.container,) = self.run.containers
        self.written: list[bool] = []
        self.restarted: list[str] = []
        self.probing = Probing(self.env, 1, self._write, self._restart)

    def _write(self, run: PodRun) -> None:
        self.written.append(run.containers[0].ready)

    def _restart(self, run: PodRun, container: ContainerRun) -> None:
        self.restarted.append(container.name)

    def launch(self) -> None:
        self.container.state = ContainerState.RUNNING
        self.probing.make(self.run, self.container)
        self.probing.observe_running(self.run, self.container)


def test_without_probes_running_means_ready() -> None:
    watched = Watched()
    watched.launch()
    assert watched.written == [True]
    assert watched.container.passed


def test_readiness_and_liveness_wait_for_the_startup_probe() -> None:
    every_second = {"httpGet": {"port": 1}, "periodSeconds": 1}
    watched = Watched(
        startupProbe={**every_second, "failureThreshold": 100}, readinessProbe=every_second, livenessProbe=every_second
    )
    watched.launch()
    watched.env.run(20 * SECOND)
    assert not watched.container.passed
    watched.container.answering = True
    for prober in watched.container.probers.values():
        prober.wake()
    watched.env.run(22 * SECOND)
    assert watched.container.passed
    assert watched.written == [True]
    assert watched.restarted == []


def test_a_startup_probe_that_gives_up_restarts_the_container() -> None:
    watched = Watched(startupProbe={"httpGet": {"port": 1}, "periodSeconds": 2, "failureThreshold": 3})
    watched.launch()
    watched.env.run(30 * SECOND)
    assert watched.restarted == ["app"]


def test_a_settled_container_has_passed_with_ticks_of_its_own() -> None:
    watched = Watched(readinessProbe={"httpGet": {"port": 1}})
    watched.container.state, watched.container.answering = ContainerState.RUNNING, True
    watched.probing.make(watched.run, watched.container)
    watched.probing.resume(watched.run, watched.container)
    prober = watched.container.probers[ProbeKind.READINESS]
    assert prober.result
    assert -10 * SECOND < prober.origin <= 0
    assert watched.env.peek() == float("inf")
