"""Windows of expectations as parts of the run."""

from __future__ import annotations

from meshsim.checks.context import Context
from meshsim.scenario import Latency, Nacks, Span
from meshsim.units import SECOND


def detail(**given: object) -> Latency:
    return Latency.model_validate({"of": "shoppers", "p50": {"max": "1s"}, **given})


def test_an_id_is_the_time_in_force(context: Context) -> None:
    windows = detail(during="slow").during or ()
    assert context.spans(windows) == [Span(40 * SECOND, 45 * SECOND)]
    assert context.spans(detail(during="shift").during or ()) == [Span(20 * SECOND, 60 * SECOND)]


def test_exceptions_are_left_out(context: Context) -> None:
    all_of_it = int(context.windowed(detail()).sum())
    inside = int(context.windowed(detail(during="slow")).sum())
    outside = int(context.windowed(detail(**{"except": "slow"})).sum())
    assert 0 < inside < all_of_it
    assert inside + outside == all_of_it


def test_several_windows_add_up(context: Context) -> None:
    both = detail(during=[["start", "10s"], ["50s", "end"]])
    spans = context.spans(both.during or ())
    assert spans == [Span(0, 10 * SECOND), Span(50 * SECOND, 60 * SECOND)]


def test_what_the_run_did_not_reach(context: Context) -> None:
    assert context.is_reached(Nacks.model_validate({"max": 0}))
    assert context.is_reached(detail(during="slow"))
