"""`meshsim bench`: how fast the event core is on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.dataplane.bench import BenchCase

_COLUMNS = ("case", "requests/s", "x real time", "heapq events/s", "memory MB", "compile s")


@click.command(name="bench")
@click.argument("cases", nargs=-1)
@click.option("--engine", type=click.Choice(["compiled", "interpreted"]), help="How the event core runs.")
@click.option(
    "--rounds", type=click.IntRange(1), default=10, show_default=True, help="Stretches measured; the best counts."
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(cases: tuple[str, ...], engine: str | None, rounds: int, output: str) -> int:
    """Measure the event core on Istio's load-test mesh.

    CASES are mesh-50, mesh-1000, mesh-1000-stations and mesh-5000; all of them by default. Beside each stands what a
    plain heapq queue does on the same machine at the same time.
    """
    from meshsim.dataplane.bench import run_bench

    mode = {"compiled": "numba", "interpreted": "plain"}[engine] if engine else None
    if output == "json":
        results = run_bench(cases, mode=mode, rounds=rounds)
        click.echo(json.dumps({"cases": results}, indent=2))
        return 0
    from meshsim.reporting.columns import align

    results = run_bench(
        cases, mode=mode, rounds=rounds, progress=lambda case: click.echo(f"{case['name']} done", err=True)
    )
    for line in align([_COLUMNS, *map(_row, results)], right=range(1, 6), indent=""):
        click.echo(line)
    return 0


def _row(case: BenchCase) -> list[str]:
    return [
        case["name"],
        f"{case['requests_per_s']:,.0f}",
        f"{case['times_real_time']:,.1f}",
        f"{case['calibrator_events_per_s']:,.0f}",
        f"{case['rss_mb']:,.0f}",
        f"{case['compile_s']:,.1f}",
    ]
