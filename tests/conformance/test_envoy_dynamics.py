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
from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.dynamics import compare_experiment
from meshsim.world.verify.dynamics_replay import play

EXPERIMENTS = int(os.environ.get("MESHSIM_DYNAMICS_EXPERIMENTS", "8"))
PORT = 25951
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
SLOW_MS = 6
BUFFER = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer"
LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
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


def hedged_experiment(number: int) -> Fields:
    """Slow, failing and hanging answers to requests whose attempts go on beside their retries; what would end another
    way if everything took a little longer is left out."""
    chance = random.Random(number)
    answers = [
        {"status": status, "delay_ms": delay}
        for status in (200, 200, 503, 404)
        for delay in (5, 70, 130, 190, 260, 330)
    ]
    answers += [{"hang": True}, {"reset": "before_headers", "delay_ms": 80}, {"status": 200, "body_delay_ms": 90}]
    candidates = [
        {"upstream": [dict(chance.choice(answers)) for _ in range(4)], "client_timeout_ms": 3000} for _ in range(16)
    ]
    policy = {
        "retry_on": chance.choice(("5xx", "gateway-error", "reset", "retriable-status-codes")),
        "num_retries": chance.choice((1, 2, 3)),
        "retriable_status_codes": [404],
        "per_try_timeout": "0.1s",
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
    }
    limits = {"max_retries": chance.choice((0, 1, 20, 20))}
    route = {
        "retry_policy": policy,
        "hedge_policy": {"hedge_on_per_try_timeout": True},
        "timeout": chance.choice(("0s", "0.25s", "0.6s")),
    }
    cluster = {"circuit_breakers": {"thresholds": [limits]}, "lb_policy": "ROUND_ROBIN"}
    hosts = chance.randint(1, 3)

    def made(*matrix: dict[str, Any]) -> Fields:
        return make_experiment([{"matrix": list(matrix), "gap": 40}], route=route, cluster=cluster, hosts=hosts)

    return made(*[one for one in candidates if _end(made(one)) == _end(made(_slowed(one)))][:8])


def slow_experiment(number: int) -> Fields:
    """Bodies that come later than their headers, or never, under all timeouts that look at them, buffer limits and
    retries."""
    chance = random.Random(number)
    answers = [{"status": status, "delay_ms": delay} for status in (200, 200, 503) for delay in (5, 70, 190, 330)]
    answers += [{"hang": True}, {"reset": "before_headers", "delay_ms": 80}, {"status": 200, "body_delay_ms": 90}]
    candidates: list[dict[str, Any]] = []
    for _ in range(16):
        request: dict[str, Any] = {"method": "POST", "body_bytes": chance.choice((20, 1000, 1001, 5000))}
        if chance.random() < 0.7:
            request["body_after_ms"] = chance.choice((40, 120, 270))
        elif chance.random() < 0.4:
            request["body_never"] = True
        own = [dict(chance.choice(answers)) for _ in range(3)]
        candidates.append({**request, "upstream": own, "client_timeout_ms": 1500})
    route: dict[str, Any] = {"timeout": chance.choice(("0s", "0.24s", "0.6s"))}
    if chance.random() < 0.7:
        route["retry_policy"] = {
            "retry_on": "5xx",
            "num_retries": chance.choice((1, 2)),
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
            **({"per_try_timeout": "0.1s"} if chance.random() < 0.5 else {}),
        }
    settings: dict[str, Any] = {}
    if chance.random() < 0.4:
        settings["request_timeout"] = chance.choice(("0.08s", "0.2s"))
    if chance.random() < 0.4:
        settings["stream_idle_timeout"] = chance.choice(("0.15s", "0.4s"))
    limit = chance.choice((None, None, 1000, 1500))
    buffer = {"@type": BUFFER, "max_request_bytes": 1000} if chance.random() < 0.3 else None
    hosts = chance.randint(1, 2)

    def made(*matrix: dict[str, Any]) -> Fields:
        found = make_experiment([{"matrix": list(matrix), "gap": 40}], route=route, hosts=hosts)
        manager = found.body["config"]["http_connection_manager"]  # type: ignore[index]
        manager.update(settings)
        if limit:
            manager["route_config"]["virtual_hosts"][0]["routes"][0]["request_body_buffer_limit"] = limit
        if buffer:
            manager["http_filters"] = [{"name": "buffer", "typed_config": buffer}, *manager["http_filters"]]
        return found

    return made(*[one for one in candidates if _end(made(one)) == _end(made(_slowed(one)))][:8])


