"""Expectations: structured keys with limits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from meshsim.scenario.expectations import End, Expectation
from meshsim.units import MILLISECOND


def expectation(**given: object) -> Expectation:
    return Expectation.model_validate({"name": "it", **given})


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("success_rate", {"of": "shoppers", "min": "99%"}),
        ("success_rate", {"from": "page", "to": {"app": "reviews", "version": "v2"}, "near": "50%", "tolerance": "2%"}),
        ("share", {"of": {"app": "r", "version": "v2"}, "among": "r", "near": "10%", "during": ["a", "b"]}),
        ("latency", {"to": "r", "p50": {"max": "10ms"}, "p999": {"min": "1ms", "max": "1s"}, "except": "slow"}),
        ("requests", {"to": {"service": "r.default"}, "status": [503, "5xx"], "flags": "URX", "max": 0}),
        ("propagation", {"of": "shift", "last": {"max": "1s"}}),
        ("propagation", {"p99": {"max": "1s"}}),
        ("nacks", {"max": 0}),
    ],
)
def test_kinds(kind: str, detail: dict[str, object]) -> None:
    assert expectation(**{kind: detail}).kind == kind


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs one of"),
        ({"nacks": {"max": 0}, "requests": {"max": 0}}, "not 'requests' and 'nacks'"),
        ({"success_rate": {"of": "a"}}, "needs 'min', 'max' or 'near'"),
        ({"success_rate": {"of": "a", "min": "1%", "near": "1%"}}, "not both"),
        ({"success_rate": {"of": "a", "min": "1%", "tolerance": "1%"}}, "'tolerance' belongs to 'near'"),
        ({"success_rate": {"min": "99%"}}, "needs 'of' (a traffic), 'from' or 'to'"),
        ({"success_rate": {"of": "a", "to": "b", "min": "1%"}}, "not both"),
        ({"latency": {"of": "a"}}, "needs one of 'p50'"),
        ({"latency": {"of": "a", "p99": {}}}, "needs 'min' or 'max'"),
        ({"latency": {"of": "a", "p99": "300ms"}}, "dictionary"),
        ({"requests": {"to": "a"}}, "needs 'min' or 'max'"),
        ({"requests": {"to": "a", "status": "9xx", "max": 1}}, "pattern"),
        ({"propagation": {"of": "a"}}, "needs one of"),
        ({"nacks": {}}, "needs 'min' or 'max'"),
    ],
)
def test_contradictions(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        expectation(**given)
    assert message in str(caught.value)


def test_an_end_may_be_its_app() -> None:
    found = expectation(latency={"to": "reviews", "p99": {"max": "300ms"}}).latency
    assert found is not None
    assert found.to == End(app="reviews")
    assert found.p99 is not None
    assert found.p99.max == 300 * MILLISECOND
