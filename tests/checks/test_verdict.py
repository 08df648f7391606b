"""Verdicts survive the file."""

from __future__ import annotations

from pathlib import Path

from meshsim.checks import Interval, Outcome, Verdict, load_verdicts, save_verdicts
from meshsim.errors import Position
from meshsim.recording import open_run
from meshsim.testing.recordings import write_bookshop


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path))
    verdicts = (
        Verdict(
            name="split",
            kind="share",
            outcome=Outcome.NOT_MET,
            observed="12 %",
            limit="10 % +- 1 %",
            value=0.12,
            samples=10,
            interval=Interval(0.1, 0.14),
            warnings=("small",),
            causes=("because",),
            position=Position("a.yaml", 3, 5),
        ),
        Verdict(name="n", kind="nacks", outcome=Outcome.NOT_JUDGED, observed="", limit="<= 0", value=None, samples=0),
    )
    assert run.verdicts() == []
    save_verdicts(tmp_path, verdicts)
    assert load_verdicts(run.verdicts()) == verdicts
