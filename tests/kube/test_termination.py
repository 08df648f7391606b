"""Graceful termination: endpoints go first, hooks and grace periods are kept, sidecars outlive applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from meshsim.api import Fields
from meshsim.kube import KubeSettings
from meshsim.kube.termination import pre_stop_span
from meshsim.units import SECOND

if TYPE_CHECKING:
    from tests.kube.conftest import Make, Start

EXACT = KubeSettings().with_stages(spread=0.0)
DRAIN = {"preStop": {"exec": {"command": ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]}}}
NATIVE = {"name": "istio-proxy", "image": "proxy", "restartPolicy": "Always", "lifecycle": DRAIN}


@pytest.mark.parametrize(
    ("hook", "seconds"),
    [
        ({}, 0),
        ({"preStop": {"sleep": {"seconds": 7}}}, 7),
        ({"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 10; nginx -s quit"]}}}, 10),
        (DRAIN, 0),
        ({"preStop": {"httpGet": {"path": "/bye", "port": 1}}}, 0),
    ],
)
def test_how_long_a_hook_takes(hook: dict[str, Any], seconds: int) -> None:
    assert pre_stop_span(Fields({"lifecycle": hook})) == seconds * SECOND


def test_the_endpoint_terminates_at_once_while_the_application_still_serves(make: Make, start: Start) -> None:
    app = {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    cluster = start([make.workload("web", 2, container=app), make.service("web")], settings=EXACT)
    leaving = cluster.kube.pods("shop")[0]
    cluster.kube.delete(leaving.key)
    cluster.run(0.05)
    state = cluster.endpoints("web")[leaving.status.text("podIP")]
    assert [state.flag(key) for key in ("ready", "serving", "terminating")] == [False, True, True]
    cluster.run(10)
    (terminating,), (stopping,), (stopped,), (gone,) = (
        cluster.at(phase, leaving.name) for phase in ("terminating", "stopping", "stopped", "gone")
    )
    assert terminating == 0
    assert 5 * SECOND < stopping < 5.1 * SECOND
    assert stopped - stopping == EXACT.stages.app_stop
    assert stopped < gone <= stopped + SECOND
    assert leaving.status.text("podIP") not in cluster.endpoints("web")


def test_the_grace_period_ends_everything(make: Make, start: Start) -> None:
    slow = KubeSettings().with_stages(spread=0.0, app_stop=60 * SECOND)
    cluster = start([make.pod("own", terminationGracePeriodSeconds=10)], settings=slow)
    cluster.kube.delete(cluster.kube.pods("shop")[0].key)
    cluster.run(30)
    assert 10 * SECOND < cluster.at("stopped")[0] < 10.1 * SECOND


def test_even_a_long_hook_leaves_two_seconds(make: Make, start: Start) -> None:
    slow = KubeSettings().with_stages(spread=0.0, app_stop=60 * SECOND)
    app = {"name": "app", "image": "x", "lifecycle": {"preStop": {"sleep": {"seconds": 99}}}}
    cluster = start([make.pod("own", containers=[app], terminationGracePeriodSeconds=5)], settings=slow)
    cluster.kube.delete(cluster.kube.pods("shop")[0].key)
    cluster.run(30)
    assert 7 * SECOND < cluster.at("stopped")[0] < 7.1 * SECOND


def test_a_native_sidecar_outlives_the_application(make: Make, start: Start) -> None:
    cluster = start([make.pod("own", initContainers=[NATIVE])], settings=EXACT)
    cluster.kube.delete(cluster.kube.pods("shop")[0].key)
    cluster.run(30)
    (stopped,), (proxy,) = cluster.at("stopped"), cluster.at("proxy_stopped")
    # drained in its hook, it exits as soon as the application has
    assert stopped == proxy == 1005 * SECOND // 1000


def test_an_ordinary_sidecar_lives_its_drain_duration(make: Make, start: Start) -> None:
    proxy = {"name": "istio-proxy", "image": "proxy"}
    app = {"name": "app", "image": "x"}
    cluster = start([make.pod("own", containers=[app, proxy])], settings=EXACT)
    cluster.kube.delete(cluster.kube.pods("shop")[0].key)
    cluster.run(30)
    assert cluster.at("proxy_stopped")[0] == 5005 * SECOND // 1000
    assert cluster.at("gone")[0] > cluster.at("proxy_stopped")[0]


def test_force_takes_the_object_at_once(make: Make, start: Start) -> None:
    cluster = start([make.pod("own", {"app": "web"}), make.service("web")], settings=EXACT)
    cluster.kube.kill(cluster.kube.pods("shop"))
    assert cluster.names() == []
    assert cluster.at("gone") == [0]
    cluster.run(1)
    assert cluster.endpoints("web") == {}


def test_a_pod_deleted_while_it_starts_goes_too(make: Make, start: Start) -> None:
    cluster = start([], settings=EXACT)
    cluster.kube.apply(make.pod("own"))
    cluster.run(1)
    cluster.kube.delete(cluster.kube.pods("shop")[0].key)
    cluster.run(60)
    assert cluster.names() == []
    assert cluster.at("started") == []
