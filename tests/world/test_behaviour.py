"""Workload entries by pod labels."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from meshsim.api import make_object
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import CpuSpec, Shape
from meshsim.scenario import Workload
from meshsim.units import MILLISECOND, parse_distribution
from meshsim.world.behaviour import Behaviour, Behaviours, to_distribution

from .conftest import run

FRONT = """
  - apiVersion: v1
    kind: Service
    metadata: {name: front, namespace: shop}
    spec: {selector: {app: front}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""


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

    assert behaviours.of(pod(app="a", version="v2")).pod_spec(-1, 0, 0).workers == 2
    assert [call.to for _, call in behaviours.of(pod(app="a", version="v1")).calls] == ["b:80"]
    assert behaviours.of(pod(app="c")) is behaviours.default


def _made(**workload: object) -> Behaviour:
    entry = Workload.model_validate({"match": {"app": "a"}, **workload})
    behaviours = Behaviours(Engine(1, mode="plain"), (entry,))
    return behaviours.of(
        make_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "a"}}})
    )


def test_pods_have_what_their_entry_says() -> None:
    serve = {"concurrency": 4, "queue": 2, "cpu": "50%", "slowdown": [{"busy": 2, "factor": 3}], "style": "async"}
    spec = _made(serve=serve).pod_spec(3, 5, 20 * MILLISECOND)
    assert (spec.proxy, spec.workload, spec.workers, spec.hold_while_calling) == (3, 5, 4, False)
    assert (spec.queue, spec.full_status, spec.curve) == (2, 503, ((2, 3.0),))
    assert spec.cpu == CpuSpec(share=0.5, quota=20 * MILLISECOND)
    assert _made().pod_spec(3, 5, 20 * MILLISECOND).cpu is None, "no CPU time is told from other time"


def test_each_call_of_an_entry_is_one_of_the_engine() -> None:
    calls = ["a:1", {"to": "b:2", "times": 3}, {"parallel": [{"to": "c:3", "times": 2}, {"sequence": ["d:4", "e:5"]}]}]
    assert [call.to for _, call in _made(calls=calls).calls] == ["a:1", "b:2", "c:3", "d:4", "e:5"]


TREE = """
  - match: {app: front}
    calls:
      - {to: "stock:80", times: 2}
      - parallel:
          - {to: "stock:80", times: 3}
          - sequence: ["stock:80", {parallel: ["stock:80", "stock:80"]}]
          - stock:80
"""


def test_a_tree_of_calls_is_made_as_it_is_written() -> None:
    """Two calls one after the other, then three beside one that two follow beside one: five waves of 5 ms."""
    replay = "  - {name: visit, from: {match: {app: plain}}, request: {host: front.shop}, replay: {at: [1s]}}\n"
    ran = run(timeline=replay, more=FRONT, workloads=TREE)
    (visit,) = [row for row in ran.sink.rows if row["traffic"] == "visit"]
    starts = sorted(row["start"] for row in ran.sink.rows if row["parent"] == visit["request"])
    waves = [1]
    for before, after in pairwise(starts):
        if after - before > 2.5 * MILLISECOND:
            waves.append(0)
        waves[-1] += after - before <= 2.5 * MILLISECOND or 1
    assert waves == [1, 1, 3, 3, 1]
