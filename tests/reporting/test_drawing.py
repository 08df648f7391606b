"""Boxes, curves and labels keep out of each other's way."""

from __future__ import annotations

import itertools

import pytest

from meshsim.reporting.drawing import Curve, Drawing, Point, Rectangle, draw, label_lines
from meshsim.reporting.edges import Edge
from meshsim.reporting.graph import Arrow, lay_out
from meshsim.units import MILLISECOND


def edge(source: str, destination: str, rate: float = 100.0, good: float = 1.0) -> Edge:
    return Edge(source, "", destination, rate, 1, good, 1.0, 11.0 * MILLISECOND, ())


CHAIN = [
    edge("shoppers", "gateway"),
    edge("gateway", "page"),
    edge("page", "details"),
    edge("page", "reviews", 90, 0.9),
]
FAN = [edge(f"caller-{number}", called, 10.0 + number) for number in range(10) for called in ("one", "other")]


def points(drawing: Drawing) -> list[list[Point]]:
    return [[drawn.curve.at(step / 1000) for step in range(1001)] for drawn in drawing.arrows]


@pytest.mark.parametrize("edges", [CHAIN, FAN, [edge("a", "b"), edge("b", "a"), edge("b", "c")]])
def test_nothing_hides_anything(edges: list[Edge]) -> None:
    drawing = draw(lay_out(edges))
    boxes = [box for _, box in drawing.boxes]
    labels = [drawn.label for drawn in drawing.arrows if drawn.label is not None]
    assert labels
    for one, other in itertools.combinations([*boxes, *labels], 2):
        assert not one.touches(other)
    for area in (*boxes, *labels):
        assert area.left >= 0
        assert area.right <= drawing.width
        assert area.top >= 0
        assert area.bottom <= drawing.height


@pytest.mark.parametrize("edges", [CHAIN, FAN])
def test_no_line_passes_under_a_label(edges: list[Edge]) -> None:
    drawing = draw(lay_out(edges))
    for drawn in drawing.arrows:
        if drawn.label is not None:
            dots = (Rectangle(point.x, point.y, 0, 0) for line in points(drawing) for point in line)
            assert not any(drawn.label.holds(dot) for dot in dots)


def test_few_arrows_all_have_labels() -> None:
    assert all(drawn.label is not None for drawn in draw(lay_out(CHAIN)).arrows)


def test_arrows_of_one_side_are_apart_and_in_order() -> None:
    drawing = draw(lay_out(FAN))
    ends = sorted((d.curve.end.y, d.curve.begin.y) for d in drawing.arrows if d.arrow.destination == "one")
    assert len({end for end, _ in ends}) == 10
    assert [begin for _, begin in ends] == sorted(begin for _, begin in ends)


def test_a_call_to_itself_is_a_loop_above_the_box() -> None:
    drawing = draw(lay_out([edge("a", "a")]))
    (box,) = [box for _, box in drawing.boxes]
    assert all(point.y <= box.top for point in points(drawing)[0])


def test_what_a_label_says() -> None:
    assert label_lines(Arrow("a", "b", 1234.4, 1.0, 20 * MILLISECOND)) == ("1,234/s", "p99 20 ms")
    assert label_lines(Arrow("a", "b", 1.0, 0.9, 20 * MILLISECOND))[-1] == "10 % failed"


def test_geometry() -> None:
    box = Rectangle(0, 0, 10, 10)
    assert box.touches(Rectangle(9, 9, 5, 5))
    assert not box.touches(Rectangle(10, 0, 5, 5))
    assert box.touches(Rectangle(5, 5, 0, 0))
    assert box.holds(Rectangle(5, 5, 5, 5))
    assert not box.holds(Rectangle(5, 5, 5, 5.1))
    straight = Curve(Point(0, 0), Point(1, 1), Point(2, 2), Point(3, 3))
    assert straight.at(0.5) == pytest.approx((1.5, 1.5))
