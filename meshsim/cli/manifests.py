"""The arguments of commands that read manifests: paths, and `-f` as istioctl and kubectl have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

STDIN: Final = Path("-")


def manifests(command: Callable[..., int]) -> Callable[..., int]:
    """PATHS and `-f FILE`, which reach the command as `paths` and `files`."""
    file = click.option(
        "-f",
        "--filename",
        "files",
        metavar="FILE",
        multiple=True,
        type=click.Path(path_type=Path, allow_dash=True),
        help="Manifest or folder, repeatable; - reads standard input.",
    )
    paths = click.argument("paths", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
    return paths(file(command))


def named(paths: tuple[Path, ...], files: tuple[Path, ...]) -> tuple[Path, ...]:
    """All of them; raises `click.UsageError` when there is none."""
    if not paths and not files:
        raise click.UsageError("Name a manifest or a folder, or - for standard input.")
    return (*paths, *files)
