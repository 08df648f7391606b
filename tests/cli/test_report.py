"""`meshsim report`: a recorded run once more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


def test_it_says_what_the_run_said(meshsim: Callable, shop: Path) -> None:
    ran = meshsim("run", shop)
    shown = meshsim("report", "results/bookshop")
    assert shown.code == 0
    assert shown.out.splitlines()[:-1] == ran.out.splitlines()[:-1]


def test_the_page_anew(meshsim: Callable, shop: Path) -> None:
    meshsim("run", shop)
    page = Path("results/bookshop/0001/report.html")
    page.unlink()
    assert meshsim("report", "results/bookshop/0001", "--html").code == 0
    assert page.is_file()


def test_json(meshsim: Callable, shop: Path) -> None:
    meshsim("run", shop)
    assert json.loads(meshsim("report", "results/bookshop", "-o", "json").out)["ok"] is True


def test_what_is_no_recording(meshsim: Callable) -> None:
    done = meshsim("report", "nowhere")
    assert done.code == 2
    assert "'nowhere' is not a recording" in done.err
