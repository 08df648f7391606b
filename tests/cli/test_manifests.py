"""Paths by argument and by option are one list."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from meshsim.cli.manifests import manifests, named


@click.command()
@manifests
def show(paths: tuple[Path, ...], files: tuple[Path, ...]) -> int:
    click.echo(" ".join(map(str, named(paths, files))))
    return 0


def test_arguments_and_options_add_up() -> None:
    assert CliRunner().invoke(show, ["a", "-f", "b", "c", "--filename", "-"]).output == "a c b -\n"


def test_nothing_is_not_enough() -> None:
    with pytest.raises(click.UsageError):
        named((), ())
