"""Times relative to other entries, circles of them, times outside the run."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.errors import InputError
from meshsim.scenario import LoadedScenario, Span
from meshsim.units import MINUTE, SECOND

Load = Callable[[str], LoadedScenario]
Complain = Callable[[str], list[InputError]]


def timeline(*entries: str) -> str:
    return "timeline:\n" + "".join(f"  - {{{entry}, kill: {{pod: cart-1}}}}\n" for entry in entries)


def test_times_follow_their_anchors_in_any_order(load: Load) -> None:
    loaded = load(
        timeline("id: c, at: b.end+10s", "id: b, at: a+1m, for: 30s", "id: a, at: 1m", "id: d, at: end-1m, for: 5m")
    )
    anchors = loaded.anchors
    assert anchors.span("a") == Span(MINUTE, 10 * MINUTE)
    assert anchors.span("b") == Span(2 * MINUTE, 150 * SECOND)
    assert anchors.span("c").begin == 160 * SECOND
    assert anchors.is_undone("b")
    assert not anchors.is_undone("d")
    assert loaded.actions[-1].until is None


def test_a_circle_is_named_once(complain: Complain) -> None:
    errors = complain(timeline("id: a, at: b+1s", "id: b, at: c+1s", "id: c, at: a+1s"))
    assert [error.message for error in errors] == ["these times depend on each other: a -> b -> c -> a"]


def test_an_entry_cannot_wait_for_itself(complain: Complain) -> None:
    assert "a -> a" in complain(timeline("id: a, at: a+1s"))[0].message


def test_unknown_anchors_are_compared_with_the_known(complain: Complain) -> None:
    error = complain(timeline("id: shift, at: 1m", "id: b, at: shfit+5s"))[0]
    assert (error.message, error.hint) == ("there is no timeline entry 'shfit'", "did you mean 'shift'?")


def test_an_end_needs_a_for(complain: Complain) -> None:
    assert "is not undone" in complain(timeline("id: a, at: 1m", "id: b, at: a.end"))[0].message


def test_times_outside_the_run(complain: Complain) -> None:
    messages = [error.message for error in complain(timeline("id: a, at: 11m", "id: b, at: start-5s"))]
    assert messages == [
        "'a' would begin at 11m, the run lasts from 0s to 10m",
        "'b' would begin at -5s, the run lasts from 0s to 10m",
    ]


def test_an_id_is_given_once(complain: Complain, first_line: int) -> None:
    error = complain(timeline("id: a, at: 1m", "id: a, at: 2m"))[0]
    assert error.message == f"the id 'a' is taken by the entry of line {first_line + 1}"
