"""The scripted client's steps."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.testing.experiments import assignment, endpoint, make_experiment
from meshsim.units import MILLISECOND
from meshsim.world.verify.dynamics_replay import Played, play


def started(played: Played) -> list[int]:
    return [round(sent.time / MILLISECOND) for sent in played.requests]


@pytest.mark.parametrize(
    ("step", "times"),
    [
        ({"at": 7}, [7]),
        ({"burst": 3, "at": 2}, [2, 2, 2]),
        ({"every": 10, "count": 3}, [0, 10, 20]),
        ({"sequential": 3, "gap": 5}, [0, 36, 71]),
        ({"closed_loop": 2, "count": 4}, [0, 0, 31, 31]),
        ({"matrix": [{"path": "/a"}, {"path": "/b"}]}, [0, 31]),
    ],
)
def test_steps(step: dict[str, Any], times: list[int]) -> None:
    played = play(make_experiment([step], scripts={0: {"default": {"delay_ms": 30}}}), 1)
    assert started(played) == times
    assert all(sent.status == 200 and sent.hosts == [0] for sent in played.requests)


def test_a_request_brings_its_own_behaviours() -> None:
    step = {"upstream": [{"status": 503}, {"status": 418}]}
    retry = {"retry_policy": {"retry_on": "5xx", "num_retries": 3}}
    played = play(make_experiment([step], route=retry), 1)
    assert [(sent.status, sent.attempts) for sent in played.requests] == [(418, 2)]


def test_clients_leave_and_hosts_hang() -> None:
    step = {"upstream": [{"hang": True}]}
    played = play(make_experiment([{**step, "abort_after_ms": 50}, {**step, "client_timeout_ms": 80}]), 1)
    found = [(sent.error, round(sent.latency / MILLISECOND)) for sent in played.requests]
    assert found == [("client_aborted", 50), ("timeout", 80)]


def test_hosts_go_down_and_come_back() -> None:
    steps: list[dict[str, Any]] = [{"every": 10, "count": 3}, {"at": 5, "host_do": "down", "host_idx": 0}]
    steps.append({"at": 15, "host_do": "open_listener", "host_idx": 0})
    played = play(make_experiment(steps), 1)
    assert [sent.status for sent in played.requests] == [200, 503, 200]


def test_addresses_without_a_host() -> None:
    silent = {"endpoint": {"address": {"socket_address": {"address": "127.0.1.1", "port_value": 8080}}}}
    for where, least in ((silent, 100), (endpoint(5), 0)):
        cluster = {"connect_timeout": "0.1s", "load_assignment": {"cluster_name": "c", "endpoints": []}}
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [where]}]  # type: ignore[index]
        (sent,) = play(make_experiment([{}], cluster=cluster), 1).requests
        assert (sent.status, sent.hosts) == (503, [-1])
        assert round(sent.latency / MILLISECOND) == least


def test_endpoints_are_rewritten() -> None:
    eds = {"eds_config": {"path_config_source": {"path": "eds.json"}}}
    cluster = {"type": "EDS", "eds_cluster_config": eds, "load_assignment": None}
    steps = [{"every": 10, "count": 2}, {"at": 5, "eds_update": {"file": "eds.json", "assignment": assignment(1)}}]
    experiment = make_experiment(steps, hosts=2)
    body: Any = dict(experiment.body)
    body["config"]["clusters"][0].update(cluster)
    del body["config"]["clusters"][0]["load_assignment"]
    body["config"]["eds"] = {"eds.json": assignment(0)}
    played = play(type(experiment)(body), 1)
    assert [sent.hosts for sent in played.requests] == [[0], [1]]


@pytest.mark.parametrize(("per_try", "end"), [("0.2s", ("connection_closed", 140)), ("0.1s", ("", 360))])
def test_the_time_of_a_try_ends_that_between_parts_of_its_answer(per_try: str, end: tuple[str, int]) -> None:
    """Measured on 1.40 (more-idle-1-1s, more-idle2-0.08s-0.2s): once the headers have passed, a per-try timeout means
    nothing, but with it the per-try idle timeout is over."""
    policy = {"retry_on": "5xx", "num_retries": 0, "per_try_timeout": per_try, "per_try_idle_timeout": "0.08s"}
    step = {"upstream": [{"delay_ms": 60, "body_delay_ms": 300}]}
    (sent,) = play(make_experiment([step], route={"retry_policy": policy, "timeout": "0s"}), 1).requests
    assert (sent.error, round(sent.latency / MILLISECOND)) == end


def test_retries_may_look_at_the_status_of_an_answer() -> None:
    """Measured on 1.40 (retry-headers-5)."""
    matcher = {"name": ":status", "string_match": {"prefix": "50"}}
    policy = {"retry_on": "retriable-headers", "num_retries": 1, "retriable_headers": [matcher]}
    step = {"upstream": [{"status": 503}, {"status": 404}]}
    (sent,) = play(make_experiment([step], route={"retry_policy": policy}), 1).requests
    assert (sent.status, sent.attempts) == (404, 2)


def test_statuses_without_a_counter() -> None:
    """Measured on 1.40 (retry-token-mix-0, conn-status-101)."""
    steps = [{"upstream": [{"status": status}]} for status in (600, 101, 599)]
    stats = play(make_experiment(steps), 1).stats["c"]
    found = {name: stats.get(name, 0) for name in ("upstream_rq_unknown", "upstream_rq_101", "upstream_rq_1xx")}
    assert found == {"upstream_rq_unknown": 1, "upstream_rq_101": 1, "upstream_rq_1xx": 1}
    assert stats["upstream_rq_5xx"] == 1
    assert "upstream_rq_600" not in stats
