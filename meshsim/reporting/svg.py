"""Charts and the service graph as SVG text, small enough to stand in a page that opens anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

from meshsim.checks.wording import clock, percent, span
from meshsim.reporting.graph import Arrow, Graph, Vertex
from meshsim.reporting.over_time import Binned, Mark, ticks
from meshsim.units import SECOND, Nanos

PALETTE: Final = ("#2f6fb3", "#d9792b", "#3f9153", "#8a5fa8", "#b5484a", "#6b6b6b", "#1d9aa1", "#b59a2e")
_GOOD, _POOR, _BAD = "#3f9153", "#d9a12b", "#c23b3b"
_TEXT: Final = 'font-family="system-ui, sans-serif"'


class Line(NamedTuple):
    """A named line of a chart."""

    name: str
    points: Binned
    colour: str


class Chart(NamedTuple):
    """What a chart shows beside its lines."""

    title: str
    unit: str
    duration: Nanos
    marks: Sequence[Mark]
    top: float | None = None
    """Highest value of the axis; `None` = by the data."""


def health(good: float) -> str:
    """Colour of a success rate."""
    return _GOOD if good >= 0.999 else _POOR if good >= 0.95 else _BAD


def chart_svg(lines: Sequence[Line], chart: Chart, width: int = 720, height: int = 220) -> str:
    """A line chart over the run, with the timeline's actions as bands and flags."""
    left, right, upper, lower = 58, 26, 46, 26
    across, down = width - left - right, height - upper - lower
    top = chart.top if chart.top is not None else _round_up(max((_greatest(line) for line in lines), default=1.0))
    seconds = max(chart.duration / SECOND, 1e-9)

    def x(at: float) -> float:
        return left + across * at / seconds

    def y(value: float) -> float:
        return upper + down * (1 - min(value, top) / top)

    parts = [f'<text x="{left}" y="16" font-size="13" font-weight="600" fill="#222">{escape(chart.title)}</text>']
    parts += _legend(lines, left, width - right)
    for share in (0.0, 0.5, 1.0):
        at = y(top * share)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e3e3e3"/>')
        label = f"{top * share:g}{chart.unit}"
        parts.append(
            f'<text x="{left - 6}" y="{at + 4:.1f}" font-size="11" text-anchor="end" fill="#666">{label}</text>'
        )
    parts += _mark_bands(chart.marks, x, upper, down)
    for tick in ticks(chart.duration):
        at = x(tick / SECOND)
        parts.append(
            f'<text x="{at:.1f}" y="{height - 8}" font-size="11" text-anchor="middle" fill="#666">{clock(tick)}</text>'
        )
    for line in lines:
        for piece in _pieces(line.points):
            path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in piece)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="1.6" '
                'stroke-linejoin="round"/>'
                if len(piece) > 1
                else f'<circle cx="{x(piece[0][0]):.1f}" cy="{y(piece[0][1]):.1f}" r="1.8" fill="{line.colour}"/>'
            )
    return _svg(width, height, parts, chart.title)


def _legend(lines: Sequence[Line], left: int, right: int) -> list[str]:
    parts: list[str] = []
    at = float(left)
    for line in lines:
        length = 22 + 6.4 * len(line.name)
        if at + length > right:
            break
        parts.append(f'<rect x="{at:.0f}" y="25" width="10" height="10" rx="2" fill="{line.colour}"/>')
        parts.append(f'<text x="{at + 14:.0f}" y="34" font-size="11" fill="#444">{escape(line.name)}</text>')
        at += length
    return parts


def _mark_bands(marks: Sequence[Mark], x: object, upper: int, down: int) -> list[str]:
    assert callable(x)
    parts: list[str] = []
    previous = -math.inf
    level = 0
    for mark in marks:
        at = float(x(mark.begin))
        level = (level + 1) % 2 if at - previous < 7 * len(mark.id) + 8 else 0
        previous = at
        if mark.end is not None:
            parts.append(
                f'<rect x="{at:.1f}" y="{upper}" width="{float(x(mark.end)) - at:.1f}" height="{down}" '
                'fill="#f3e3c8" opacity="0.6"/>'
            )
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{upper - 2}" y2="{upper + down}" stroke="#a07a3a" '
            'stroke-dasharray="3 3"/>'
        )
        down_by = upper + 9 + 11 * level
        parts.append(f'<text x="{at + 3:.1f}" y="{down_by}" font-size="10" fill="#7a5a22">{escape(mark.id)}</text>')
    return parts


