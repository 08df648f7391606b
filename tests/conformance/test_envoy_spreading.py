"""Random balancing on a real Envoy and in the event core while hosts are ejected, come back, and start slowly.

Rings and tables with bounded load, priorities, weights of localities and hosts, biases of least request, slow start,
retries that prefer other priorities, event loops. MESHSIM_SPREADING_EXPERIMENTS sets the size of a longer run.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.testing.experiments import endpoint, make_experiment
from meshsim.world.verify.dynamics import compare_experiment

EXPERIMENTS = int(os.environ.get("MESHSIM_SPREADING_EXPERIMENTS", "2"))
PORT = 25954
RETRY = "type.googleapis.com/envoy.extensions.retry"

pytestmark = pytest.mark.needs_envoy


def places(chance: random.Random, hosts: int, priorities: int, weights: tuple[int, ...]) -> list[dict[str, Any]]:
    """The hosts in three localities, and of these priorities."""
    groups: dict[tuple[str, int], dict[str, Any]] = {}
    for number in range(hosts):
        zone, priority = chance.choice("abc"), chance.randrange(priorities) if number else 0
        group = groups.setdefault(
            (zone, priority),
            {
                "locality": {"zone": zone},
                "priority": priority,
                "load_balancing_weight": {"a": 1, "b": 2, "c": 5}[zone],
                "lb_endpoints": [],
            },
        )
        health = chance.choice(("HEALTHY",) * 6 + ("DEGRADED", "UNHEALTHY"))
        group["lb_endpoints"].append(
            endpoint(number, load_balancing_weight=chance.choice(weights), health_status=health)
        )
    return list(groups.values())


def detection(chance: random.Random) -> dict[str, Any]:
    return {
        "interval": chance.choice(("0.1s", "0.25s")),
        "base_ejection_time": chance.choice(("0.2s", "0.4s", "5s")),
        "max_ejection_time_jitter": "0s",
        "consecutive_5xx": chance.choice((1, 2, 5)),
        "max_ejection_percent": chance.choice((20, 50, 100)),
        "enforcing_success_rate": 0,
    }


def failing(chance: random.Random, hosts: int) -> dict[int, dict[str, Any]]:
    """Some hosts fail for a while."""
    scripts: dict[int, dict[str, Any]] = {}
    for host in range(hosts):
        scripts[host] = {"default": {"delay_ms": chance.choice((0, 5, 20))}}
        if chance.random() < 0.35:
            begin = chance.choice((0, 200, 400))
            scripts[host]["windows"] = [[begin, begin + chance.choice((200, 500)), {"status": 503}]]
    return scripts


def balanced(chance: random.Random) -> dict[str, Any]:
    """A policy and what belongs to it."""
    policy = chance.choice(("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV"))
    found: dict[str, Any] = {"lb_policy": policy}
    common: dict[str, Any] = {
        "update_merge_window": chance.choice(("0s", "0s", "1s")),
        "healthy_panic_threshold": {"value": chance.choice((0, 30, 50))},
    }
    if chance.random() < 0.5:
        common["locality_weighted_lb_config"] = {}
    if policy in ("RING_HASH", "MAGLEV"):
        if chance.random() < 0.6:
            common["consistent_hashing_lb_config"] = {"hash_balance_factor": chance.choice((100, 120, 150))}
        if policy == "RING_HASH":
            found["ring_hash_lb_config"] = {"minimum_ring_size": chance.choice((16, 1024))}
        else:
            found["maglev_lb_config"] = {"table_size": chance.choice((251, 65537))}
    if policy == "LEAST_REQUEST":
        bias = {"default_value": chance.choice((0.0, 0.5, 1.0, 2.0)), "runtime_key": "bias"}
        found["least_request_lb_config"] = {"choice_count": chance.choice((2, 3, 5)), "active_request_bias": bias}
    found["common_lb_config"] = common
    return found


def slow_start(chance: random.Random) -> dict[str, Any]:
    return {
        "slow_start_window": chance.choice(("0.5s", "2s")),
        "aggression": {"default_value": chance.choice((0.5, 1.0, 3.0)), "runtime_key": "aggression"},
        "min_weight_percent": {"value": chance.choice((1, 10, 30))},
    }


def retried(chance: random.Random) -> dict[str, Any]:
    """Retries that prefer other hosts, or other priorities."""
    policy: dict[str, Any] = {
        "retry_on": "5xx",
        "num_retries": chance.choice((1, 3)),
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
    }
    if chance.random() < 0.5:
        config = {"@type": f"{RETRY}.priority.previous_priorities.v3.PreviousPrioritiesConfig"}
        policy["retry_priority"] = {
            "name": "previous",
            "typed_config": {**config, "update_frequency": chance.choice((1, 2))},
        }
    if chance.random() < 0.5:
        hosts = {"@type": f"{RETRY}.host.previous_hosts.v3.PreviousHostsPredicate"}
        policy["retry_host_predicate"] = [{"name": "hosts", "typed_config": hosts}]
        policy["host_selection_retry_max_attempts"] = 4
    return policy


def spread_experiment(number: int) -> Fields:
    chance = random.Random(number)
    hosts = chance.randint(3, 7)
    found = balanced(chance)
    weights = chance.choice(((1,), (1, 2, 5)))
    found["load_assignment"] = {
        "cluster_name": "c",
        "endpoints": places(chance, hosts, chance.choice((1, 2, 3)), weights),
    }
    if chance.random() < 0.8:
        found["outlier_detection"] = detection(chance)
    route: dict[str, Any] = {}
    if chance.random() < 0.5:
        route["retry_policy"] = retried(chance)
    if found["lb_policy"] in ("RING_HASH", "MAGLEV") and chance.random() < 0.8:
        route["hash_policy"] = [{"header": {"header_name": "x-key"}}]
    # Sent at given instants: what a client sends that waits for answers depends on how fast it is itself.
    steps: list[dict[str, Any]] = [
        {"every": 15, "count": 70, "at": 2 * n, "headers": {"x-key": f"key {chance.randrange(1000)}"}}
        for n in range(chance.choice((3, 7)))
    ]
    made = make_experiment(steps, scripts=failing(chance, hosts), route=route, cluster=found, hosts=hosts)
    made.body["config"]["concurrency"] = chance.choice((1, 1, 3))  # type: ignore[index]
    return made


def starting_experiment(number: int) -> Fields:
    """Hosts that come, and others that were ejected, start slowly."""
    chance = random.Random(number)
    hosts = chance.randint(2, 4)
    policy = chance.choice(("round_robin", "least_request"))
    config: dict[str, Any] = {"slow_start_config": slow_start(chance)}
    if policy == "least_request" and chance.random() < 0.6:
        bias = {"default_value": chance.choice((0.0, 0.5, 2.0)), "runtime_key": "bias"}
        config["active_request_bias"] = bias
    weights = chance.choice(((1,), (1, 3)))

    def assigned(count: int) -> dict[str, Any]:
        own = random.Random(number)
        ends = [endpoint(n, load_balancing_weight=own.choice(weights)) for n in range(count)]
        return {"cluster_name": "c", "endpoints": [{"lb_endpoints": ends}]}

    found: dict[str, Any] = {
        "type": "EDS",
        "load_assignment": None,
        "eds_cluster_config": {"eds_config": {"path_config_source": {"path": "./c.json"}}},
        "lb_policy": policy.upper(),
        f"{policy}_lb_config": config,
        "common_lb_config": {"update_merge_window": "0s"},
    }
    scripts = {host: {"default": {"delay_ms": chance.choice((2, 10))}} for host in range(hosts)}
    if chance.random() < 0.5:
        found["outlier_detection"] = {**detection(chance), "max_ejection_percent": 50}
        scripts[0]["windows"] = [[900, 1000, {"status": 503}]]  # type: ignore[dict-item]
    steps: list[dict[str, Any]] = [
        {"every": 4, "count": 500},
        {"eds_update": {"file": "c.json", "assignment": assigned(hosts)}, "at": 700},
    ]
    made = make_experiment(steps, scripts=scripts, cluster=found, hosts=hosts)
    made.body["config"]["eds"] = {"c.json": assigned(hosts - 1)}  # type: ignore[index]
    return made


def recorded(experiment: Fields, runs: int) -> Fields:
    with tempfile.TemporaryDirectory(prefix="sp", dir="/tmp") as folder:
        return recorded_experiment(experiment, Path(folder), PORT, runs)


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_random_balancing(number: int) -> None:
    assert list(compare_experiment(recorded(spread_experiment(number), 2))) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_slow_starts(number: int) -> None:
    assert list(compare_experiment(recorded(starting_experiment(number), 2))) == []
