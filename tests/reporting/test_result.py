"""A result answers the questions one asks of it."""

from __future__ import annotations

from meshsim.checks import Verdict
from meshsim.recording import Run
from meshsim.reporting.result import Result


def test_ok_and_expectations(run: Run, verdicts: tuple[Verdict, ...]) -> None:
    result = Result(run, verdicts)
    assert not result.ok
    assert Result(run, verdicts[:1]).ok
    assert result.expectations["name"].tolist() == [v.name for v in verdicts]
    assert result.expectations["ok"].tolist() == [True, False, True]
    assert result.expectations["line"].tolist() == [29, 30, 31]


def test_tables(run: Run, verdicts: tuple[Verdict, ...]) -> None:
    result = Result(run, verdicts)
    assert len(result.requests) == 18_000
    assert len(result.proxies) == 4
    assert set(result.pushes["accepted"]) == {True}
    assert result.series["count"].sum() == 18_000
    events = result.events
    assert events["time"].is_monotonic_increasing
    assert set(events["kind"]) == {"timeline", "change"}


def test_it_prints_as_the_terminal_summary(run: Run, verdicts: tuple[Verdict, ...]) -> None:
    result = Result(run, verdicts, 4.2)
    assert str(result).startswith("bookshop  seed 1")
    assert "ok=False" in repr(result)
    assert "<svg" in result._repr_html_()
