"""Edges count what the recording holds, callers first."""

from __future__ import annotations

import pytest

from meshsim.checks.cells import Cells
from meshsim.checks.frame import Frame
from meshsim.recording import Run
from meshsim.reporting.edges import Edge, depths, edges, foremost
from meshsim.scenario import Span
from meshsim.units import MILLISECOND, SECOND


def test_edges_of_a_run(frame: Frame) -> None:
    found = edges(frame)
    assert [(edge.caller, edge.destination) for edge in found] == [
        ("shoppers", "istio-ingressgateway"),
        ("istio-ingressgateway", "productpage"),
        ("productpage", "details"),
        ("productpage", "reviews"),
    ]
    reviews = found[3]
    assert reviews.requests == 6000
    assert reviews.rate_per_s == pytest.approx(100)
    assert reviews.good == pytest.approx(0.9938, abs=0.002)
    assert reviews.p50 == pytest.approx(12 * MILLISECOND, rel=0.05)
    assert sum(share for _, share in reviews.versions) == pytest.approx(1)
    assert dict(reviews.versions)["v2"] == pytest.approx(0.1 * 40 / 60, abs=0.01)


def test_edges_of_a_part(frame: Frame) -> None:
    early = edges(frame, Span(0, 10 * SECOND))
    assert dict(early[3].versions) == {"v1": 1.0}
    assert early[3].rate_per_s == pytest.approx(100, rel=0.1)


def test_the_gateway_is_the_caller_of_what_it_passes_on(frame: Frame) -> None:
    """As in istio_requests_total{source_workload="istio-ingressgateway"}; its clients are 5 ms away from it."""
    outside, passed = edges(frame)[:2]
    assert outside.requests == passed.requests == 6000
    assert outside.p50 - passed.p50 == 10 * MILLISECOND
    assert (outside.versions, passed.versions) == ((), (("v1", 1.0),))


def test_edges_by_the_series_are_those_of_the_rows(run: Run, frame: Frame) -> None:
    for counted, exact in zip(edges(Cells(run)), edges(frame), strict=True):
        assert (counted.caller, counted.destination, counted.requests) == (
            exact.caller,
            exact.destination,
            exact.requests,
        )
        assert counted.rate_per_s == pytest.approx(exact.rate_per_s)
        assert counted.good == pytest.approx(exact.good)
        assert counted.p50 == pytest.approx(exact.p50, rel=0.02)
        assert dict(counted.versions) == pytest.approx(dict(exact.versions))


def edge(source: str, destination: str, version: str = "") -> Edge:
    return Edge(source, version, destination, 1.0, 1, 1.0, 1.0, 1.0, ())


def test_depth_is_the_longest_way_from_outside() -> None:
    found = depths([edge("a", "b"), edge("b", "c"), edge("a", "c")])
    assert found == {"a": 0, "b": 1, "c": 2}


def test_depth_ends_where_calls_go_round() -> None:
    assert set(depths([edge("a", "b"), edge("b", "a")])) == {"a", "b"}


def test_the_foremost_edges_are_those_that_fail_then_the_busiest() -> None:
    def edge(name: str, requests: int, good: float) -> Edge:
        return Edge("a", "", name, 1.0, requests, good, 1.0, 1.0, ())

    found = [edge("idle", 1, 1.0), edge("busy", 900, 1.0), edge("broken", 10, 0.5), edge("calm", 90, 1.0)]
    assert [e.destination for e in foremost(found, 3)] == ["busy", "broken", "calm"]
    assert foremost(found, 4) == found
