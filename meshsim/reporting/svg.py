"""Charts and the service graph as SVG text, small enough to stand in a page that opens anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final, NamedTuple

from meshsim.checks.wording import clock
from meshsim.reporting.drawing import FAILURES, FONT, DrawnArrow, Rectangle, draw
from meshsim.reporting.graph import Graph, Vertex
from meshsim.reporting.over_time import Binned, Mark, levels, ticks
from meshsim.units import SECOND, Nanos

PALETTE: Final = ("#2f6fb3", "#d9792b", "#3f9153", "#8a5fa8", "#b5484a", "#6b6b6b", "#1d9aa1", "#b59a2e")
_GOOD, _POOR, _BAD = "#3f9153", "#d9a12b", "#c23b3b"
_NAMED: Final = 40
"""So many members of a group are named in its tooltip."""
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


def chart_svg(lines: Sequence[Line], chart: Chart, width: int = 1034, height: int = 240) -> str:
    """A line chart over the run, with the timeline's actions as bands and flags."""
    left, right, upper, lower = 58, 26, 66, 26
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


def _mark_bands(marks: Sequence[Mark], x: Callable[[float], float], upper: int, down: int) -> list[str]:
    parts: list[str] = []
    wide = 6.2 / max(x(1.0) - x(0.0), 1e-9)
    for mark, level in zip(marks, levels(marks, wide), strict=True):
        at = x(mark.begin)
        if mark.end is not None:
            parts.append(
                f'<rect x="{at:.1f}" y="{upper}" width="{x(mark.end) - at:.1f}" height="{down}" '
                'fill="#f3e3c8" opacity="0.6"/>'
            )
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{upper - 2}" y2="{upper + down}" stroke="#a07a3a" '
            'stroke-dasharray="3 3"/>'
        )
        text = f'<text x="{at:.1f}" y="{upper - 5 - 12 * level}" font-size="10" fill="#7a5a22">{escape(mark.id)}</text>'
        parts.append(text)
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


def graph_svg(graph: Graph) -> str:
    """The service graph: boxes coloured by health, arrows as thick as their traffic."""
    drawing = draw(graph)
    most = max((arrow.rate_per_s for arrow in graph.arrows), default=1.0) or 1.0
    parts = [
        '<defs><marker id="tip" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" refX="9" refY="5" '
        'orient="auto"><path d="M0,1 L10,5 L0,9 z" fill="#777"/></marker></defs>'
    ]
    parts += [_arrow(drawn, most) for drawn in drawing.arrows]
    parts += [_vertex(vertex, box) for vertex, box in drawing.boxes]
    parts += [_label(drawn.label, drawn.lines) for drawn in drawing.arrows if drawn.label is not None]
    return _svg(round(drawing.width), round(drawing.height), parts, "service graph")


def _vertex(vertex: Vertex, box: Rectangle) -> str:
    x, y = box.left, box.top
    colour = health(vertex.good)
    versions = " ".join(f"{name} {share * 100:.0f} %" for name, share in vertex.versions if len(vertex.versions) > 1)
    second = versions or f"{vertex.rate_per_s:,.1f}/s"
    return (
        f"<g>{_members(vertex)}"
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="7" fill="#fff" '
        f'stroke="{colour}" stroke-width="1.6"/>'
        f'<rect x="{x:.0f}" y="{y:.0f}" width="6" height="{box.height:.0f}" rx="3" fill="{colour}"/>'
        f'<text x="{x + 14:.0f}" y="{y + 20:.0f}" font-size="12" font-weight="600" fill="#222">'
        f"{escape(_title(vertex))}</text>"
        f'<text x="{x + 14:.0f}" y="{y + 37:.0f}" font-size="11" fill="#555">{escape(_short(second, 23))}</text></g>'
    )


def _members(vertex: Vertex) -> str:
    """A tooltip with what a group consists of."""
    named = ", ".join(vertex.members[:_NAMED])
    more = ", …" if len(vertex.members) > _NAMED else ""
    return f"<title>{escape(named + more)}</title>" if named else ""


def _arrow(drawn: DrawnArrow, most: float) -> str:
    """The line; what its label says appears as a tooltip too, where there is no room for one."""
    arrow = drawn.arrow
    begin, *bends = (f"{point.x:.0f},{point.y:.0f}" for point in drawn.curve)
    colour = health(arrow.good) if arrow.good < 0.999 else "#999"
    said = escape(f"{arrow.source} to {arrow.destination}: {', '.join(drawn.lines)}")
    return (
        f'<path d="M{begin} C{" ".join(bends)}" fill="none" stroke="{colour}" '
        f'stroke-width="{1.2 + 3.0 * arrow.rate_per_s / most:.1f}" marker-end="url(#tip)"><title>{said}</title></path>'
    )


def _label(area: Rectangle, lines: Sequence[str]) -> str:
    x, step = area.left + area.width / 2, area.height / len(lines)
    return "".join(
        f'<text x="{x:.0f}" y="{area.top + step * number + 0.8 * step:.0f}" font-size="{FONT:g}" text-anchor="middle" '
        f'fill="{"#a33" if number == FAILURES else "#444"}" stroke="#fff" stroke-width="3" paint-order="stroke">'
        f"{text}</text>"
        for number, text in enumerate(lines)
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _title(vertex: Vertex) -> str:
    """A name as its box has room for it, of a group with its size."""
    if not vertex.members:
        return _short(vertex.name, 20)
    size = f" and {len(vertex.members) - 1:,} more"
    return _short(vertex.members[0], 19 - len(size)) + size


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title, quote=True)}" {_TEXT} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
