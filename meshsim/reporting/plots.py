"""matplotlib plots of a run; each method returns the Axes it drew on, and takes one to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshsim.checks import Wave, waves
from meshsim.checks.cells import counted
from meshsim.checks.frame import Frame, Mask
from meshsim.checks.rows import Rows
from meshsim.checks.wording import NEVER, clock
from meshsim.errors import UsageError
from meshsim.recording import Run
from meshsim.reporting.drawing import FAILURES, FONT, Drawing, DrawnArrow, Rectangle, draw
from meshsim.reporting.edges import edges
from meshsim.reporting.graph import Vertex, lay_out
from meshsim.reporting.grouping import group_alike
from meshsim.reporting.over_time import (
    Binned,
    levels,
    marks,
    quantiles_over_time,
    rate_over_time,
    share_over_time,
    ticks,
)
from meshsim.reporting.svg import PALETTE, health
from meshsim.scenario import Span
from meshsim.units import SECOND, parse_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BY: Final = {"version": "destination_version", "source": "source", "pod": "pod", "status": "status", "flags": "flags"}
_NO_VERSION: Final = "no pod"
_KNOWN: Final = 12
"""So many applications are named where one is not known."""


class Plots:
    """The plots of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: Frame | None = None

    @property
    def _frame(self) -> Frame:
        if self._kept is None:
            self._kept = counted(self._run)
        return self._kept

    def _telling(self, by: str) -> Frame:
        """The requests by what they are split by: only those recorded one by one tell their pod."""
        sampled = self._run.manifest.sampling < 1
        return Rows(self._run) if sampled and _BY.get(by) == "pod" else self._frame

    def latency(
        self,
        to: str | None = None,
        by: str = "version",
        quantiles: Sequence[float] = (0.5, 0.99),
        ax: Axes | None = None,
    ) -> Axes:
        """Latency over time of the requests to an application (of the clients' when none is named).

        `by` splits them: version, source, pod, flags. The first quantile is drawn thin, the last one bold.
        """
        frame = self._telling(by)
        mask = frame.from_client if to is None else _requests_to(frame, to)
        axes = _axes(ax, (9, 4))
        for colour, (name, rows) in zip(_colours(), _groups(frame, mask, by), strict=False):
            for quantile in quantiles:
                bold = quantile == max(quantiles)
                label = f"{name} p{quantile * 100:g}".strip()
                line = quantiles_over_time(frame, rows, quantile, inside=to is not None)
                _draw(axes, line, label, colour, 2.0 if bold else 1.0, bold)
        axes.set_ylabel("latency in ms")
        axes.set_title(f"Latency of {to or 'client requests'}", loc="left", pad=26)
        axes.set_ylim(bottom=0)
        self._time_axis(axes)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        return axes

    def shares(self, to: str | None = None, ax: Axes | None = None) -> Axes:
        """Share of each version in the requests to an application, over time.

        Without a name: the application with several versions that gets the most requests.
        """
        frame = self._frame
        name = to or self._most_split()
        whole = _requests_to(frame, name)
        axes = _axes(ax, (9, 3.4))
        groups = _groups(frame, whole, "version")
        stacked = [share_over_time(frame, rows, whole) for _, rows in groups]
        if stacked:
            axes.stackplot(
                stacked[0].times,
                *(np.nan_to_num(line.values) for line in stacked),
                labels=[label for label, _ in groups],
                colors=[colour for colour, _ in zip(_colours(), groups, strict=False)],
                alpha=0.85,
                linewidth=0,
            )
        axes.set_ylim(0, 100)
        axes.set_ylabel("share of requests in %")
        axes.set_title(f"Versions of {name}", loc="left", pad=26)
        self._time_axis(axes)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        return axes

    def rates(self, ax: Axes | None = None) -> Axes:
        """What clients get: answered and failed requests a second, over time."""
        frame = self._frame
        axes = _axes(ax, (9, 3.4))
        clients = frame.from_client
        _draw(axes, rate_over_time(frame, clients & frame.good), "answered", PALETTE[2], 1.6, True)
        _draw(axes, rate_over_time(frame, clients & ~frame.good), "failed", PALETTE[4], 1.6, True)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("requests/s")
        axes.set_title("What clients get", loc="left", pad=26)
        self._time_axis(axes)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        return axes

    def propagation(self, ax: Axes | None = None) -> Axes:
        """How each change reached the proxies: share of the proxies whose traffic follows it, over time since then."""
        axes = _axes(ax, (7, 4))
        found = [wave for wave in waves(self._run) if wave.arrivals]
        for number, (colour, wave) in enumerate(zip(_colours(len(found)), found, strict=False)):
            delays = np.array([arrival.delay for arrival in wave.arrivals if arrival.delay != NEVER]) / SECOND
            shares = 100.0 * np.arange(1, len(delays) + 1) / len(wave.arrivals)
            axes.step(
                np.concatenate(([0.0], delays)),
                np.concatenate(([0.0], shares)),
                where="post",
                label=_wave_label(wave, len(self._run.manifest.seeds)),
                color=colour,
                # Changes that spread alike lie on each other: the later ones are thinner.
                linewidth=min(1.6 + 1.2 * (len(found) - 1 - number), 6.0),
            )
        axes.set_xlim(left=0)
        axes.set_ylim(0, 104)
        axes.set_xlabel("seconds since the change")
        axes.set_ylabel("proxies that follow it in %")
        axes.set_title("Propagation", loc="left")
        if found:
            axes.legend(loc="upper left", frameon=False)
        return axes

    def graph(self, during: tuple[str, str] | None = None, ax: Axes | None = None) -> Axes:
        """The service graph: rate, failures and p99 on each edge, versions in each box.

        `during` is a pair of timeline ids or times, such as `("shift", "rollback")` or `("1m", "2m")`.
        """
        found = edges(self._frame, self._span(during))
        grouped = group_alike(found)
        drawing = draw(lay_out(grouped.edges, grouped.members))
        axes = _axes(ax, (drawing.width / _PIXELS, drawing.height / _PIXELS + 0.4))
        _draw_graph(axes, drawing)
        window = "" if during is None else f", {during[0]} to {during[1]}"
        axes.set_title(f"Who called whom{window}", loc="left")
        return axes

    def _most_split(self) -> str:
        split = [edge for edge in edges(self._frame) if len(edge.versions) > 1]
        if not split:
            raise UsageError("no application has several versions", None, "name one: shares(to='reviews')")
        return max(split, key=lambda edge: edge.requests).destination

    def _span(self, during: tuple[str, str] | None) -> Span | None:
        if during is None:
            return None
        starts = {mark.id: round(mark.begin * SECOND) for mark in marks(self._frame)}
        begin, end = (starts.get(at) if at in starts else self._time(at, starts) for at in during)
        return Span(begin or 0, end or self._run.duration)

    def _time(self, text: str, known: dict[str, int]) -> int:
        if text in ("start", "end"):
            return 0 if text == "start" else self._run.duration
        try:
            return parse_duration(text)
        except Exception as error:
            names = ", ".join((*known, "start", "end"))
            raise UsageError(f"'{text}' is neither a time nor one of {names}") from error

    def _time_axis(self, axes: Axes) -> None:
        """Labels as in the summary, and the timeline's actions."""
        places = ticks(self._run.duration)
        axes.set_xlim(0, self._run.duration / SECOND)
        axes.set_xticks([place / SECOND for place in places], [clock(place) for place in places])
        seconds = self._run.duration / SECOND
        found = marks(self._frame)
        # A letter of these names takes about a hundredth of the axis.
        for mark, level in zip(found, levels(found, seconds * 0.011), strict=True):
            if mark.end is not None:
                axes.axvspan(mark.begin, mark.end, color="#f3e3c8", alpha=0.6, linewidth=0, zorder=0)
            axes.axvline(mark.begin, color="#a07a3a", linewidth=0.9, linestyle=(0, (3, 3)), zorder=3)
            axes.annotate(
                mark.id,
                (mark.begin, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(-2, 3 + 10 * level),
                textcoords="offset points",
                fontsize=8,
                color="#7a5a22",
            )


def _requests_to(frame: Frame, app: str) -> Mask:
    mask = frame.names("destination").where([app])
    if not mask.any():
        known = [name for (name,) in frame.combinations("destination")]
        more = f" and {len(known) - _KNOWN} more" if len(known) > _KNOWN else ""
        hint = f"there are requests to {', '.join(known[:_KNOWN])}{more}"
        raise UsageError(f"there are no requests to '{app}'", None, hint)
    return mask


def _groups(frame: Frame, mask: Mask, by: str) -> list[tuple[str, Mask]]:
    if by not in _BY:
        raise UsageError(f"cannot split by '{by}'", None, f"one of {', '.join(_BY)}")
    if by == "status":
        values = np.unique(frame.status[mask]).tolist()
        return [(str(value), mask & (frame.status == value)) for value in values]
    column = frame.names(_BY[by])
    present = sorted({column.names[code] for code in np.unique(column.codes[mask]).tolist()})
    return [(name or _NO_VERSION, mask & column.where([name])) for name in present]


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=size, layout="constrained")
    figure.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def _draw(axes: Axes, line: Binned, label: str, colour: str, width: float, bold: bool) -> None:
    axes.plot(line.times, line.values, label=label, color=colour, linewidth=width, alpha=1.0 if bold else 0.6)


