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
