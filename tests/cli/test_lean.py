"""A command's process does without what it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meshsim.cli.lean import Refusal


def test_other_modules_are_found_as_ever() -> None:
    refusal = Refusal(("pandas",))
    assert refusal.find_spec("json") is None
    assert refusal.find_spec("pandas.core") is None
    with pytest.raises(ModuleNotFoundError, match="kept out"):
        refusal.find_spec("pandas")


def test_arrow_works_without_pandas() -> None:
    code = (
        "import sys\n"
        "from meshsim.cli.lean import keep_out\n"
        "keep_out()\n"
        "import pyarrow\n"
        "assert pyarrow.array([1, 2]).to_numpy().tolist() == [1, 2]\n"
        "assert 'pandas' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_looks_for_garbage_rarely() -> None:
    code = (
        "import gc\n"
        "from meshsim.cli.lean import collect_rarely\n"
        "collect_rarely()\n"
        "print(gc.isenabled(), gc.get_threshold()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    enabled, threshold = done.stdout.split()
    assert enabled == "True"
    assert int(threshold) >= 50_000


def test_a_world_is_gone_when_its_replication_is_done(small_text: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(small_text)
    code = (
        "import gc\n"
        "from meshsim.cli.app import run\n"
        "from meshsim.cli.lean import collect_rarely\n"
        "collect_rarely()\n"
        "code = run('run small.yaml --seeds 2 --jobs 1 --engine interpreted --no-record -q'.split())\n"
        "from meshsim.world.model import World\n"
        "print(code, sum(isinstance(item, World) for item in gc.get_objects()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "0 0"
