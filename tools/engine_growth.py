"""Measure the event core from 50 to 5,000 services and draw docs/images/engine-growth.svg.

``python tools/engine_growth.py``; each size in a process of its own, the best of fifteen stretches, CPU time of one
core. Prints the table of docs/performance.md.
"""

from __future__ import annotations

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from meshsim.dataplane.bench import build_mesh, calibrate, resident_mb
from meshsim.dataplane.engine import Engine
from meshsim.reporting.columns import align
from meshsim.units import SECOND

SIZES = (50, 100, 250, 500, 1000, 2000, 5000)
RATE = 70
"""First tries a second at each service."""
STRETCH = 200_000
"""Requests in one stretch."""
ROUNDS = 15
IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "engine-growth.svg"
COLUMNS = ("services", "pods", "requests/s simulated", "x real time", "requests/s", "for each heapq event", "MB")


class Figures(NamedTuple):
    """One size."""

    services: int
    requests_per_s: float
    calibrator: float
    memory_mb: float

    @property
    def times_real_time(self) -> float:
        """Simulated time for each second of CPU time."""
        return self.requests_per_s / (RATE * self.services)


def measure(services: int) -> Figures:
    """Run one size."""
    engine = Engine(1, stations=False, sample_rate=0.01)
    build_mesh(engine, services)
    span = round(STRETCH / (RATE * services) * SECOND)
    engine.run_until(span)
    best = calibrator = 0.0
    for _ in range(ROUNDS):
        calibrator = max(calibrator, calibrate(200_000))
        finished, began = engine.counters.finished, _cpu_s()
        engine.run_until(engine.now + span)
        engine.drain()
        engine.drain_series()
        best = max(best, (engine.counters.finished - finished) / (_cpu_s() - began))
    return Figures(services, best, calibrator, resident_mb())


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def draw(figures: list[Figures]) -> None:
    """The curve of requests a second, and the line of real time."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "meshsim"
    from matplotlib import pyplot as plt

    sizes = [each.services for each in figures]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.loglog(sizes, [each.requests_per_s for each in figures], "o-", label="simulated on one core")
    axes.loglog(sizes, [RATE * size for size in sizes], "--", color="grey", label="the load itself (real time)")
    for each in figures:
        axes.annotate(
            f"{each.times_real_time:,.0f}x" if each.times_real_time >= 10 else f"{each.times_real_time:.1f}x",
            (each.services, each.requests_per_s),
            textcoords="offset points",
            xytext=(0, 8),
            ha="center",
        )
    axes.set_ylim(top=4 * max(each.requests_per_s for each in figures))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("services (two pods each, 70 requests/s at each)")
    axes.set_ylabel("requests a second")
    axes.legend(loc="lower right")
    IMAGE.parent.mkdir(exist_ok=True)
    figure.savefig(IMAGE, metadata={"Date": None})


def main() -> None:
    """Measure, draw, print."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        figures = list(pool.map(measure, SIZES))
    draw(figures)
    rows = [
        (
            f"{each.services:,}",
            f"{2 * each.services:,}",
            f"{RATE * each.services:,}",
            f"{each.times_real_time:,.1f}",
            f"{each.requests_per_s:,.0f}",
            f"{each.requests_per_s / each.calibrator:.2f}",
            f"{each.memory_mb:,.0f}",
        )
        for each in figures
    ]
    for line in align([COLUMNS, *rows], right=range(len(COLUMNS)), indent=""):
        print(line)


if __name__ == "__main__":
    main()
