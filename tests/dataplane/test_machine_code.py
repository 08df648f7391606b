"""The core's machine code in a file, and as functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meshsim.dataplane import tables
from meshsim.dataplane.machine_code import EntryCode, pack_entries, unpack_entries
from meshsim.dataplane.storage import Mode

RUN = """
import sys
from meshsim.dataplane.engine import Engine
from meshsim.testing.meshes import add_requests, add_service
engine = Engine(1, mode="numba")
add_requests(engine, add_service(engine).flow, [10])
engine.run_until(1_000_000_000)
print(engine.digest, "numba" in sys.modules)
"""

ENTRIES = {
    "run": EntryCode("run_at", b"\x7fELF"),
    "inject": EntryCode("inject_at", bytes(1000)),
    "arrange": EntryCode("arrange_at", bytes(10)),
}

needs_numba = pytest.mark.skipif(tables.choose_mode("numba") is Mode.PLAIN, reason="numba is not installed")


def _run() -> list[str]:
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_entries_come_back_as_they_were() -> None:
    assert unpack_entries(pack_entries(ENTRIES)) == ENTRIES


@pytest.mark.parametrize("packed", [b"", b"no archive", pack_entries(ENTRIES)[:-30], pack_entries({})])
def test_what_is_damaged_is_no_code(packed: bytes) -> None:
    assert unpack_entries(packed) is None


def test_a_changed_byte_is_found() -> None:
    packed = pack_entries(ENTRIES)
    assert unpack_entries(packed.replace(b"\x7fELF", b"\x7fELG")) is None


@needs_numba
def test_kept_code_runs_without_the_compiler_and_damaged_code_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHSIM_CACHE_DIR", str(tmp_path))
    compiled = _run()
    assert compiled[1] == "True"
    assert _run() == [compiled[0], "False"]
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert _run() == compiled
    assert _run() == [compiled[0], "False"]
