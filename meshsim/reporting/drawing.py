"""The service graph in places: boxes, curves between them, and labels where they hide neither boxes nor lines."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.checks.wording import percent, span
from meshsim.reporting.graph import Arrow, Graph, Vertex

BOX: Final = (164.0, 48.0)
"""Width and height of a box in pixels."""
FONT: Final = 10.0
"""Size of a label's letters."""
_MARGIN: Final = 18.0
_BETWEEN: Final = 34.0
"""Between two boxes of a column."""
_GAP: Final = (110.0, 380.0)
"""Least and greatest width between two columns."""
_PAGE: Final = 1034.0
"""Width that columns spread over, where they are few."""
_LINE, _LETTER = 1.2 * FONT, 0.62 * FONT
_SAMPLES: Final = 48
_PLACES: Final = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
"""Where along its curve a label may stand, best first."""
_CLEAR: Final = 3.0
"""Between a label and its own curve."""
_MANY: Final = 12
"""Among more arrows a label that another curve crosses is left out."""
_SQUARE: Final = 80.0
"""Pixels of a side of the squares by which areas are found."""
FAILURES: Final = 2
"""Which line of a label tells the failures, where there are some."""


class Point(NamedTuple):
    """A place in pixels, down from the top."""

    x: float
    y: float


class Rectangle(NamedTuple):
    """An area."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def touches(self, other: Rectangle) -> bool:
        """Whether they share some place."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def holds(self, other: Rectangle) -> bool:
        """Whether another one lies within it."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


class Curve(NamedTuple):
    """A cubic Bézier curve."""

    begin: Point
    first: Point
    second: Point
    end: Point

    def at(self, share: float) -> Point:
        """The point after this share of it."""
        rest = 1 - share
        weights = (rest**3, 3 * rest * rest * share, 3 * rest * share * share, share**3)
        return Point(
            sum(weight * point.x for weight, point in zip(weights, self, strict=True)),
            sum(weight * point.y for weight, point in zip(weights, self, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class DrawnArrow:
    """An arrow with its curve, and its label where there is room for one."""

    arrow: Arrow
    curve: Curve
    lines: tuple[str, ...]
    """What a label says; the failures last."""
    label: Rectangle | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph in pixels."""

    width: float
    height: float
    boxes: tuple[tuple[Vertex, Rectangle], ...]
    arrows: tuple[DrawnArrow, ...]


def draw(graph: Graph) -> Drawing:
    """Place a graph: columns spread over the page, arrows apart at their boxes, labels beside their curves."""
    columns = max(graph.columns, 1)
    spread = (_PAGE - 2 * _MARGIN - columns * BOX[0]) / max(columns - 1, 1)
    gap = min(max(spread, _GAP[0]), _GAP[1])
    boxes = {
        vertex.name: Rectangle(
            _MARGIN + vertex.column * (BOX[0] + gap), _MARGIN + vertex.row * (BOX[1] + _BETWEEN), *BOX
        )
        for vertex in graph.vertices
    }
    page = Rectangle(
        0,
        0,
        2 * _MARGIN + columns * (BOX[0] + gap) - gap,
        2 * _MARGIN + max(graph.rows, 1) * (BOX[1] + _BETWEEN) - _BETWEEN,
    )
    return Drawing(
        page.width,
        page.height,
        tuple((vertex, boxes[vertex.name]) for vertex in graph.vertices),
        tuple(_labelled(graph.arrows, _curves(graph, boxes), list(boxes.values()), page)),
    )


def label_lines(arrow: Arrow) -> tuple[str, ...]:
    """What there is to say of an arrow: rate, p99, failures where there are some."""
    lines = (f"{arrow.rate_per_s:,.0f}/s", f"p99 {span(arrow.p99)}")
    return (*lines, f"{percent(1 - arrow.good, 1)} failed") if arrow.good < 1 else lines


def _curves(graph: Graph, boxes: dict[str, Rectangle]) -> list[Curve]:
    """A curve for each arrow; those of one side of a box begin or end at different heights, by what is at the other."""
    leaving = _heights([(a.source, boxes[a.destination]) for a in graph.arrows], boxes)
    coming = _heights([(a.destination, boxes[a.source]) for a in graph.arrows], boxes)
    return [
        _curve(boxes[arrow.source], boxes[arrow.destination], begin, end)
        for arrow, begin, end in zip(graph.arrows, leaving, coming, strict=True)
    ]