def redirect_experiment(number: int) -> Fields:
    """Answers that redirect, on routes that have the proxy follow some of them, with retries and timeouts."""
    chance = random.Random(number)
    places = ("http://t/a", "http://t/b?x=1", "http://other:81/c", "http://t/none", "/b", "https://t/b", "")
    candidates: list[dict[str, Any]] = []
    for _ in range(16):
        own = []
        for _ in range(4):
            answer: dict[str, Any] = {"status": chance.choice((302, 302, 302, 307, 303, 503, 200))}
            if 300 < answer["status"] < 400:
                answer["headers"] = {"location": chance.choice(places[:4] * 3 + places[4:])}
            answer["delay_ms"] = chance.choice((0, 30, 130))
            answer.update(chance.choice(({}, {"body_bytes": 0}, {"body_delay_ms": 40})))
            own.append(answer)
        request = {"path": chance.choice(("/a", "/a", "/b", "/c")), "upstream": own, "client_timeout_ms": 1500}
        if chance.random() < 0.4:
            request.update(chance.choice(({"body_bytes": 20}, {"body_bytes": 20, "body_after_ms": 60})), method="POST")
        candidates.append(request)
    routes = [_redirecting(chance, path) for path in ("/a", "/b", "/c")]

    def made(*matrix: dict[str, Any]) -> Fields:
        found = make_experiment([{"matrix": list(matrix), "gap": 40}])
        manager = found.body["config"]["http_connection_manager"]  # type: ignore[index]
        manager["route_config"]["virtual_hosts"][0]["routes"] = routes
        return found

    return made(*[one for one in candidates if _end(made(one)) == _end(made(_slowed(one)))][:8])


def _redirecting(chance: random.Random, path: str) -> dict[str, Any]:
    """A route with what it says about redirects."""
    policy: dict[str, Any] = {}
    if chance.random() < 0.5:
        policy["max_internal_redirects"] = chance.choice((2, 3))
    if chance.random() < 0.4:
        policy["redirect_response_codes"] = [302, 303, 307]
    if chance.random() < 0.3:
        policy["allow_cross_scheme_redirect"] = True
    if chance.random() < 0.4:
        policy["predicates"] = [_predicate(chance)]
    action: dict[str, Any] = {"cluster": "c", "timeout": chance.choice(("0s", "0.2s"))}
    if chance.random() < 0.8:
        action["internal_redirect_policy"] = policy
    if chance.random() < 0.5:
        back_off = {"base_interval": "0.001s", "max_interval": "0.001s"}
        action["retry_policy"] = {"retry_on": "5xx", "num_retries": 1, "retry_back_off": back_off}
    return {"name": path[1:], "match": {"prefix": path}, "route": action}


def _predicate(chance: random.Random) -> dict[str, Any]:
    name, config = chance.choice(
        (
            ("previous_routes", "PreviousRoutesConfig"),
            ("safe_cross_scheme", "SafeCrossSchemeConfig"),
            ("allow_listed_routes", "AllowListedRoutesConfig"),
        )
    )
    typed: dict[str, Any] = {"@type": f"type.googleapis.com/envoy.extensions.internal_redirect.{name}.v3.{config}"}
    if name == "allow_listed_routes":
        typed["allowed_route_names"] = ["a", "b"]
    return {"name": name, "typed_config": typed}


def _slowed(request: dict[str, Any]) -> dict[str, Any]:
    """The request with answers as late as a busy machine makes them."""
    later = [{**entry, "delay_ms": entry.get("delay_ms", 0) + SLOW_MS} for entry in request["upstream"]]
    return {**request, "upstream": later}


def _end(experiment: Fields) -> tuple[int, int, int]:
    """Status, flags and attempts of the one request of an experiment."""
    sent = play(experiment, 1).requests[0]
    return sent.status, sent.flags, sent.attempts


def random_experiment(number: int) -> Fields:
    chance = random.Random(number)
    hosts = chance.randint(1, 5)
    route: dict[str, Any] = {}
    if chance.random() < 0.75:
        route["retry_policy"] = retries(chance)
    if chance.random() < 0.4:
        route["timeout"] = chance.choice(("0.1s", "0.3s"))
    if "per_try_timeout" in route.get("retry_policy", {}) and chance.random() < 0.4:
        route["hedge_policy"] = {"hedge_on_per_try_timeout": True}
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


