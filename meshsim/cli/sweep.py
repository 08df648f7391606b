"""`meshsim sweep`: one scenario, many values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.experiment import SweepRow


@click.command(name="sweep")
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option(
    "--over",
    multiple=True,
    required=True,
    metavar="PATH=VALUES",
    help="Values for a place in the scenario, such as traffic.shoppers.rate=50/s,100/s; repeat it for a grid.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 10_000), help="Replications of each combination; by default the scenario's."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes; by default one a CPU.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
def command(scenario: Path, over: tuple[str, ...], seeds: int | None, jobs: int | None, output: str) -> int:
    """Run a scenario over a grid of values and judge every combination.

    Exit code 1 when an expectation is not met anywhere.
    """
    from meshsim.experiment import default_workers, process_pool, run_sweep
    from meshsim.scenario import load_scenario

    grid = dict(_values(text) for text in over)
    loaded = load_scenario(scenario)
    workers = jobs if jobs is not None else default_workers(64)
    if workers == 1:
        rows = run_sweep(loaded, grid, seeds)
    else:
        with process_pool(workers) as pool:
            rows = run_sweep(loaded, grid, seeds, executor=pool)
    _write(rows, output)
    if any(row.error for row in rows):
        return 3
    return 0 if all(row.ok for row in rows) else 1


def _values(text: str) -> tuple[str, list[object]]:
    path, equals, values = text.partition("=")
    if not equals or not path or not values:
        raise click.BadParameter(f"'{text}' is not PATH=VALUE,VALUE", param_hint="'--over'")
    return path, [_value(value.strip()) for value in _split(values)]


def _split(text: str) -> list[str]:
    """At commas that stand in no parenthesis: `lognormal(8ms, 1.4),5ms` is two values."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _value(text: str) -> object:
    """A number where it is one; it takes the unit of the value it replaces."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _write(rows: list[SweepRow], output: str) -> None:
    flat = [row.as_dict() for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    if output == "json":
        click.echo(json.dumps(flat, indent=2, ensure_ascii=False))
    elif output == "csv":
        import csv

        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(flat)
    else:
        from meshsim.reporting.columns import align

        cells = [[_cell(row.get(name)) for name in columns] for row in flat]
        for line in align([columns, *cells], right=range(len(columns)), indent=""):
            click.echo(line)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