def _heights(ends: Sequence[tuple[str, Rectangle]], boxes: dict[str, Rectangle]) -> list[float]:
    """Where each arrow meets a box, given that box and the one at its other end."""
    of_box: dict[str, list[int]] = {}
    for number, (name, _) in enumerate(ends):
        of_box.setdefault(name, []).append(number)
    heights = [0.0] * len(ends)
    for name, numbers in of_box.items():
        box = boxes[name]
        ordered = sorted(numbers, key=lambda number: (ends[number][1].top, ends[number][1].left))
        for place, number in enumerate(ordered):
            heights[number] = box.top + box.height * (place + 1) / (len(ordered) + 1)
    return heights


def _curve(source: Rectangle, destination: Rectangle, begin: float, end: float) -> Curve:
    if source == destination:
        start, back = Point(source.left + 0.7 * source.width, source.top), Point(source.left + 50, source.top)
        return Curve(start, Point(start.x, start.y - 30), Point(back.x, back.y - 30), back)
    forward = destination.left > source.left
    start = Point(source.right if forward else source.left, begin)
    stop = Point(destination.left if forward else destination.right, end)
    bend = max(abs(stop.x - start.x) / 2, 40.0) * (1 if forward else -1)
    return Curve(start, Point(start.x + bend, start.y), Point(stop.x - bend, stop.y), stop)


def _labelled(
    arrows: Sequence[Arrow], curves: Sequence[Curve], boxes: list[Rectangle], page: Rectangle
) -> Iterable[DrawnArrow]:
    """Arrows with labels, the busiest first to choose a place."""
    pieces = [_pieces(curve) for curve in curves]
    lines, taken = _Map(), _Map()
    for number, line in enumerate(pieces):
        for piece in line:
            lines.add(number, piece)
    for box in boxes:
        taken.add(-1, box)
    labels: dict[int, Rectangle | None] = {}
    for number in sorted(range(len(arrows)), key=lambda n: -arrows[n].rate_per_s):
        places = _places(curves[number], pieces[number], label_lines(arrows[number]))
        apart = [area for area in places if page.holds(area) and not taken.touched(area)]
        crossed = [sum(owner != number for owner in lines.touched(area)) for area in apart]
        least = min(crossed, default=0)
        label = apart[crossed.index(least)] if apart and (least == 0 or len(arrows) <= _MANY) else None
        labels[number] = label
        if label is not None:
            taken.add(number, label)
    for number, (arrow, curve) in enumerate(zip(arrows, curves, strict=True)):
        yield DrawnArrow(arrow, curve, label_lines(arrow), labels[number])


class _Map:
    """Areas by the squares of the page that they lie in, so that only the near ones are looked at."""

    def __init__(self) -> None:
        self._areas: list[tuple[int, Rectangle]] = []
        self._squares: dict[tuple[int, int], list[int]] = {}

    def add(self, owner: int, area: Rectangle) -> None:
        """Put an area of somebody's on the map."""
        for square in self._under(area):
            self._squares.setdefault(square, []).append(len(self._areas))
        self._areas.append((owner, area))

    def touched(self, area: Rectangle) -> list[int]:
        """Owners of the areas that share some place with this one."""
        near = dict.fromkeys(n for square in self._under(area) for n in self._squares.get(square, ()))
        return [owner for owner, other in (self._areas[n] for n in near) if area.touches(other)]

    def _under(self, area: Rectangle) -> Iterator[tuple[int, int]]:
        across = range(int(area.left // _SQUARE), int(area.right // _SQUARE) + 1)
        down = range(int(area.top // _SQUARE), int(area.bottom // _SQUARE) + 1)
        return itertools.product(across, down)


def _pieces(curve: Curve) -> list[Rectangle]:
    """The areas that a curve passes through, one after the other."""
    points = [curve.at(step / _SAMPLES) for step in range(_SAMPLES + 1)]
    return [
        Rectangle(min(one.x, other.x), min(one.y, other.y), abs(one.x - other.x), abs(one.y - other.y))
        for one, other in itertools.pairwise(points)
    ]


def _places(curve: Curve, own: Sequence[Rectangle], lines: Sequence[str]) -> Iterator[Rectangle]:
    """Areas for a label above and below its curve, the best first."""
    width, height = max(map(len, lines)) * _LETTER, len(lines) * _LINE
    for share in _PLACES:
        left = curve.at(share).x - width / 2
        near = [piece for piece in own if piece.left <= left + width and left <= piece.right]
        yield Rectangle(left, min(piece.top for piece in near) - _CLEAR - height, width, height)
        yield Rectangle(left, max(piece.bottom for piece in near) + _CLEAR, width, height)
