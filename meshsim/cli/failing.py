"""What a person sees of an exception: errors with their place, and for a bug of our own where the details are."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from pathlib import Path

import click

from meshsim import __version__
from meshsim.errors import LimitError, MeshsimError


def explain(error: Exception) -> int:
    """Print an exception; returns the exit code."""
    if isinstance(error, MeshsimError) and (error.exit_code != 3 or isinstance(error, LimitError)):
        from meshsim.reporting.columns import style_of
        from meshsim.reporting.diagnostics import Diagnostics

        for line in Diagnostics(style_of(sys.stderr)).error(error):
            click.echo(line, err=True)
        return error.exit_code
    if isinstance(error, OSError):
        # A full disk, a folder that may not be written: nothing that meshsim could do better.
        where = f"'{error.filename}': " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        return 2
    return internal(error)


def internal(error: BaseException) -> int:
    """Say that meshsim itself failed, and keep the traceback in a file; returns the exit code."""
    kind = type(error).__name__
    text = str(error).strip().split("\n")[0]
    click.echo(f"internal error: {kind}: {text}" if text else f"internal error: {kind}", err=True)
    path = keep_traceback(error)
    if path is not None:
        click.echo(f"this is a bug of meshsim; the details are in {path}", err=True)
    return 3


def keep_traceback(error: BaseException) -> Path | None:
    """Write the traceback to a fresh file; `None` where no file can be written."""
    lines = [
        f"meshsim {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"arguments: {sys.argv[1:]}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="meshsim-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write("\n".join(lines))
            return Path(file.name)
    except OSError:
        return None
