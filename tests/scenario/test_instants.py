"""Instants and windows relative to the timeline."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from meshsim.errors import InputError
from meshsim.scenario.instants import Anchors, Instant, Span, Window, Windows, parse_instant
from meshsim.units import MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("90s", Instant("start", 90 * SECOND)),
        ("1m30s", Instant("start", 90 * SECOND)),
        ("shift", Instant("shift")),
        ("shift+5s", Instant("shift", 5 * SECOND)),
        ("lose-istiod", Instant("lose-istiod")),
        ("lose-istiod-5s", Instant("lose-istiod", -5 * SECOND)),
        ("slow-v2.end", Instant("slow-v2", 0, True)),
        ("slow-v2.end+1m", Instant("slow-v2", MINUTE, True)),
        ("end-10s", Instant("end", -10 * SECOND)),
        ("start", Instant("start")),
    ],
)
def test_instants(text: str, instant: Instant) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["", "5", "shift +", "shift+5", "-5s", "5s+5s", "a b"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(InputError):
        parse_instant(text)


def test_an_instant_reads_as_it_was_written() -> None:
    for text in ("1m30s", "shift+5s", "slow-v2.end", "end-10s"):
        assert str(parse_instant(text)) == text


@pytest.mark.parametrize(
    ("value", "windows"),
    [
        ("slow", (Window(Instant("slow")),)),
        (["shift+5s", "slow"], (Window(Instant("shift", 5 * SECOND), Instant("slow")),)),
        (
            [["0s", "10s"], ["slow"]],
            (Window(Instant("start"), Instant("start", 10 * SECOND)), Window(Instant("slow"))),
        ),
    ],
)
def test_windows(value: object, windows: tuple[Window, ...]) -> None:
    assert TypeAdapter(Windows).validate_python(value) == windows


@pytest.mark.parametrize("value", [[], ["a", "b", "c"], 5, [["a", "b", "c"]], {"from": "a"}])
def test_what_is_no_window(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Windows).validate_python(value)


ANCHORS = Anchors(
    10 * MINUTE, {"shift": Span(MINUTE, 10 * MINUTE), "slow": Span(5 * MINUTE, 6 * MINUTE)}, frozenset({"slow"})
)


def test_windows_resolve_to_half_open_spans() -> None:
    assert ANCHORS.resolve(Window(Instant("slow"))) == Span(5 * MINUTE, 6 * MINUTE)
    assert ANCHORS.resolve(Window(Instant("shift"))) == Span(MINUTE, 10 * MINUTE)
    between = Window(Instant("shift", 5 * SECOND), Instant("slow"))
    assert ANCHORS.resolve(between) == Span(65 * SECOND, 5 * MINUTE)
    late = Window(Instant("slow", 0, True), Instant("end"))
    assert ANCHORS.resolve(late) == Span(6 * MINUTE, 10 * MINUTE)


def test_a_window_is_cut_to_the_run() -> None:
    wide = Window(Instant("shift", -2 * MINUTE), Instant("end", MINUTE))
    assert ANCHORS.resolve(wide) == Span(0, 10 * MINUTE)


def test_an_id_with_an_offset_lasts_to_its_end() -> None:
    assert ANCHORS.resolve(Window(Instant("slow", 10 * SECOND))) == Span(310 * SECOND, 6 * MINUTE)
