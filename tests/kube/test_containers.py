"""State of a pod on its node, and the status its kubelet writes of it."""

from __future__ import annotations

from meshsim.api import Fields, make_object
from meshsim.kernel import Environment
from meshsim.kube import EPOCH, Stages
from meshsim.kube.containers import ContainerState, make_run
from meshsim.units import SECOND

POD = make_object(
    {
        "kind": "Pod",
        "metadata": {"name": "p", "uid": "u"},
        "spec": {
            "nodeName": "n1",
            "initContainers": [{"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "x"}],
            "terminationGracePeriodSeconds": 7,
        },
    }
)


def test_kinds_of_containers() -> None:
    run = make_run(Environment(), POD, Stages())
    init, proxy, app = run.containers
    assert (run.node, run.grace) == ("n1", 7 * SECOND)
    assert (init.stays, proxy.stays, app.stays) == (False, True, True)
    assert (proxy.is_sidecar, proxy.is_proxy, app.is_sidecar) == (True, True, False)
    assert run.apps == [app]
    assert run.find("app") is app
    assert run.find("nope") is None


def test_ready_means_every_container_that_stays() -> None:
    run = make_run(Environment(), POD, Stages())
    _, proxy, app = run.containers
    run.initialized = app.ready = True
    assert not run.is_ready
    proxy.ready = True
    assert run.is_ready


def test_the_status_keeps_the_time_of_a_condition() -> None:
    run = make_run(Environment(), POD, Stages())
    run.address = "10.0.0.1"
    first = Fields(run.status(POD, "172.18.0.2", EPOCH))
    assert first.text("phase") == "Pending"
    stored = make_object({**POD.body, "status": dict(first.body)})
    for container in run.containers[1:]:
        container.ready, container.state = True, ContainerState.RUNNING
    run.initialized = True
    later = Fields(run.status(stored, "172.18.0.2", EPOCH + 30 * SECOND))
    times = {c.text("type"): c.text("lastTransitionTime") for c in later.items("conditions")}
    assert times["PodScheduled"] == "2026-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T00:00:30Z"
    assert (later.text("phase"), later.text("podIP")) == ("Running", "10.0.0.1")
    assert [c.flag("ready") for c in later.items("containerStatuses")] == [True]
