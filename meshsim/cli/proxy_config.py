"""`meshsim proxy-config`: what a proxy of a recorded run had, in istioctl's columns."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

_KINDS: Final = ("cluster", "listener", "route", "endpoint", "ecds")
_SHORT: Final = {
    "clusters": "cluster",
    "c": "cluster",
    "listeners": "listener",
    "l": "listener",
    "routes": "route",
    "r": "route",
    "endpoints": "endpoint",
    "ep": "endpoint",
    "eds": "endpoint",
}
"""Other words that istioctl takes."""


@click.command(name="proxy-config")
@click.argument("kind")
@click.argument("pod")
@click.argument("recording", type=click.Path(path_type=Path), required=False)
@click.option("--at", metavar="TIME", help="As it was then, such as 5m; by default at the end.")
@click.option("--verbose/--no-verbose", default=True, help="Matches and destinations, or only a line each.")
@click.option("-o", "--output", type=click.Choice(["short", "json"]), default="short", show_default=True)
def command(kind: str, pod: str, recording: Path | None, at: str | None, verbose: bool, output: str) -> int:
    """Show what a proxy of a recorded run had, in istioctl's columns.

    KIND is cluster, listener, route, endpoint or ecds; POD is a pod, workload or app, with .NAMESPACE where needed;
    RECORDING is the folder of a run or of a scenario's runs, by default the newest below results/.
    """
    wanted = _SHORT.get(kind, kind)
    if wanted not in _KINDS:
        raise click.BadParameter(f"'{kind}' is not one of {', '.join(_KINDS)}", param_hint="'KIND'")
    from meshsim.cli.recordings import proxy_named, recording_at
    from meshsim.exports.proxy_config import print_json, print_table, recorded_config
    from meshsim.units import parse_duration

    run = recording_at(recording)
    messages = recorded_config(run, proxy_named(run, pod), wanted, parse_duration(at) if at else None)
    click.echo(print_json(messages) if output == "json" else print_table(wanted, messages, verbose), nl=False)
    return 0