def _colours(count: int = 0) -> list[str]:
    repeats = -(-max(count, len(PALETTE)) // len(PALETTE))
    return list(PALETTE) * repeats


def _wave_label(wave: Wave, seeds: int) -> str:
    undone = "" if wave.begins else " undone"
    seed = f", seed {wave.seed}" if seeds > 1 else ""
    return f"{wave.id}{undone}{seed} ({len(wave.arrivals)} proxies)"


_PIXELS: Final = 96
"""A drawing's pixels an inch: letters are as large as they were placed for, on axes of their own."""
_POINTS: Final = 72 / _PIXELS


def _draw_graph(axes: Axes, drawing: Drawing) -> None:
    axes.set_axis_off()
    axes.grid(False)
    most = max((drawn.arrow.rate_per_s for drawn in drawing.arrows), default=1.0) or 1.0
    for drawn in drawing.arrows:
        _draw_arrow(axes, drawn, most)
    for vertex, box in drawing.boxes:
        _draw_vertex(axes, vertex, box)
    for drawn in drawing.arrows:
        if drawn.label is not None:
            _draw_label(axes, drawn.label, drawn.lines)
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)


def _draw_vertex(axes: Axes, vertex: Vertex, box: Rectangle) -> None:
    from matplotlib.patches import FancyBboxPatch

    patch = FancyBboxPatch(
        (box.left, box.top),
        box.width,
        box.height,
        boxstyle="round,pad=0,rounding_size=7",
        facecolor="white",
        edgecolor=health(vertex.good),
        linewidth=1.6,
        zorder=3,
    )
    axes.add_patch(patch)
    split = [f"{name} {share * 100:.0f} %" for name, share in vertex.versions if len(vertex.versions) > 1]
    shown = "  ".join(split[:2]) + (f" +{len(split) - 2}" if len(split) > 2 else "")
    text = shown or f"{vertex.rate_per_s:,.1f}/s"
    name = vertex.name if len(vertex.name) <= 20 else vertex.name[:19] + "…"
    x, y = box.left + box.width / 2, box.top
    large = 12 * _POINTS
    axes.text(x, y + 0.36 * box.height, name, ha="center", va="center", zorder=4, fontsize=large, fontweight="bold")
    axes.text(x, y + 0.7 * box.height, text, ha="center", va="center", fontsize=11 * _POINTS, color="#555", zorder=4)


def _draw_arrow(axes: Axes, drawn: DrawnArrow, most: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Outline

    arrow = drawn.arrow
    outline = Outline(list(drawn.curve), [Outline.MOVETO, *[Outline.CURVE4] * 3])
    patch: Any = FancyArrowPatch(
        path=outline,
        arrowstyle="-|>,head_length=6,head_width=3",
        color=health(arrow.good) if arrow.good < 0.999 else "#8a8a8a",
        linewidth=1.0 + 2.2 * arrow.rate_per_s / most,
        zorder=2,
    )
    axes.add_patch(patch)


def _draw_label(axes: Axes, area: Rectangle, lines: Sequence[str]) -> None:
    x, step = area.left + area.width / 2, area.height / len(lines)
    for number, text in enumerate(lines):
        axes.text(
            x,
            area.top + step * (number + 0.5),
            text,
            ha="center",
            va="center",
            fontsize=FONT * _POINTS,
            color="#a33" if number == FAILURES else "#333",
            zorder=5,
        )
