"""Random clusters with subsets on a real Envoy and in the event core.

Selectors, fallbacks, lists, single hosts, weights of localities, ejections and limits that all subsets share, routes of
high priority.

MESHSIM_SUBSET_EXPERIMENTS sets the size of a longer run.
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

EXPERIMENTS = int(os.environ.get("MESHSIM_SUBSET_EXPERIMENTS", "4"))
PORT = 25952
KEYS = (["v"], ["stage"], ["stage", "v"])

pytestmark = pytest.mark.needs_envoy


def labels(chance: random.Random) -> dict[str, Any]:
    """What a host says of itself."""
    found: dict[str, Any] = {}
    if chance.random() < 0.9:
        found["v"] = chance.choice(("1", "1", "2", ["1", "3"], 4))
    if chance.random() < 0.7:
        found["stage"] = chance.choice(("prod", "test"))
    return found


def wanted(chance: random.Random) -> dict[str, Any]:
    """What a route asks for."""
    found: dict[str, Any] = {}
    if chance.random() < 0.8:
        found["v"] = chance.choice(("1", "1", "2", "3", "9", 4))
    if chance.random() < 0.4:
        found["stage"] = chance.choice(("prod", "test", "none"))
    if chance.random() < 0.15:
        found["fallback_list"] = [{"v": chance.choice(("9", "2"))}, {"v": "1", "stage": "prod"}]
    return found


def selector(chance: random.Random) -> dict[str, Any]:
    keys = chance.choice(KEYS)
    found: dict[str, Any] = {"keys": keys}
    policies = ["NOT_DEFINED", "NOT_DEFINED", "NO_FALLBACK", "ANY_ENDPOINT", "DEFAULT_SUBSET"]
    if len(keys) > 1:
        policies += ["KEYS_SUBSET"] * 3
    found["fallback_policy"] = chance.choice(policies)
    if found["fallback_policy"] == "KEYS_SUBSET":
        found["fallback_keys_subset"] = [chance.choice(keys)]
    if len(keys) == 1 and chance.random() < 0.2:
        found["single_host_per_subset"] = True
    return found


def subsets(chance: random.Random) -> dict[str, Any]:
    selectors = {tuple(one["keys"]): one for one in (selector(chance) for _ in range(chance.randint(1, 3)))}
    return {
        "subset_selectors": list(selectors.values()),
        "fallback_policy": chance.choice(("NO_FALLBACK", "ANY_ENDPOINT", "DEFAULT_SUBSET")),
        "default_subset": chance.choice(({"v": "1"}, {"v": "2"}, {"stage": "prod"}, {})),
        "panic_mode_any": chance.random() < 0.3,
        "list_as_any": chance.random() < 0.5,
        "metadata_fallback_policy": chance.choice(("METADATA_NO_FALLBACK", "FALLBACK_LIST")),
    }


def places(chance: random.Random, hosts: int) -> list[dict[str, Any]]:
    """The hosts in two localities, and perhaps some of them at a second priority."""
    groups: dict[tuple[str, int], dict[str, Any]] = {}
    for number in range(hosts):
        zone = chance.choice("ab")
        priority = 1 if chance.random() < 0.15 and number else 0
        health = chance.choice(("HEALTHY", "HEALTHY", "HEALTHY", "UNHEALTHY", "DEGRADED"))
        more: dict[str, Any] = {"health_status": health}
        own = labels(chance)
        if own:
            more["metadata"] = {"filter_metadata": {"envoy.lb": own}}
        group = groups.setdefault(
            (zone, priority),
            {
                "locality": {"zone": zone},
                "priority": priority,
                "load_balancing_weight": {"a": 1, "b": 3}[zone],
                "lb_endpoints": [],
            },
        )
        group["lb_endpoints"].append(endpoint(number, **more))
    return list(groups.values())


def cluster(chance: random.Random, hosts: int) -> dict[str, Any]:
    common: dict[str, Any] = {
        "update_merge_window": chance.choice(("0s", "0s", "1s")),
        "healthy_panic_threshold": {"value": chance.choice((0, 50, 50))},
    }
    chosen = subsets(chance)
    if chance.random() < 0.5:
        common["locality_weighted_lb_config"] = {}
        chosen["locality_weight_aware"] = chance.random() < 0.7
        chosen["scale_locality_weight"] = chance.random() < 0.5
    limits = [
        {"priority": name, "max_requests": chance.choice((1, 2, 1024, 1024)), "max_retries": 1024}
        for name in ("HIGH", "DEFAULT")
    ]
    found: dict[str, Any] = {
        "lb_policy": chance.choice(("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV")),
        "lb_subset_config": chosen,
        "common_lb_config": common,
        "circuit_breakers": {"thresholds": limits},
        "load_assignment": {"cluster_name": "c", "endpoints": places(chance, hosts)},
    }
    if chance.random() < 0.6:
        found["outlier_detection"] = {
            "interval": "0.2s",
            "base_ejection_time": chance.choice(("0.3s", "5s")),
            "consecutive_5xx": chance.choice((1, 3)),
            "max_ejection_percent": chance.choice((30, 60, 100)),
            "enforcing_success_rate": 0,
        }
    return found


def subset_experiment(number: int) -> Fields:
    chance = random.Random(number)
    hosts = chance.randint(3, 6)
    scripts: dict[int, dict[str, Any]] = {}
    for host in range(hosts):
        # Between one and two times what lies between requests: a late answer changes nothing for the next of them.
        failed, well = {"status": 503, "delay_ms": 24}, {"delay_ms": 24}
        if chance.random() < 0.3:
            # Answers that alternate would fall into step with the requests.
            begin = chance.choice((0, 250))
            scripts[host] = {"default": well, "windows": [[begin, begin + chance.choice((300, 5000)), failed]]}
        else:
            scripts[host] = {"default": well}
    paths = [f"/{n}" for n in range(chance.randint(1, 3))]
    steps = [
        {"path": path, "every": 16 * len(paths), "count": 120 // len(paths), "at": 16 * n}
        for n, path in enumerate(paths)
    ]
    made = make_experiment(steps, scripts=scripts, cluster=cluster(chance, hosts), hosts=hosts)
    manager = made.body["config"]["http_connection_manager"]  # type: ignore[index]
    (virtual_host,) = manager["route_config"]["virtual_hosts"]
    virtual_host["routes"] = [{"match": {"prefix": path}, "route": route(chance)} for path in paths]
    return made


def route(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {"cluster": "c"}
    match = wanted(chance)
    if match:
        found["metadata_match"] = {"filter_metadata": {"envoy.lb": match}}
    if chance.random() < 0.3:
        found["priority"] = "HIGH"
    if chance.random() < 0.4:
        found["retry_policy"] = {
            "retry_on": "5xx",
            "num_retries": 2,
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        }
    if chance.random() < 0.3 and match:
        own = {"metadata_match": {"filter_metadata": {"envoy.lb": wanted(chance)}}}
        split = [{"name": "c", "weight": 1}, {"name": "c", "weight": 2, **own}]
        found = {**found, "weighted_clusters": {"clusters": split}}
        del found["cluster"]
    return found


def recorded(experiment: Fields, runs: int) -> Fields:
    with tempfile.TemporaryDirectory(prefix="ss", dir="/tmp") as folder:
        return recorded_experiment(experiment, Path(folder), PORT, runs)


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_random_subsets(number: int) -> None:
    assert list(compare_experiment(recorded(subset_experiment(number), 2))) == []
