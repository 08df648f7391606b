"""Random limits on a real Envoy and in the event core: of priorities, hosts, connections, faults and tokens.

MESHSIM_LIMIT_EXPERIMENTS sets the size of a longer run.
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
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.dynamics import compare_experiment

EXPERIMENTS = int(os.environ.get("MESHSIM_LIMIT_EXPERIMENTS", "2"))
PORT = 25953
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ALWAYS = {"default_value": {"numerator": 100}}

pytestmark = pytest.mark.needs_envoy


def prepended(experiment: Fields, name: str, config: dict[str, Any]) -> None:
    """Put a filter before the others."""
    manager = experiment.body["config"]["http_connection_manager"]  # type: ignore[index]
    manager["http_filters"] = [{"name": name, "typed_config": config}, *manager["http_filters"]]


def two_priorities(experiment: Fields, route: dict[str, Any]) -> None:
    """Requests for /h have high priority."""
    manager = experiment.body["config"]["http_connection_manager"]  # type: ignore[index]
    (host,) = manager["route_config"]["virtual_hosts"]
    host["routes"] = [
        {"match": {"prefix": "/h"}, "route": {"cluster": "c", "priority": "HIGH", **route}},
        {"match": {"prefix": "/"}, "route": {"cluster": "c", **route}},
    ]


def thresholds(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in (
        ("max_requests", (1, 2, 5)),
        ("max_pending_requests", (1, 2, 4)),
        ("max_connections", (1, 2, 4)),
        ("max_retries", (0, 1, 20)),
    ):
        if chance.random() < 0.4:
            found[name] = chance.choice(values)
    return found


def crowded_experiment(number: int) -> Fields:
    """More requests at once than limits let through, of both priorities, some of which are retried."""
    chance = random.Random(number)
    hosts = chance.randint(1, 3)
    breakers: dict[str, Any] = {
        "thresholds": [{"priority": name, **thresholds(chance)} for name in ("DEFAULT", "HIGH")],
    }
    if chance.random() < 0.4:
        priority = chance.choice(("DEFAULT", "HIGH"))
        breakers["per_host_thresholds"] = [{"priority": priority, "max_connections": chance.choice((1, 2, 3))}]
    cluster: dict[str, Any] = {
        "lb_policy": chance.choice(("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM")),
        "circuit_breakers": breakers,
        "connection_pool_per_downstream_connection": chance.random() < 0.3,
    }
    if chance.random() < 0.3:
        cluster["typed_extension_protocol_options"] = {
            OPTIONS: {
                "@type": f"type.googleapis.com/{OPTIONS}",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"max_requests_per_connection": chance.choice((1, 3))},
            }
        }
    route: dict[str, Any] = {}
    if chance.random() < 0.5:
        back_off = {"base_interval": "0.001s", "max_interval": "0.001s"}
        route["retry_policy"] = {"retry_on": "5xx", "num_retries": 2, "retry_back_off": back_off}
    scripts: dict[int, dict[str, Any]] = {}
    for host in range(hosts):
        answers = [{"delay_ms": chance.choice((5, 25, 45))} for _ in range(2)]
        if chance.random() < 0.5:
            answers.append({"status": 503, "delay_ms": 5})
        scripts[host] = {"cycle": answers}
    # Clients that wait for answers would send more the faster they are told that there is no room. Between the end of
    # a request and the next one there are some milliseconds.
    steps = [{"path": path, "every": 20, "count": 80, "at": at} for path, at in (("/d", 0), ("/h", 10))]
    made = make_experiment(steps, scripts=scripts, cluster=cluster, hosts=hosts)
    two_priorities(made, route)
    return made


def connections_experiment(number: int) -> Fields:
    """Requests one after another, whose number of connections is told exactly."""
    chance = random.Random(number)
    cluster: dict[str, Any] = {
        "lb_policy": "ROUND_ROBIN",
        "connection_pool_per_downstream_connection": chance.random() < 0.6,
    }
    if chance.random() < 0.4:
        ratio = chance.choice((1.2, 1.5, 2.0, 3.0))
        cluster["preconnect_policy"] = {"per_upstream_preconnect_ratio": ratio}
    if chance.random() < 0.6:
        common = {"max_requests_per_connection": chance.choice((1, 2, 3, 5))}
        if chance.random() < 0.3:
            common["max_connection_duration"] = chance.choice(("0.3s", "0.6s"))
        cluster["typed_extension_protocol_options"] = {
            OPTIONS: {
                "@type": f"type.googleapis.com/{OPTIONS}",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": common,
            }
        }
    route: dict[str, Any] = {}
    if chance.random() < 0.5:
        back_off = {"base_interval": "0.001s", "max_interval": "0.001s"}
        route["retry_policy"] = {"retry_on": "5xx", "num_retries": chance.choice((1, 2)), "retry_back_off": back_off}
    answers = [
        {},
        {},
        {},
        {"close": True},
        {"status": 503},
        {"reset": "before_headers"},
        {"status": 404, "close": True},
    ]
    matrix = []
    for _ in range(25):
        request: dict[str, Any] = {"path": chance.choice(("/d", "/d", "/h")), "fresh": chance.random() < 0.3}
        request["upstream"] = [dict(chance.choice(answers)) for _ in range(3)]
        matrix.append(request)
    hosts = chance.randint(1, 2)
    made = make_experiment([{"matrix": matrix, "gap": 12}], cluster=cluster, hosts=hosts)
    two_priorities(made, route)
    return made


def pools_experiment(number: int) -> Fields:
    """Hosts of which only some may have a pool of connections at once, of both priorities."""
    chance = random.Random(number)
    common: dict[str, Any] = {}
    if chance.random() < 0.5:
        common["max_requests_per_connection"] = chance.choice((1, 3))
    kind = chance.choice(("http_protocol_options", "http2_protocol_options"))
    options = {
        "@type": f"type.googleapis.com/{OPTIONS}",
        "explicit_http_config": {kind: {}},
        "common_http_protocol_options": common,
    }
    limits = [
        {"priority": name, "max_connection_pools": chance.choice((0, 1, 2, 3))}
        for name in ("DEFAULT", "HIGH")
        if name == "DEFAULT" or chance.random() < 0.7
    ]
    cluster: dict[str, Any] = {
        "circuit_breakers": {"thresholds": limits},
        "typed_extension_protocol_options": {OPTIONS: options},
    }
    route: dict[str, Any] = {}
    if chance.random() < 0.5:
        back_off = {"base_interval": "0.001s", "max_interval": "0.001s"}
        route["retry_policy"] = {"retry_on": "5xx", "num_retries": 1, "retry_back_off": back_off}
    answers: list[dict[str, Any]] = [{}, {}, {"status": 503}, {"delay_ms": 8}, {"reset": "before_headers"}]
    matrix = [
        {"path": chance.choice(("/d", "/d", "/h")), "upstream": [dict(chance.choice(answers)) for _ in range(2)]}
        for _ in range(25)
    ]
    script = {"proto": "h2"} if kind.startswith("http2") else {}
    hosts = chance.randint(2, 4)
    made = make_experiment(
        [{"matrix": matrix, "gap": 14}], cluster=cluster, hosts=hosts, scripts=dict.fromkeys(range(hosts), script)
    )
    two_priorities(made, route)
    return made


def faulty_experiment(number: int) -> Fields:
    """Delays, aborts and slow answers, of which there may be few at once."""
    chance = random.Random(number)
    fault: dict[str, Any] = {"@type": FAULT}
    if chance.random() < 0.7:
        share = {"numerator": chance.choice((30, 60, 100))}
        fault["delay"] = {"fixed_delay": chance.choice(("0.03s", "0.1s")), "percentage": share}
    if chance.random() < 0.5:
        fault["abort"] = {"http_status": 418, "percentage": {"numerator": chance.choice((20, 50))}}
    if chance.random() < 0.6:
        rate = {"limit_kbps": chance.choice((10, 40, 200))}
        share = {"numerator": chance.choice((50, 100))}
        fault["response_rate_limit"] = {"fixed_limit": rate, "percentage": share}
    if chance.random() < 0.7:
        fault["max_active_faults"] = chance.choice((0, 1, 2, 4))
    scripts = {0: {"cycle": [{"body_bytes": size, "delay_ms": 5} for size in (10, 3000, 12_000)]}}
    steps = [
        chance.choice(({"closed_loop": chance.choice((3, 8)), "count": 150}, {"every": 15, "count": 150})),
    ]
    if chance.random() < 0.3:
        steps.append({"at": 100, "burst": 8, "abort_after_ms": 60})
    limits = {"max_requests": chance.choice((2, 1024))}
    made = make_experiment(steps, scripts=scripts, cluster={"circuit_breakers": {"thresholds": [limits]}})
    prepended(made, "fault", fault)
    return made


def tokens_experiment(number: int) -> Fields:
    """Clients whose connections have tokens of their own, or share them."""
    chance = random.Random(number)
    bucket = {
        "max_tokens": chance.choice((2, 5, 20)),
        "tokens_per_fill": chance.choice((1, 5)),
        "fill_interval": chance.choice(("0.1s", "0.5s", "60s")),
    }
    tokens = {
        "@type": LIMIT,
        "stat_prefix": "l",
        "token_bucket": bucket,
        "filter_enabled": chance.choice((ALWAYS, {"default_value": {"numerator": 60}})),
        "filter_enforced": chance.choice((ALWAYS, ALWAYS, {"default_value": {"numerator": 50}})),
        "local_rate_limit_per_downstream_connection": chance.random() < 0.75,
    }
    steps = [
        {"closed_loop": chance.choice((1, 4, 7)), "count": 150},
        {"at": 100, "path": "/a", "sequential": 40, "fresh": chance.random() < 0.3},
    ]
    made = make_experiment(steps, scripts={0: {"default": {"delay_ms": 10}}})
    if chance.random() < 0.4:
        manager = made.body["config"]["http_connection_manager"]  # type: ignore[index]
        (host,) = manager["route_config"]["virtual_hosts"]
        own = {**tokens, "token_bucket": {**bucket, "max_tokens": 8}}
        one = {"match": {"prefix": "/a"}, "route": {"cluster": "c"}, "typed_per_filter_config": {"limit": own}}
        host["routes"] = [one, *host["routes"]]
    prepended(made, "limit", tokens)
    return made


def recorded(experiment: Fields, runs: int, **more: Any) -> Fields:
    with tempfile.TemporaryDirectory(prefix="li", dir="/tmp") as folder:
        return recorded_experiment(experiment, Path(folder), PORT, runs, **more)


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_limits_of_priorities_and_hosts(number: int) -> None:
    assert list(compare_experiment(recorded(crowded_experiment(number), 2))) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_connections_one_by_one(number: int) -> None:
    """Every status, flag, attempt, host and counter, those of connections among them."""
    found = recorded(connections_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert list(compare_experiment(found)) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_limits_of_pools(number: int) -> None:
    found = recorded(pools_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert list(compare_experiment(found)) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_limits_of_faults(number: int) -> None:
    assert list(compare_experiment(recorded(faulty_experiment(number), 2))) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_tokens_of_connections(number: int) -> None:
    assert list(compare_experiment(recorded(tokens_experiment(number), 2))) == []
