"""`meshsim import`: workloads of other tools to scenarios."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.imports.imported import Imported

_FOLDER = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write to; by default one named after the input."
)
_FORCE = click.option("--force", is_flag=True, help="Overwrite files that are there already.")


@click.group(name="import")
def command() -> None:
    """Make a scenario of what other tools know about a mesh.

    The result is what `meshsim validate` and `meshsim run` take. Numbers that were estimated say in a comment from
    what.
    """


@command.command(name="isotope")
@click.argument("topology", type=click.Path(path_type=Path))
@click.option("--rate", default="100/s", show_default=True, help="Requests that clients send to each entrypoint.")
@click.option("--duration", default="1m", show_default=True, help="How long the scenario lasts.")
@_FOLDER
@_FORCE
def isotope(topology: Path, rate: str, duration: str, output: Path | None, force: bool) -> int:
    """Import a service graph of isotope (istio/tools).

    TOPOLOGY is a YAML file with services, each with a script of calls and sleeps. The load is not part of it.
    """
    from meshsim.imports.isotope import Load, import_isotope
    from meshsim.units import parse_duration, parse_rate

    imported = import_isotope(topology, Load(parse_rate(rate), parse_duration(duration)))
    return _write(imported, output, force)


@command.command(name="traces")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", help="Name of the scenario; by default that of the first file.")
@click.option("--duration", default="1m", show_default=True, help="How long the scenario lasts.")
@click.option("--sampling", default="100%", show_default=True, help="Share of the requests that were traced.")
@click.option("--sidecars/--no-sidecars", default=True, show_default=True, help="Whether the services have sidecars.")
@_FOLDER
@_FORCE
def traces(
    files: tuple[Path, ...],
    name: str | None,
    duration: str,
    sampling: str,
    sidecars: bool,
    output: Path | None,
    force: bool,
) -> int:
    """Import traces: who calls whom, how often, how long each service works itself.

    FILES are Jaeger's JSON, OTLP JSON (one document or one a line), or tables of spans (CSV); also gzipped.
    """
    from meshsim.imports.estimating import estimate
    from meshsim.imports.imported import dns_label
    from meshsim.imports.linking import link
    from meshsim.imports.trace_files import read_traces
    from meshsim.imports.traces import Choices, scenario_of
    from meshsim.units import parse_duration, parse_percent

    choices = Choices(
        dns_label(name or files[0].name.partition(".")[0]), parse_duration(duration), parse_percent(sampling), sidecars
    )
    return _write(scenario_of(estimate(link(read_traces(files))), choices), output, force)


def _write(imported: Imported, output: Path | None, force: bool) -> int:
    from meshsim.imports.imported import SCENARIO, write_imported
    from meshsim.reporting.columns import style_of
    from meshsim.reporting.diagnostics import Diagnostics

    for line in Diagnostics(style_of(sys.stderr)).findings(imported.findings):
        click.echo(line, err=True)
    folder = output if output is not None else Path(imported.name)
    for path in write_imported(imported, folder, force):
        click.echo(f"wrote {path}")
    click.echo(f"next: meshsim run {folder / SCENARIO}")
    return 0
