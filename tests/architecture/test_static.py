"""Static checks: the code lints, and types hold against stubs made from the installed protobufs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_lints() -> None:
    _run("ruff", "check", ".")


def test_types_hold() -> None:
    stubs = subprocess.run(
        [sys.executable, "tools/make_stubs.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert stubs.returncode == 0, stubs.stderr
    _run("mypy", "--strict", "-p", "meshsim")