def limited_experiment(limit_first: bool) -> Fields:
    """Forty requests past ten tokens and a fault for half of them; two paths have tokens of their own."""
    made = make_experiment([{"sequential": 40}, {"sequential": 20, "path": "/a"}, {"sequential": 20, "path": "/b"}])
    manager = made.body["config"]["http_connection_manager"]  # type: ignore[index]
    always = {"default_value": {"numerator": 100}}
    tokens = {
        "@type": LIMIT,
        "stat_prefix": "l",
        "token_bucket": {"max_tokens": 10, "tokens_per_fill": 1, "fill_interval": "600s"},
        "filter_enabled": always,
        "filter_enforced": always,
    }
    fault = {"@type": FAULT, "abort": {"http_status": 418, "percentage": {"numerator": 50}}}
    filters = [{"name": "limit", "typed_config": tokens}, {"name": "fault", "typed_config": fault}]
    manager["http_filters"] = [*(filters if limit_first else reversed(filters)), *manager["http_filters"]]
    (host,) = manager["route_config"]["virtual_hosts"]
    own = [
        {"match": {"prefix": path}, "route": {"cluster": "c"}, "typed_per_filter_config": {"limit": tokens}}
        for path in ("/a", "/b")
    ]
    host["routes"] = [*own, *host["routes"]]
    return made


def local_failures(number: int) -> Fields:
    """Hosts that answer too late, or break connections, under detectors of split off failures."""
    chance = random.Random(number)
    outlier = {
        "interval": "0.6s",
        "base_ejection_time": "5s",
        "max_ejection_percent": 100,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 1000,
        "consecutive_5xx": 1000,
        "consecutive_gateway_failure": 1000,
        "enforcing_success_rate": 0,
        "success_rate_minimum_hosts": 5,
        "success_rate_request_volume": 20,
        "success_rate_stdev_factor": chance.choice((1000, 1900)),
        "enforcing_failure_percentage_local_origin": chance.choice((0, 100)),
        "failure_percentage_request_volume": 20,
        "failure_percentage_threshold": chance.choice((45, 85)),
    }
    slow = {"cycle": [{"delay_ms": 150}] * chance.choice((1, 2)) + [{}] * chance.choice((0, 1, 2))}
    scripts = {0: slow, 1: {"down": True} if chance.random() < 0.4 else {}}
    cluster = {"lb_policy": "ROUND_ROBIN", "outlier_detection": outlier}
    steps = [{"count": 330, "every": 4}]
    return make_experiment(steps, scripts=scripts, route={"timeout": "0.06s"}, cluster=cluster, hosts=6)


def guarded_experiment(parts: int, weights: tuple[int, int]) -> Fields:
    """A runtime fraction guards a route with two weighted clusters, all else goes to one: one number decides both."""
    made = make_experiment([{"sequential": 600}], hosts=2)
    config = made.body["config"]
    (both,) = config["clusters"]  # type: ignore[index]
    groups = both["load_assignment"]["endpoints"][0]["lb_endpoints"]
    config["clusters"] = [  # type: ignore[index]
        {**both, "name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [group]}]}}
        for name, group in zip("cd", groups, strict=True)
    ]
    (host,) = config["http_connection_manager"]["route_config"]["virtual_hosts"]  # type: ignore[index]
    split = [{"name": name, "weight": weight} for name, weight in zip("cd", weights, strict=True)]
    guarded = {
        "match": {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": parts}}},
        "route": {"weighted_clusters": {"clusters": split}},
    }
    host["routes"] = [guarded, {"match": {"prefix": "/"}, "direct_response": {"status": 418}}]
    return made


def recorded(experiment: Fields, runs: int, **more: Any) -> Fields:
    with tempfile.TemporaryDirectory(prefix="dy", dir="/tmp") as folder:
        return recorded_experiment(experiment, Path(folder), PORT, runs, **more)


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_a_random_experiment(number: int) -> None:
    assert list(compare_experiment(recorded(random_experiment(number), 2))) == []


@pytest.mark.parametrize("limit_first", [True, False])
@measured_again
def test_faults_and_limits_in_both_orders(limit_first: bool) -> None:
    assert list(compare_experiment(recorded(limited_experiment(limit_first), 2))) == []


@pytest.mark.parametrize(("parts", "weights"), [(50, (50, 50)), (75, (50, 50)), (30, (1, 2))])
@measured_again
def test_a_guarded_route_is_drawn_for_each_request(parts: int, weights: tuple[int, int]) -> None:
    assert list(compare_experiment(recorded(guarded_experiment(parts, weights), 2))) == []


@pytest.mark.parametrize("number", range(4))
@measured_again
def test_rates_of_local_failures(number: int) -> None:
    assert list(compare_experiment(recorded(local_failures(number), 2))) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_hedging(number: int) -> None:
    """Requests one after another: every status, flag, attempt, host and counter, and times as the timers have them."""
    found = recorded(hedged_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert list(compare_experiment(found)) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_bodies_that_come_late(number: int) -> None:
    found = recorded(slow_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert list(compare_experiment(found)) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_redirects_that_are_followed(number: int) -> None:
    found = recorded(redirect_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert list(compare_experiment(found)) == []
