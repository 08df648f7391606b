"""`meshsim proxy-config`: what a proxy of a recorded run had, in istioctl's columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from meshsim.recording import Run
    from meshsim.units import Nanos

_KINDS: Final = ("cluster", "listener", "route", "endpoint", "ecds", "secret", "all")
_TABLES: Final = ("cluster", "listener", "route", "endpoint")
"""What `all` prints."""
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
    "secrets": "secret",
    "s": "secret",
    "a": "all",
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

    KIND is cluster, listener, route, endpoint, ecds, secret or all; POD is a pod, workload or app, with .NAMESPACE
    where needed; RECORDING is the folder of a run or of a scenario's runs, by default the newest below results/.

    With all, -o json prints a config dump that istioctl reads: istioctl proxy-config cluster --file dump.json.
    """
    wanted = _SHORT.get(kind, kind)
    if wanted not in _KINDS:
        raise click.BadParameter(f"'{kind}' is not one of {', '.join(_KINDS)}", param_hint="'KIND'")
    from meshsim.cli.recordings import proxy_named, recording_at
    from meshsim.units import parse_duration

    run = recording_at(recording)
    click.echo(
        _printed(run, proxy_named(run, pod), wanted, parse_duration(at) if at else None, verbose, output), nl=False
    )
    return 0


def _printed(run: Run, proxy: str, kind: str, at: Nanos | None, verbose: bool, output: str) -> str:
    """The text of one kind of configuration."""
    from meshsim.exports.config_dump import print_dump
    from meshsim.exports.proxy_config import print_json, print_table, recorded_config
    from meshsim.exports.secrets import print_secrets, secret_table, secrets_of

    if kind == "secret":
        secrets = secrets_of(run.config(proxy, at))
        return print_secrets(secrets) if output == "json" else secret_table(secrets)
    if kind == "all":
        if output == "json":
            return print_dump(run.config(proxy, at))
        return "\n".join(print_table(each, recorded_config(run, proxy, each, at), verbose) for each in _TABLES)
    messages = recorded_config(run, proxy, kind, at)
    return print_json(messages) if output == "json" else print_table(kind, messages, verbose)
