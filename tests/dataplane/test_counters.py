"""Statistics of clusters by Envoy's names; verified on all recorded experiments by the dynamics replay."""

from __future__ import annotations

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.counters import ALWAYS, GAUGES
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import InboundKind, RetryOn
from meshsim.dataplane.storage import Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.testing.meshes import CLUSTER, OUTLIER, add_requests, add_service, fixed
from meshsim.units import MILLISECOND, SECOND

RETRY = {"retries": 2, "retry_on": RetryOn.FIVE_XX}


def count(engine: Engine, cluster: int) -> dict[str, int]:
    """What is not 0."""
    return {name: value for name, value in engine.count_clusters().of(cluster).items() if value}


def requests_of(found: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in found.items() if "_rq_" in name and "backoff" not in name}


def test_what_is_refused_has_a_final_status_and_no_stream() -> None:
    """Measured on Envoy: refused + 2 retries -> upstream_rq_503 1, upstream_rq_total 0, retry_limit_exceeded 1."""
    engine = Engine(1, mode="plain")
    service = add_service(engine, host={"inbound": InboundKind.REFUSE}, route=RETRY)
    add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    found = count(engine, service.cluster)
    assert requests_of(found) == {
        "upstream_rq_pending_total": 3,
        "upstream_rq_pending_failure_eject": 3,
        "upstream_rq_retry": 2,
        "upstream_rq_retry_limit_exceeded": 1,
        "upstream_rq_completed": 1,
        "upstream_rq_503": 1,
        "upstream_rq_5xx": 1,
    }
    assert (found["upstream_cx_total"], found["upstream_cx_connect_fail"], found["upstream_cx_destroy"]) == (3, 3, 3)


def test_answers_that_are_retried_count_apart() -> None:
    """Measured: 503,503,200 with 5xx retries -> upstream_rq_200 1, retry.upstream_rq_503 2, retry_success 1."""
    engine = Engine(1, mode="plain")
    bad = add_service(engine, handler={"error_rate": 1.0})
    good = add_service(engine, cluster={"policy": 1}, route={"clusters": ()})
    hosts = (*bad.hosts, (99, bad.hosts[0][1]), *good.hosts)
    service = add_service(engine, cluster={"policy": 1}, route={**RETRY, "host_reselect_attempts": 5})
    engine.set_hosts(service.cluster, hosts)
    add_requests(engine, service.flow, [SECOND * at for at in range(30)])
    engine.run_until(100 * SECOND)
    found = requests_of(count(engine, service.cluster))
    assert found["upstream_rq_200"] == found["upstream_rq_completed"] == 30
    assert found["upstream_rq_total"] == 30 + found["retry.upstream_rq_503"]
    assert found["retry.upstream_rq_503"] == found["retry.upstream_rq_completed"] == found["upstream_rq_retry"] > 0
    assert 0 < found["upstream_rq_retry_success"] <= found["upstream_rq_retry"]


def test_without_hosts_the_cluster_answers_itself() -> None:
    engine = Engine(1, mode="plain")
    service = add_service(engine, pods=0)
    add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    found = count(engine, service.cluster)
    assert (found["upstream_cx_none_healthy"], found["upstream_rq_503"], found["upstream_rq_completed"]) == (1, 1, 1)


def test_timeouts_cancel_what_waits_and_reset_what_runs() -> None:
    engine = Engine(1, mode="plain")
    slow = {"service": fixed(SECOND)}
    running = add_service(engine, handler=slow, route={"timeout": 100 * MILLISECOND})
    waiting = add_service(engine, host={"reachable": False}, route={"timeout": 100 * MILLISECOND})
    lost = add_service(engine, cluster={"connect_timeout": SECOND}, host={"reachable": False})
    for service in (running, waiting, lost):
        add_requests(engine, service.flow, [0])
    engine.run_until(5 * SECOND)
    found = count(engine, running.cluster)
    assert (found["upstream_rq_tx_reset"], found["upstream_rq_timeout"], found["upstream_rq_504"]) == (1, 1, 1)
    found = count(engine, waiting.cluster)
    assert (found["upstream_rq_cancelled"], found["upstream_rq_timeout"], found["upstream_rq_504"]) == (1, 1, 1)
    found = count(engine, lost.cluster)
    assert (found["upstream_cx_connect_timeout"], found["upstream_cx_connect_fail"]) == (1, 1)


def test_detections_and_membership() -> None:
    engine = Engine(1, mode="plain")
    outlier = {"outlier": OUTLIER}
    service = add_service(engine, pods=2, cluster=outlier, handler={"error_rate": 1.0})
    add_requests(engine, service.flow, [MILLISECOND * at for at in range(60)])
    engine.run_until(SECOND)
    found = count(engine, service.cluster)
    assert (found["membership_total"], found.get("membership_healthy", 0)) == (2, 0)
    ejections = {
        name.partition("ejections_")[2]: value for name, value in found.items() if name.startswith("outlier_detection")
    }
    assert ejections == {
        "active": 2,
        "enforced_total": 2,
        "detected_consecutive_5xx": 2,
        "enforced_consecutive_5xx": 2,
    }


def test_a_replaced_cluster_goes_on_counting() -> None:
    engine = Engine(1, mode="plain")
    service = add_service(engine)
    add_requests(engine, service.flow, [0, 2 * SECOND])
    engine.run_until(SECOND)
    engine.set_cluster(service.cluster, CLUSTER)
    engine.run_until(3 * SECOND)
    assert engine.cluster_stats(service.cluster).rq_total == 1
    found = count(engine, service.cluster)
    assert (found["upstream_rq_total"], found["upstream_rq_200"], found["membership_total"]) == (2, 2, 1)


@pytest.mark.parametrize("mode", [Mode.PLAIN, Mode.NUMBA])
def test_there_is_room_for_what_is_rare_at_every_cluster(mode: Mode) -> None:
    engine = Engine(1, mode=choose_mode(mode))
    services = [add_service(engine, host={"inbound": InboundKind.REFUSE}) for _ in range(700)]
    for service in services:
        add_requests(engine, service.flow, [0])
    engine.run_until(SECOND)
    counts = engine.count_clusters()
    expected = {"upstream_rq_503": 1, "upstream_rq_pending_failure_eject": 1}
    assert all(counts.of(s.cluster).items() >= expected.items() for s in services)
    assert engine.tables.length("rare") > 2 * 700


def test_every_cluster_has_the_usual_statistics() -> None:
    engine = Engine(1, mode="plain")
    service = add_service(engine)
    engine.run_until(SECOND)
    found = engine.count_clusters().of(service.cluster)
    assert set(ALWAYS) <= set(found)
    assert set(ALWAYS) >= GAUGES
    assert len({core.RETRIED + 999, core.UNATTACHED, core.ENFORCED + 4}) == 3
    assert core.RETRIED + 999 < core.UNATTACHED < core.ENFORCED + 4 < 2048