def _pieces(points: Binned) -> list[list[tuple[float, float]]]:
    """Runs of neighbouring bins that have a value."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(points.times.tolist(), points.values.tolist(), strict=True):
        if math.isnan(value):
            if pieces[-1]:
                pieces.append([])
        else:
            pieces[-1].append((at, value))
    return [piece for piece in pieces if piece]


def _greatest(line: Line) -> float:
    return max((value for value in line.points.values.tolist() if not math.isnan(value)), default=0.0)


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 6, 8, 10 times a power of ten."""
    if value <= 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(value))
    return next(
        step * scale for step in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 10.0) if step * scale >= value * 0.999
    )


_BOX, _TALL, _GAP, _BETWEEN = 172, 52, 150, 34


def graph_svg(graph: Graph) -> str:
    """The service graph: boxes coloured by health, arrows as thick as their traffic."""
    width = graph.columns * (_BOX + _GAP) - _GAP + 20
    height = graph.rows * (_TALL + _BETWEEN) - _BETWEEN + 20
    most = max((arrow.rate_per_s for arrow in graph.arrows), default=1.0) or 1.0
    parts = [
        '<defs><marker id="tip" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" refX="9" refY="5" '
        'orient="auto"><path d="M0,1 L10,5 L0,9 z" fill="#777"/></marker></defs>'
    ]
    labels: list[str] = []
    for arrow in graph.arrows:
        line, label = _arrow(graph, arrow, most)
        parts.append(line)
        labels.append(label)
    parts += [_vertex(vertex) for vertex in graph.vertices]
    return _svg(width, height, parts + labels, "service graph")


def _corner(vertex: Vertex) -> tuple[float, float]:
    return 10 + vertex.column * (_BOX + _GAP), 10 + vertex.row * (_TALL + _BETWEEN)


def _vertex(vertex: Vertex) -> str:
    x, y = _corner(vertex)
    colour = health(vertex.good)
    versions = " ".join(f"{name} {share * 100:.0f} %" for name, share in vertex.versions if len(vertex.versions) > 1)
    second = versions or f"{vertex.rate_per_s:,.1f}/s"
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{_BOX}" height="{_TALL}" rx="7" fill="#fff" stroke="{colour}" '
        'stroke-width="1.6"/>'
        f'<rect x="{x:.0f}" y="{y:.0f}" width="6" height="{_TALL}" rx="3" fill="{colour}"/>'
        f'<text x="{x + 14:.0f}" y="{y + 22:.0f}" font-size="12.5" font-weight="600" fill="#222">'
        f"{escape(_short(vertex.name, 21))}</text>"
        f'<text x="{x + 14:.0f}" y="{y + 40:.0f}" font-size="11" fill="#555">{escape(_short(second, 24))}</text>'
    )


def _arrow(graph: Graph, arrow: Arrow, most: float) -> tuple[str, str]:
    source, destination = graph.vertex(arrow.source), graph.vertex(arrow.destination)
    (x1, y1), (x2, y2) = _corner(source), _corner(destination)
    forward = destination.column > source.column
    begin = (x1 + (_BOX if forward else 0), y1 + _TALL / 2)
    end = (x2 if forward else x2 + _BOX, y2 + _TALL / 2)
    bend = max(abs(end[0] - begin[0]) / 2, 30.0) * (1 if forward else -1)
    thick = 1.2 + 3.0 * arrow.rate_per_s / most
    colour = health(arrow.good) if arrow.good < 0.999 else "#999"
    curve = (
        f"M{begin[0]:.0f},{begin[1]:.0f} C{begin[0] + bend:.0f},{begin[1]:.0f} "
        f"{end[0] - bend:.0f},{end[1]:.0f} {end[0]:.0f},{end[1]:.0f}"
    )
    line = f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="{thick:.1f}" marker-end="url(#tip)"/>'
    x = (begin[0] + end[0]) / 2
    y = (begin[1] + end[1]) / 2 - 5
    texts = [f"{arrow.rate_per_s:,.0f}/s, p99 {span(arrow.p99)}"]
    if arrow.good < 1:
        texts.append(f"{percent(1 - arrow.good, 1)} failed")
    label = "".join(
        f'<text x="{x:.0f}" y="{y + 12 * number - 12 * (len(texts) - 1):.0f}" font-size="10" text-anchor="middle" '
        f'fill="{"#a33" if number else "#444"}" stroke="#fff" stroke-width="3" paint-order="stroke">{text}</text>'
        for number, text in enumerate(texts)
    )
    return line, label


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title, quote=True)}" {_TEXT} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
