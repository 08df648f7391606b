"""Workload entries by pod labels."""

from __future__ import annotations

import math

import pytest

from meshsim.api import make_object
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import Shape
from meshsim.scenario import Workload
from meshsim.units import MILLISECOND, parse_distribution
from meshsim.world.behaviour import Behaviours, to_distribution


@pytest.mark.parametrize(
    ("text", "shape", "scale", "spread"),
    [
        ("5ms", Shape.FIXED, 5 * MILLISECOND, 0.0),
        ("exponential(5ms)", Shape.EXPONENTIAL, 5 * MILLISECOND, 0.0),
        ("lognormal(8ms, 1.4)", Shape.LOGNORMAL, 8 * MILLISECOND, math.log(1.4)),
        ("gamma(6ms, 2)", Shape.GAMMA, 6 * MILLISECOND, 2.0),
        ("pareto(3ms, 2.5)", Shape.PARETO, 3 * MILLISECOND, 2.5),
        ("uniform(1ms, 3ms)", Shape.UNIFORM, MILLISECOND, 3.0 * MILLISECOND),
    ],
)
def test_distributions_become_the_engines(text: str, shape: Shape, scale: int, spread: float) -> None:
    made = to_distribution(parse_distribution(text))
    assert (made.shape, made.scale) == (shape, scale)
    assert made.spread == pytest.approx(spread)


def test_quantiles_become_the_engines() -> None:
    made = to_distribution(parse_distribution("empirical(p0 1ms, p50 2ms, p100 9ms)"))
    assert made.shape is Shape.EMPIRICAL
    assert made.quantiles == ((0.0, MILLISECOND), (0.5, 2 * MILLISECOND), (1.0, 9 * MILLISECOND))


def test_the_first_entry_that_matches_counts() -> None:
    workloads = (
        Workload.model_validate({"match": {"app": "a", "version": "v2"}, "serve": {"concurrency": 2}}),
        Workload.model_validate({"match": {"app": "a"}, "calls": ["b:80"]}),
    )
    behaviours = Behaviours(Engine(1, mode="plain"), workloads)

    def pod(**labels: str):  # type: ignore[no-untyped-def]
        return make_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": labels}})

    assert behaviours.of(pod(app="a", version="v2")).workers == 2
    assert [call.to for _, call in behaviours.of(pod(app="a", version="v1")).calls] == ["b:80"]
    assert behaviours.of(pod(app="c")) is behaviours.default
