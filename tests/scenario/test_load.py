"""Workloads and traffic."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshsim.scenario.call_graph import references
from meshsim.scenario.load import Arrivals, Call, Style, Traffic, Workload, error_rate
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
    assert isinstance(first[0], Call)
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


def test_sequences_and_groups_hold_each_other() -> None:
    workload = Workload.model_validate(
        {
            "match": {"app": "page"},
            "calls": ["a:1", {"parallel": ["b:2", {"sequence": ["c:3", {"parallel": ["d:4", "e:5"]}, {"to": "f:6"}]}]}],
        }
    )
    assert [reference.path for reference in references(0, workload)] == [
        "workloads[0].calls[0]",
        "workloads[0].calls[1].parallel[0]",
        "workloads[0].calls[1].parallel[1].sequence[0]",
        "workloads[0].calls[1].parallel[1].sequence[1].parallel[0]",
        "workloads[0].calls[1].parallel[1].sequence[1].parallel[1]",
        "workloads[0].calls[1].parallel[1].sequence[2]",
    ]
    assert [reference.call.to for reference in references(0, workload)] == ["a:1", "b:2", "c:3", "d:4", "e:5", "f:6"]


def test_what_code_does_about_its_calls() -> None:
    call = {
        "to": "a:1",
        "times": 3,
        "size": "20KB",
        "errors": {"rate": "5%", "status": 404},
        "timeout": "1s",
        "retries": {"attempts": 2, "backoff": "exponential(10ms)"},
    }
    (made,) = Workload.model_validate({"match": {"app": "page"}, "calls": [call]}).calls
    assert isinstance(made, Call)
    assert (made.times, made.size, made.timeout) == (3, 20_000, SECOND)
    assert made.errors is not None
    assert (made.errors.rate, made.errors.status) == (0.05, 404)
    assert made.retries is not None
    assert made.retries.attempts == 2


def test_what_serving_depends_on() -> None:
    serve = {
        "time": "empirical(p0 1ms, p50 2ms, p100 9ms)",
        "concurrency": 4,
        "queue": 10,
        "cpu": "80%",
        "slowdown": [{"busy": 2, "factor": 1}, {"busy": 4, "factor": 2.5}],
        "errors": [{"rate": "1%"}, {"rate": "2%", "status": 404}],
        "size": "4KiB",
    }
    made = Workload.model_validate({"match": {"app": "page"}, "serve": serve}).serve
    assert made.queue is not None
    assert (made.queue.limit, made.queue.status, made.cpu, made.size) == (10, 503, 0.8, 4096)
    assert [(point.busy, point.factor) for point in made.slowdown] == [(2, 1.0), (4, 2.5)]
    assert error_rate(made.errors) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        ({"queue": 3}, "a 'queue' needs a 'concurrency'"),
        ({"errors": [{"rate": "60%"}, {"rate": "50%"}]}, "more than 100%"),
        ({"slowdown": [{"busy": 2, "factor": 1}, {"busy": 2, "factor": 2}]}, "in the order of 'busy'"),
        ({"slowdown": [{"busy": 2, "factor": 2}, {"busy": 3, "factor": 1}]}, "must not fall"),
        ({"slowdown": [{"busy": 2, "factor": 0}]}, "greater than 0"),
        ({"size": 5}, "bare number 5"),
        ({"size": "3GB"}, "more than 2GB"),
        ({"cpu": "120%"}, "more than 100%"),
    ],
)
def test_serving_that_makes_no_sense(serve: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Workload.model_validate({"match": {"app": "page"}, "serve": serve})
    assert message in str(caught.value)


def test_more_calls_than_anybody_makes_are_refused() -> None:
    calls = [{"parallel": [{"to": "a:1", "times": 1000}, {"sequence": [{"to": "b:1", "times": 1000}] * 10}]}]
    with pytest.raises(ValidationError, match="more than 10000 calls for one request"):
        Workload.model_validate({"match": {"app": "page"}, "calls": calls})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": "1/s", "sessions": {"header": "x-user"}}, "need a 'count'"),
        ({"users": 2, "think": "1s", "sessions": 5}, "leave 'count' out"),
        ({"rate": "1/s", "connections": 2, "sessions": 5}, "leave 'count' out"),
    ],
)
def test_sessions_have_a_number_or_are_users(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        traffic(**given)
    assert message in str(caught.value)
    assert traffic(users=2, think="1s", sessions={"cookie": "user"}).sessions is not None
