"""`meshsim import`: workloads of other tools to scenarios."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshsim.errors import Finding
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
@click.option(
    "--resources",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Manifests with the services, files or folders; repeatable. What they do not have is made up.",
)
@_FOLDER
@_FORCE
def traces(
    files: tuple[Path, ...],
    name: str | None,
    duration: str,
    sampling: str,
    sidecars: bool,
    resources: tuple[Path, ...],
    output: Path | None,
    force: bool,
) -> int:
    """Import traces: who calls whom, how often, how long each service works itself.

    FILES are Jaeger's JSON, OTLP JSON (one document or one a line), or tables of spans (CSV); also gzipped.
    """
    from meshsim.imports.estimating import estimate
    from meshsim.imports.imported import dns_label
    from meshsim.imports.known_services import known_services
    from meshsim.imports.linking import link
    from meshsim.imports.trace_files import read_traces
    from meshsim.imports.traces import Choices, scenario_of
    from meshsim.units import parse_duration, parse_percent

    called = dns_label(name or files[0].name.partition(".")[0])
    choices = Choices(
        called,
        parse_duration(duration),
        parse_percent(sampling),
        sidecars,
        _as_named(resources, output, called),
        known_services(resources),
    )
    return _write(scenario_of(estimate(link(read_traces(files))), choices), output, force)


@command.command(name="arrivals")
@click.argument("series", type=click.Path(path_type=Path))
@click.option("--host", required=True, metavar="HOST:PORT", help="Whom the requests ask.")
@click.option("--path", "paths", multiple=True, help="Path asked for, by default /; repeatable, each gets the series.")
@click.option("--from", "sender", metavar="LABEL=VALUE", help="Pods that send; by default some are made up.")
@click.option("--through", "gateway", default="", metavar="GATEWAY", help="Gateway that the requests come through.")
@click.option(
    "--resources",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Manifests with the service, files or folders; repeatable. By default it is made up.",
)
@click.option("--every", help="Length of an interval, where the series has no times.")
@click.option("--per", default="1s", show_default=True, help="The numbers are requests in so much time, or 'interval'.")
@click.option("--scale", default=1.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Times so much.")
@click.option("--piece", is_flag=True, help="Print the 'traffic' alone, for a scenario there is.")
@click.option("--name", help="Name; by default that of the file.")
@_FOLDER
@_FORCE
def arrivals(
    series: Path,
    host: str,
    paths: tuple[str, ...],
    sender: str | None,
    gateway: str,
    resources: tuple[Path, ...],
    every: str | None,
    per: str,
    scale: float,
    piece: bool,
    name: str | None,
    output: Path | None,
    force: bool,
) -> int:
    """Import a series of arrival rates.

    SERIES is a CSV file with a time and a rate in each line, as LIMBO and the HTTP load generator have it.
    """
    from meshsim.imports.arrivals import Asked, piece_of, scenario_of_series
    from meshsim.imports.imported import dns_label
    from meshsim.imports.rate_series import read_rate_series
    from meshsim.units import parse_duration

    if sender and gateway:
        raise click.UsageError("--from and --through cannot go together.")
    label, equals, value = (sender or "").partition("=")
    if sender and not (label and equals and value):
        raise click.BadParameter(f"'{sender}' is not LABEL=VALUE", param_hint="'--from'")
    found = read_rate_series(
        series,
        parse_duration(every) if every else None,
        None if per == "interval" else parse_duration(per),
    )
    called = dns_label(name or series.name.partition(".")[0])
    manifests = _as_named(resources, output, called)
    asked = Asked(host, paths or ("/",), {label: value} if sender else None, gateway, manifests, scale)
    if piece:
        _say(found.findings)
        click.echo(piece_of(called, series.name, found, asked), nl=False)
        return 0
    return _write(scenario_of_series(called, series.name, found, asked), output, force)


def _as_named(resources: Sequence[Path], output: Path | None, name: str) -> tuple[str, ...]:
    """Files as a scenario in the folder that is written to names them."""
    folder = output if output is not None else Path(name)
    return tuple(Path(os.path.relpath(path, folder)).as_posix() for path in resources)


def _write(imported: Imported, output: Path | None, force: bool) -> int:
    from meshsim.imports.imported import SCENARIO, write_imported

    _say(imported.findings)
    folder = output if output is not None else Path(imported.name)
    for path in write_imported(imported, folder, force):
        click.echo(f"wrote {path}")
    click.echo(f"next: meshsim run {folder / SCENARIO}")
    return 0


def _say(findings: Sequence[Finding]) -> None:
    """Findings on the error stream: what is written is the result."""
    from meshsim.reporting.columns import style_of
    from meshsim.reporting.diagnostics import Diagnostics

    for line in Diagnostics(style_of(sys.stderr)).findings(findings):
        click.echo(line, err=True)
