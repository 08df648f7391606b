"""`meshsim bench`: how fast the event core is on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.dataplane.bench import BenchCase
    from meshsim.world.disk_bench import DiskCase

DISK = "rows-to-disk"

_COLUMNS = ("case", "requests/s", "x real time", "heapq events/s", "per event", "memory MB", "compile s")


@click.command(name="bench")
@click.argument("cases", nargs=-1)
@click.option("--engine", type=click.Choice(["compiled", "interpreted"]), help="How the event core runs.")
@click.option(
    "--rounds", type=click.IntRange(1), default=10, show_default=True, help="Stretches measured; the best counts."
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(cases: tuple[str, ...], engine: str | None, rounds: int, output: str) -> int:
    """Measure the event core on Istio's load-test mesh.

    CASES are mesh-50, mesh-1000, mesh-1000-stations and mesh-5000, beside each of which stands what a plain heapq queue
    does on the same machine at the same time, and rows-to-disk: what it costs to record every request; all of them by
    default. A second processor takes most of the latter.
    """
    mode = {"compiled": "numba", "interpreted": "plain"}[engine] if engine else None
    meshes = tuple(name for name in cases if name != DISK)
    results = _meshes(meshes, mode, rounds, output) if meshes or not cases else []
    disk = _disk(mode, rounds) if DISK in cases or not cases else None
    if output == "json":
        click.echo(json.dumps({"cases": results, **({DISK: disk} if disk else {})}, indent=2))
        return 0
    from meshsim.reporting.columns import align

    if results:
        for line in align([_COLUMNS, *map(_row, results)], right=range(1, 7), indent=""):
            click.echo(line)
    if disk:
        click.echo(
            f"{DISK}: {disk['requests_per_s']:,.0f} requests/s, {disk['requests_per_s_without']:,.0f} without: "
            f"all rows cost {disk['cost_percent']:.0f} % ({disk['rows']:,} rows of {disk['bytes_per_row']:.0f} bytes)"
        )
    return 0


def _meshes(names: tuple[str, ...], mode: str | None, rounds: int, output: str) -> list[BenchCase]:
    from meshsim.dataplane.bench import run_bench

    if output == "json":
        return run_bench(names, mode=mode, rounds=rounds)
    return run_bench(
        names, mode=mode, rounds=rounds, progress=lambda case: click.echo(f"{case['name']} done", err=True)
    )


def _disk(mode: str | None, rounds: int) -> DiskCase:
    from meshsim.world.disk_bench import run_disk_case

    return run_disk_case(mode=mode, rounds=rounds)


def _row(case: BenchCase) -> list[str]:
    return [
        case["name"],
        f"{case['requests_per_s']:,.0f}",
        f"{case['times_real_time']:,.1f}",
        f"{case['calibrator_events_per_s']:,.0f}",
        f"{case['requests_per_event']:.2f}",
        f"{case['rss_mb']:,.0f}",
        f"{case['compile_s']:,.1f}",
    ]
