"""Workloads and traffic."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshsim.scenario.load import Arrivals, Style, Traffic, Workload
from meshsim.units import SECOND


def traffic(**given: object) -> Traffic:
    base: dict[str, object] = {"name": "t", "through": "gateway", "request": {"host": "shop.example.com"}}
    base |= {key.rstrip("_"): value for key, value in given.items()}
    return Traffic.model_validate({key: value for key, value in base.items() if value is not None})


def test_calls_are_hosts_with_ports_one_after_the_other_or_at_once() -> None:
    workload = Workload.model_validate(
        {
            "match": {"app": "page"},
            "calls": [
                "details:9080",
                {"parallel": ["a:1", {"to": "b.depot:2", "path": "/x", "probability": "10%", "optional": True}]},
            ],
        }
    )
    first, second = workload.call_groups
    assert [(call.host, call.port, call.probability) for call in first] == [("details", 9080, 1.0)]
    assert [(call.host, call.port, call.optional) for call in second] == [("a", 1, False), ("b.depot", 2, True)]
    assert second[1].probability == 0.1


@pytest.mark.parametrize(
    "call", ["details", "details:x", "http://details:80", {"path": "/"}, {"to": "a:1", "path": "x"}, 5]
)
def test_calls_that_lead_nowhere(call: object) -> None:
    with pytest.raises(ValidationError):
        Workload.model_validate({"match": {"app": "page"}, "calls": [call]})


def test_a_worker_is_a_thread_unless_said_otherwise() -> None:
    assert Workload.model_validate({"match": {"a": "b"}}).serve.style is Style.THREADS
    serving = Workload.model_validate({"match": {"a": "b"}, "serve": {"style": "async"}}).serve
    assert serving.style is Style.ASYNC


def test_an_open_loop_has_a_rate() -> None:
    found = traffic(rate="50/s", start="10s")
    assert (found.rate, found.arrivals, found.start, found.stop) == (50.0, Arrivals.POISSON, 10 * SECOND, None)
    assert found.through is not None
    assert (found.request.hostname, found.request.port) == ("shop.example.com", 80)


def test_a_closed_loop_has_users_who_think() -> None:
    assert traffic(users=5, think="exponential(2s)").users == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs one of 'rate', 'ramp', 'series', 'bursts', 'replay', 'users' or 'userRamp'"),
        ({"rate": "1/s", "users": 1}, "not 'rate' and 'users'"),
        ({"rate": "1/s", "through": None}, "needs one of 'from' or 'through'"),
        ({"rate": "1/s", "from": {"match": {"app": "x"}}}, "not 'from' and 'through'"),
        ({"users": 3}, "need 'think'"),
        ({"rate": "1/s", "think": "1s"}, "'think' belongs to 'users'"),
        ({"users": 3, "think": "1s", "arrivals": "poisson"}, "'arrivals' belongs to 'rate'"),
        ({"rate": "1/s", "start": "5s", "stop": "5s"}, "'stop' must be later"),
        ({"rate": "1/s", "arrivals": "burst"}, "poisson"),
    ],
)
def test_contradictions(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        traffic(**given)
    assert message in str(caught.value)


def test_the_host_may_carry_the_port() -> None:
    request = traffic(rate="1/s", request={"host": "cart:8080", "path": "/x"}).request
    assert (request.hostname, request.port) == ("cart", 8080)
