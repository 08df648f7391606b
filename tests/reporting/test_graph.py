"""The service graph: callers left, everything placed once."""

from __future__ import annotations

import pytest

from meshsim.checks.frame import Frame
from meshsim.reporting.edges import Edge, edges
from meshsim.reporting.graph import lay_out


def test_the_graph_of_a_run(frame: Frame) -> None:
    graph = lay_out(edges(frame))
    assert [(v.name, v.column) for v in graph.vertices] == [
        ("shoppers", 0),
        ("istio-ingressgateway", 1),
        ("productpage", 2),
        ("details", 3),
        ("reviews", 3),
    ]
    assert (graph.columns, graph.rows) == (4, 2)
    assert graph.vertex("productpage").row == 0.5
    assert graph.vertex("reviews").rate_per_s == pytest.approx(100)
    assert dict(graph.vertex("reviews").versions)["v1"] == pytest.approx(0.933, abs=0.01)


def test_no_two_vertices_share_a_place() -> None:
    found = [Edge("a", "", name, 1.0, 1, 1.0, 1.0, 1.0, ()) for name in ("b", "c", "d")] + [
        Edge(name, "", "e", 1.0, 1, 1.0, 1.0, 1.0, ()) for name in ("b", "c", "d")
    ]
    graph = lay_out(found)
    places = [(vertex.column, vertex.row) for vertex in graph.vertices]
    assert len(set(places)) == len(places) == 5
    assert graph.vertex("e").row == graph.vertex("a").row == 1.0


def test_versions_of_a_caller_are_one_arrow() -> None:
    parts = [Edge("a", "v1", "b", 1.0, 10, 1.0, 1.0, 5.0, ()), Edge("a", "v2", "b", 2.0, 30, 0.9, 1.0, 9.0, ())]
    (arrow,) = lay_out(parts).arrows
    assert (arrow.rate_per_s, arrow.p99) == (3.0, 9.0)
    assert arrow.good == pytest.approx(0.925)


def test_nothing_called_nobody() -> None:
    graph = lay_out([])
    assert (graph.columns, graph.rows) == (0, 0)


def test_a_wide_fan_stands_in_several_columns() -> None:
    graph = lay_out([Edge("hub", "", f"leaf-{n:02}", 1.0, 1, 1.0, 1.0, 1.0, ()) for n in range(28)])
    assert (graph.columns, graph.rows) == (4, 10.5)
    places = [(vertex.column, vertex.row) for vertex in graph.vertices]
    assert len(set(places)) == 29
    assert all(0 <= row <= 11 for _, row in places)
    beside = {row for column, row in places if column == 1} & {row for column, row in places if column == 2}
    assert beside == set(), "arrows to the second column pass between the boxes of the first"


def test_groups_have_members() -> None:
    graph = lay_out([Edge("a", "", "b and 1 more", 1.0, 1, 1.0, 1.0, 1.0, ())], {"b and 1 more": ("b", "c")})
    assert graph.vertex("b and 1 more").members == ("b", "c")
    assert graph.vertex("a").members == ()
