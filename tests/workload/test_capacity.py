"""Whether the pods can carry what is asked of them."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from meshsim.scenario import LoadedScenario
from meshsim.units import MILLISECOND, parse_distribution
from meshsim.workload import check_capacity, mean_time


@pytest.mark.parametrize(
    ("text", "mean_ms"),
    [
        ("5ms", 5),
        ("exponential(10ms)", 10),
        ("gamma(10ms, 3)", 10),
        ("uniform(10ms, 20ms)", 15),
        ("pareto(5ms, 2)", 10),
        ("lognormal(8ms, 1)", 8),
        ("empirical(p0 2ms, p50 4ms, p100 12ms)", 0.5 * 3 + 0.5 * 8),
    ],
)
def test_means(text: str, mean_ms: float) -> None:
    assert mean_time(parse_distribution(text)) == mean_ms * MILLISECOND


def test_mean_of_a_lognormal_against_draws() -> None:
    draws = random.Random(7)
    sample = [draws.lognormvariate(math.log(8e6), math.log(1.4)) for _ in range(20_000)]
    error = statistics.stdev(sample) / math.sqrt(len(sample))
    assert abs(statistics.mean(sample) - mean_time(parse_distribution("lognormal(8ms, 1.4)"))) < 4 * error


def test_a_heavy_tail_has_no_mean() -> None:
    assert mean_time(parse_distribution("pareto(5ms, 1)")) == math.inf


def test_enough_pods_are_not_mentioned(make: Callable[..., LoadedScenario]) -> None:
    # cart v1: 2 pods * 4 workers / 10 ms = 800/s; stock: 1 worker / 2 ms = 500/s against 180/s.
    assert check_capacity(make(cart=4)) == []


def test_an_overloaded_service_is_named_with_figures(make: Callable[..., LoadedScenario]) -> None:
    loaded = make(cart=1, **{"rate: 100/s": "rate: 250/s"})
    findings = check_capacity(loaded)
    # 500/s against cart v1 2 * 1 / 10 ms + cart v2 1 / 5 ms = 400/s; stock gets 450/s and does 500/s.
    assert [finding.message for finding in findings] == ["cart.shop is asked for 500/s, its pods together can do 400/s"]
    assert findings[0].position is not None
    assert findings[0].position.line == 11


def test_the_most_pods_of_the_timeline_count(make: Callable[..., LoadedScenario]) -> None:
    scale = "timeline:\n  - {id: more, at: 10s, scale: {deployment: cart-v1, namespace: shop, replicas: 4}}\n"
    assert check_capacity(make(cart=1, extra=scale, **{"rate: 100/s": "rate: 250/s"})) == []


def test_no_limit_is_never_overloaded(make: Callable[..., LoadedScenario]) -> None:
    loaded = make(**{"rate: 100/s": "rate: 100000/s", ", concurrency: 4": "", ", concurrency: 1": ""})
    assert check_capacity(loaded) == []


@pytest.mark.parametrize(("limit", "told"), [("200m", []), ("100m", [100])])
def test_cpu_limits_bound_what_pods_can_do(make: Callable[..., LoadedScenario], limit: str, told: list[int]) -> None:
    """At 1 ms of CPU each, a fifth of a processor does 200/s; 180/s are asked for."""
    limited = {
        "{name: stock, image: stock}": f"{{name: stock, image: stock, resources: {{limits: {{cpu: {limit}}}}}}}",
        "serve: {time: 2ms, concurrency: 1}": "serve: {time: 2ms, concurrency: 100, cpu: 50%}",
    }
    messages = [finding.message for finding in check_capacity(make(**limited))]
    assert messages == [f"stock.shop is asked for 180/s, its pods together can do {rate}/s" for rate in told]


def test_the_most_pods_of_an_autoscaler_count(make: Callable[..., LoadedScenario]) -> None:
    more = """resources:
  - shop.yaml
  - apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: cart, namespace: shop}
    spec: {scaleTargetRef: {kind: Deployment, name: cart-v1}, maxReplicas: 9}
"""
    faster = {"rate: 100/s": "rate: 250/s"}
    assert len(check_capacity(make(cart=1, **faster))) == 1
    assert check_capacity(make(cart=1, **{**faster, "resources: [shop.yaml]\n": more})) == []
