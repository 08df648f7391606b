"""`meshsim export`: a recording in the formats of other tools."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="export")
def command() -> None:
    """Write what a recording holds in the formats of other tools."""


@command.command(name="traces")
@click.argument("recording", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; by default it is printed.")
def traces(recording: Path | None, output: Path | None) -> int:
    """Export the requests that were recorded one by one as traces in OTLP JSON.

    RECORDING is the folder of a run, or that of a scenario's runs, of which the latest is taken; by default the newest
    below results.
    """
    from meshsim.cli.recordings import recording_at
    from meshsim.exports.otlp_traces import traces_json

    text = traces_json(recording_at(recording))
    if output is None:
        click.echo(text)
        return 0
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"'{output}' cannot be written: {error.strerror}") from error
    click.echo(f"wrote {output}")
    return 0
