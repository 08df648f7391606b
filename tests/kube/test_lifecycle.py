"""Deleting pods and reporting the steps of their lives."""

from __future__ import annotations

from meshsim.api import ApiObject, make_object
from meshsim.kernel import Environment
from meshsim.kube import ApiServer, KubeSettings
from meshsim.kube.documents import is_terminating
from meshsim.kube.lifecycle import PodDeletion, record_phase
from meshsim.network import Addresses
from meshsim.trace import PodPhase, Taps
from meshsim.units import SECOND


def _stored(server: ApiServer, node: str) -> ApiObject:
    metadata = {"name": "p", "namespace": "shop"}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 12}
    return server.create(make_object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))


def test_an_unscheduled_pod_goes_at_once_and_a_bound_one_waits() -> None:
    server, taps = ApiServer(Environment(), KubeSettings(), Addresses()), Taps()
    phases: list[PodPhase] = []
    taps.pod_phase.listen(phases.append)
    deletion = PodDeletion(server, taps)
    killed: list[str] = []
    deletion.on_forced(lambda pod: killed.append(pod.name))
    deletion.delete(_stored(server, ""), "test")
    assert server.get("Pod", "shop", "p") is None
    bound = _stored(server, "n1")
    deletion.delete(bound, "test")
    marked = server.get("Pod", "shop", "p")
    assert marked is not None
    assert is_terminating(marked)
    assert marked.metadata.integer("deletionGracePeriodSeconds") == 12
    assert marked.metadata.text("deletionTimestamp") == "2026-01-01T00:00:12Z"
    deletion.delete(marked, "test")
    deletion.delete(marked, "test", grace=0)
    assert server.get("Pod", "shop", "p") is None
    assert [p.phase for p in phases] == ["gone", "terminating", "gone"]
    assert killed == ["p", "p"]


def test_records_carry_the_instant_and_the_node() -> None:
    server, taps = ApiServer(Environment(), KubeSettings(), Addresses()), Taps()
    pod = _stored(server, "n1")
    record_phase(server, taps, pod, "ready")
    phases: list[PodPhase] = []
    taps.pod_phase.listen(phases.append)
    server.env.run(SECOND)
    record_phase(server, taps, pod, "ready")
    assert phases == [PodPhase(SECOND, "shop", "p", "ready", "n1")]
