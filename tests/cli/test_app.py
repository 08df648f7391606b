"""The command group: fast, helpful, one exit code for each way to end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from meshsim.cli import app
from meshsim.cli.app import COMMANDS
from meshsim.errors import LimitError

ROOT = Path(__file__).resolve().parents[2]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_explains_itself(meshsim: Callable, name: str) -> None:
    command = app.app.get_command(click.Context(app.app), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    done = meshsim(name, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: meshsim {name}")


def test_help_is_fast() -> None:
    """Measured against a bare interpreter on the same machine, which may be busy."""
    best: dict[tuple[str, ...], float] = {}
    for _ in range(5):
        for arguments in (("-m", "meshsim", "--help"), ("-c", "pass")):
            began = time.perf_counter()
            assert python(*arguments).returncode == 0
            took = time.perf_counter() - began
            best[arguments] = min(best.get(arguments, took), took)
    bare = best[("-c", "pass")]
    assert best[("-m", "meshsim", "--help")] < max(0.15, 8 * bare)


def test_help_lists_every_command(meshsim: Callable) -> None:
    done = meshsim("--help")
    assert done.code == 0
    assert all(f"  {name}" in done.out for name in COMMANDS)


def test_version(meshsim: Callable) -> None:
    from meshsim import __version__

    assert meshsim("--version").out == f"meshsim {__version__}\n"


def test_without_a_command_the_help_is_shown(meshsim: Callable) -> None:
    done = meshsim()
    assert done.code == 2
    assert "Usage" in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("rnu",), "Did you mean 'run'?"),
        (("fly",), "There is no command 'fly'"),
        (("run",), "Missing argument"),
        (("run", "x", "--sed", "1"), "No such option"),
        (("run", "x", "-o", "xml"), "'xml' is not one of"),
        (("run", "x", "--seed", "1", "--seeds", "2"), "cannot go together"),
        (("run", "x", "--until", "soon"), "is not a duration"),
        (("run", "nothing.yaml"), "there is no file 'nothing.yaml'"),
    ],
)
def test_wrong_usage_is_two(meshsim: Callable, arguments: tuple[str, ...], text: str) -> None:
    done = meshsim(*arguments)
    assert done.code == 2
    assert text in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (RuntimeError("boom"), 3, "internal error: RuntimeError: boom"),
        (RecursionError(), 3, "internal error: RecursionError"),
        (LimitError("too much"), 3, "error: too much"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_nothing_ends_in_a_traceback(
    meshsim: Callable, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(app.app, "main", fail)
    done = meshsim("doctor")
    assert done.code == code
    assert text in done.err
    assert "Traceback" not in done.err


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m meshsim schema | head -c 10",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
