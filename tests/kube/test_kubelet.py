"""From a bound pod to a ready one, and what happens when processes die, hang or lose their node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from meshsim.kube import KubeSettings
from meshsim.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start

PROXY = {
    "name": "istio-proxy",
    "image": "proxy",
    "restartPolicy": "Always",
    "startupProbe": {"httpGet": {"port": 15021}, "periodSeconds": 1, "failureThreshold": 600},
    "readinessProbe": {"httpGet": {"port": 15021}, "periodSeconds": 15, "failureThreshold": 4},
}
INIT = {"name": "istio-init", "image": "proxy"}
EXACT = KubeSettings().with_stages(spread=0.0)


def test_the_stages_of_a_plain_pod(make: Make, start: Start) -> None:
    """Scheduling 10 ms, sandbox 0.5 s, image 3 s, start 0.2 s; the kubelet looks once a second; then it serves."""
    cluster = start([], settings=EXACT)
    cluster.kube.apply(make.pod("own"))
    cluster.run(20)
    (scheduled,), (ready,), (started,) = (cluster.at(phase) for phase in ("scheduled", "ready", "started"))
    assert scheduled == 15 * MILLISECOND
    launched = started - EXACT.stages.app_start
    # the sandbox is seen at the next look, up to a second later; without a readiness probe running means ready
    assert 3700 * MILLISECOND <= launched - scheduled - 5 * MILLISECOND <= 4700 * MILLISECOND
    assert launched < ready <= launched + SECOND


def test_an_image_that_is_there_is_not_pulled_again(make: Make, start: Start) -> None:
    cluster = start([make.node("n1"), make.pod("first")], settings=EXACT)
    cluster.kube.apply(make.pod("second"))
    cluster.run(20)
    assert cluster.at("started", "second")[0] < 5 * SECOND


def test_a_native_sidecar_is_started_before_the_application(make: Make, start: Start) -> None:
    cluster = start([], settings=EXACT)
    cluster.kube.apply(make.pod("own", initContainers=[INIT, PROXY]))
    cluster.run(30)
    order = [r.phase for r in cluster.phases]
    assert order.index("proxy_started") < order.index("started")
    proxy, started = cluster.at("proxy_started")[0], cluster.at("started")[0]
    # the application starts after the sidecar's startup probe passed, which is after its 0.8 s
    assert started - proxy >= EXACT.stages.sidecar_start + EXACT.stages.app_start


def test_readiness_of_the_proxy_can_be_reported_from_outside(make: Make, start: Start) -> None:
    settings = KubeSettings(proxy_readiness_reported=True)
    cluster = start([], settings=settings)
    cluster.kube.apply(make.pod("own", initContainers=[INIT, PROXY]))
    cluster.run(60)
    assert [r.phase for r in cluster.phases] == ["scheduled", "proxy_started"]
    (pod,) = cluster.kube.pods("shop")
    cluster.kube.kubelets.set_answering(pod.key, "istio-proxy", True)
    cluster.run(20)
    assert [r.phase for r in cluster.phases][2:] in (["started", "ready"], ["ready", "started"])


def test_a_waiting_post_start_hook_holds_the_application(make: Make, start: Start) -> None:
    hold = {"lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}}
    proxy: dict[str, Any] = {k: v for k, v in PROXY.items() if k != "restartPolicy"} | hold
    cluster = start([], settings=KubeSettings(proxy_readiness_reported=True))
    app = {"name": "app", "image": "x:1"}
    cluster.kube.apply(make.pod("own", containers=[proxy, app]))
    cluster.run(30)
    assert cluster.at("started") == []
    cluster.kube.kubelets.set_answering(cluster.kube.pods("shop")[0].key, "istio-proxy", True)
    cluster.run(10)
    assert len(cluster.at("started")) == 1


def test_a_pod_is_in_its_service_unready_until_its_probe_passes(make: Make, start: Start) -> None:
    probe = {"httpGet": {"port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 2}
    cluster = start([make.service("web")], settings=EXACT)
    cluster.kube.apply(make.workload("web", 1, container={"readinessProbe": probe}))
    states = []
    for _ in range(200):
        cluster.run(0.1)
        states.append(tuple((s.flag("ready"), s.flag("serving")) for s in cluster.endpoints("web").values()))
    assert list(dict.fromkeys(states)) == [(), ((False, False),), ((True, True),)]
    launched = cluster.at("started")[0] - EXACT.stages.app_start
    assert cluster.at("ready")[0] >= launched + 5 * SECOND


def test_a_crash_is_seen_within_a_second_and_repaired(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 1), make.service("web")], settings=EXACT)
    (pod,) = cluster.kube.pods("shop")
    cluster.kube.crash([pod])
    cluster.run(60)
    phases = [r.phase for r in cluster.phases]
    assert phases == ["crashed", "unready", "ready", "started"]
    assert cluster.at("unready")[0] <= SECOND
    (after,) = cluster.kube.pods("shop")
    assert after.name == pod.name
    assert after.status.items("containerStatuses")[0].integer("restartCount") == 1


def test_crash_loop_back_off_doubles(make: Make, start: Start) -> None:
    cluster = start([make.pod("own")], settings=EXACT)
    for _ in range(4):
        cluster.kube.crash(cluster.kube.pods("shop"))
        cluster.run(120)
    crashed, started = cluster.at("crashed"), cluster.at("started")
    waits = [(s - c) // SECOND for c, s in zip(crashed, started)]
    # 2-3 s of observation, start and warm-up, and CrashLoopBackOff of 0, 10, 20, 40 s
    assert [round(wait - waits[0], -1) for wait in waits] == [0, 10, 20, 40]


def test_a_hang_is_found_by_the_probes_alone(make: Make, start: Start) -> None:
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 1}
    cluster = start([make.workload("web", 1, container={"readinessProbe": probe}), make.service("web")])
    undo = cluster.kube.hang(cluster.kube.pods("shop"))
    cluster.run(30)
    (unready,) = cluster.at("unready")
    # the second failing tick, at its timeout: between one and two periods after the hang
    assert 5 * SECOND < unready <= 11 * SECOND
    assert cluster.ready("web") == []
    undo()
    cluster.run(30)
    assert len(cluster.ready("web")) == 1
    assert cluster.at("crashed") == []


def test_a_liveness_probe_restarts_what_hangs(make: Make, start: Start) -> None:
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 5}
    cluster = start([make.workload("web", 1, container={"livenessProbe": probe})])
    cluster.kube.hang(cluster.kube.pods("shop"))
    cluster.run(90)
    # three failures, then SIGTERM that a hung process ignores until the grace period is over
    (crashed,) = cluster.at("crashed")
    assert 40 * SECOND < crashed < 48 * SECOND
    (pod,) = cluster.kube.pods("shop")
    assert pod.status.items("containerStatuses")[0].integer("restartCount") == 1


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_stages_are_drawn_within_their_spread(make: Make, start: Start, spread: float) -> None:
    cluster = start([], settings=KubeSettings().with_stages(spread=spread))
    cluster.kube.apply(make.workload("web", 20))
    cluster.run(60)
    spans = [s for p in cluster.kube.pods("shop") for s in cluster.at("started", p.name)]
    assert len(spans) == 20
    assert (len(set(spans)) > 15) is (spread > 0)
