"""`meshsim init`: a first scenario to run and to change."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="init")
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> int:
    """Write a scenario that runs, with its manifests, into FOLDER.

    The scenario is commented and names each thing it uses; files that are there already are never overwritten.
    """
    from meshsim.front.starting import SCENARIO, write_starter

    for path in write_starter(folder):
        click.echo(f"wrote {path}")
    click.echo(f"next: cd {folder} && meshsim run {SCENARIO}")
    return 0
