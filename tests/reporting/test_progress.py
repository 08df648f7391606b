"""Progress is a line on a terminal, now and then a line in a log, nothing when quiet."""

from __future__ import annotations

import io

import pytest

from meshsim.reporting import progress
from meshsim.reporting.progress import Progress, is_live
from meshsim.units import SECOND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moments = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moments[0])
    return moments


def test_a_bar_is_redrawn_and_taken_away(clock: list[float]) -> None:
    stream = io.StringIO()
    bar = Progress(stream, live=True)
    bar.begin("shop", 60 * SECOND, 2)
    clock[0] += 60
    bar.advance(1, 0, 0)
    clock[0] += 1
    bar.advance(1, 30 * SECOND, 1234)
    drawn = stream.getvalue()
    assert "25%" in drawn
    assert "30s simulated, 1,234 requests, 3 s left" in drawn
    clock[0] += 0.01
    bar.advance(1, 31 * SECOND, 1300)
    assert stream.getvalue() == drawn
    bar.close()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_a_line_every_ten_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    log = Progress(stream, live=False)
    log.begin("shop", 60 * SECOND, 1)
    for _ in range(26):
        clock[0] += 1
        log.advance(1, 30 * SECOND, 5)
    log.close()
    assert stream.getvalue().count("\n") == 2
    assert "\x1b" not in stream.getvalue()


def test_quiet_says_nothing(clock: list[float]) -> None:
    stream = io.StringIO()
    quiet = Progress(stream, live=True, quiet=True)
    quiet.begin("shop", SECOND, 1)
    clock[0] += 60
    quiet.advance(1, SECOND, 1)
    quiet.note("compiling")
    quiet.close()
    assert stream.getvalue() == ""


def test_notes_stay(clock: list[float]) -> None:
    stream = io.StringIO()
    bar = Progress(stream, live=True)
    bar.begin("shop", SECOND, 1)
    bar.advance(1, 0, 0)
    clock[0] += 1
    bar.advance(1, SECOND, 1)
    bar.note("compiling")
    assert stream.getvalue().endswith("\r\x1b[Kcompiling\n")


def test_lines_are_redrawn_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert is_live(Terminal(), {})
    assert not is_live(Terminal(), {"CI": "true"})
    assert not is_live(Terminal(), {"TERM": "dumb"})
    assert not is_live(io.StringIO(), {})


def test_a_bar_is_there_from_the_begin(clock: list[float]) -> None:
    stream = io.StringIO()
    Progress(stream, live=True).begin("shop", 60 * SECOND, 1)
    assert "shop  [" in stream.getvalue()
    assert "  0%" in stream.getvalue()


def test_replications_that_are_told_of_when_they_are_done(clock: list[float]) -> None:
    """The first of two took ten seconds: so does the second."""
    stream = io.StringIO()
    bar = Progress(stream, live=True)
    bar.begin("shop", 60 * SECOND, 2)
    clock[0] += 10
    bar.advance(1, 60 * SECOND, 10)
    assert "50%  1m00s simulated, 10 requests, 10 s left" in stream.getvalue()


def test_what_is_done_before_time_passes_is_said_on_a_terminal(clock: list[float]) -> None:
    stream = io.StringIO()
    bar = Progress(stream, live=True)
    bar.doing("reading shop.yaml")
    assert stream.getvalue() == "\r\x1b[Kreading shop.yaml"
    bar.begin("shop", 60 * SECOND, 1)
    bar.doing("connecting proxies", 0, 2000)
    assert stream.getvalue().endswith("\r\x1b[Kshop  connecting proxies, 0 of 2,000")
    bar.doing("connecting proxies", 1, 2000)
    assert stream.getvalue().endswith("0 of 2,000"), "not for each of them"
    clock[0] += 0.2
    bar.doing("connecting proxies", 1234, 2000)
    assert stream.getvalue().endswith("\r\x1b[Kshop  connecting proxies, 1,234 of 2,000")
    bar.close()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_what_is_done_long_before_time_passes_is_said_in_a_log(clock: list[float]) -> None:
    stream = io.StringIO()
    log = Progress(stream, live=False)
    log.begin("shop", 60 * SECOND, 1)
    for done in range(12):
        log.doing("connecting proxies", done, 12)
        clock[0] += 1
    log.doing("judging")
    assert stream.getvalue() == "shop  connecting proxies, 10 of 12\n"


def test_the_next_file_begins_anew(clock: list[float]) -> None:
    stream = io.StringIO()
    bar = Progress(stream, live=True)
    for file in ("a", "b"):
        bar.doing(f"reading {file}.yaml")
        assert stream.getvalue().endswith(f"\r\x1b[Kreading {file}.yaml")
        bar.begin(file, 60 * SECOND, 1)
        bar.advance(1, 60 * SECOND, 10)
        bar.doing("judging")
        bar.close()
    bar.doing("judging")
    assert stream.getvalue().endswith("\r\x1b[Kjudging")


def test_quiet_says_nothing_of_what_is_done(clock: list[float]) -> None:
    stream = io.StringIO()
    Progress(stream, live=True, quiet=True).doing("judging")
    assert stream.getvalue() == ""
