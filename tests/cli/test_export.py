"""`meshsim export`: a recording for other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


def test_traces(meshsim: Callable, shop: Path, tmp_path: Path) -> None:
    assert meshsim("run", shop).code == 0
    done = meshsim("export", "traces", "-o", "traces.json")
    assert (done.code, done.out) == (0, "wrote traces.json\n")
    printed = meshsim("export", "traces", "results/bookshop")
    assert json.loads(printed.out) == json.loads((tmp_path / "traces.json").read_text())
    assert json.loads(printed.out)["resourceSpans"]


def test_without_a_recording(meshsim: Callable) -> None:
    done = meshsim("export", "traces")
    assert (done.code, "there is no recording in 'results'" in done.err) == (2, True)


def test_a_folder_that_is_not_there(meshsim: Callable, shop: Path) -> None:
    assert meshsim("run", shop).code == 0
    done = meshsim("export", "traces", "-o", "none/traces.json")
    assert (done.code, "cannot be written" in done.err) == (2, True)
