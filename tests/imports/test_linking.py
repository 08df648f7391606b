"""From spans to requests: own times, calls, and what clocks and gaps in traces do to them."""

from __future__ import annotations

import pytest

from meshsim.imports.linking import Handled, OperationKey, covered, link
from meshsim.units import MILLISECOND

from .builders import CLIENT, CONSUMER, PRODUCER, SERVER, span


def handled(*spans: object) -> dict[str, Handled]:
    """The requests of a trace by operation."""
    found = link(spans).handled  # type: ignore[arg-type]
    assert len({item.key for item in found}) == len(found)
    return {item.key.operation: item for item in found}


@pytest.mark.parametrize(
    ("intervals", "length"),
    [([], 0), ([(0, 5), (3, 9), (20, 30)], 19), ([(0, 9), (2, 3)], 9), ([(5, 2)], 0)],
)
def test_unions(intervals: list[tuple[int, int]], length: int) -> None:
    assert covered(intervals) == length


def test_own_time_is_what_no_call_covers() -> None:
    found = handled(
        span("page", "", "front", 0, 100, kind=SERVER),
        span("to-a", "page", "front", 10, 40, kind=CLIENT),
        span("a", "to-a", "a", 12, 38, kind=SERVER),
        span("to-b", "page", "front", 30, 70, kind=CLIENT),
        span("b", "to-b", "b", 35, 65, kind=SERVER),
        span("render", "page", "front", 75, 90),
    )
    assert found["page"].own_time == 40 * MILLISECOND
    assert [call.callee.service for call in found["page"].calls] == ["a", "b"]
    assert (found["page"].root, found["a"].root) == (True, False)
    assert found["a"].way == 4 * MILLISECOND


def test_clocks_of_hosts_are_not_compared() -> None:
    """The callee's clock is 5 s late: its duration counts, not its instants."""
    found = handled(
        span("page", "", "front", 0, 100, kind=SERVER),
        span("to-a", "page", "front", 10, 40, kind=CLIENT),
        span("a", "to-a", "a", 5010, 5030, kind=SERVER),
    )
    assert (found["page"].own_time, found["a"].own_time) == (70 * MILLISECOND, 20 * MILLISECOND)


def test_without_client_spans_the_callees_stand_in() -> None:
    linked = link(
        [
            span("page", "", "front", 0, 100),
            span("a", "page", "a", 900, 930),
            span("b", "page", "b", 40, 50),
        ]
    )
    page = next(item for item in linked.handled if item.key.operation == "page")
    assert page.own_time == 70 * MILLISECOND
    assert [(call.callee.service, call.start // MILLISECOND) for call in page.calls] == [("a", 35), ("b", 40)]
    assert linked.moved == 1


def test_what_nobody_waits_for() -> None:
    found = handled(
        span("page", "", "front", 0, 100, kind=SERVER),
        span("put", "page", "front", 10, 12, kind=PRODUCER),
        span("work", "put", "worker", 300, 400, kind=CONSUMER),
        span("log", "page", "log", 20, 25, follows=True),
        span("late", "page", "front", 90, 190, kind=CLIENT),
        span("a", "late", "a", 91, 189, kind=SERVER),
        span("soon", "page", "front", 50, 100.5, kind=CLIENT),
        span("b", "soon", "b", 51, 60, kind=SERVER),
    )
    waited = {call.callee.operation: call.waited for call in found["page"].calls}
    assert waited == {"work": False, "log": False, "a": False, "b": True}
    assert found["page"].own_time == 50 * MILLISECOND


def test_a_missing_parent_makes_no_client() -> None:
    linked = link([span("a", "lost", "a", 0, 10, kind=SERVER), span("b", "", "b", 0, 10, kind=SERVER)])
    assert (linked.orphans, [item.root for item in linked.handled]) == (1, [False, True])


def test_a_missing_server_span_is_known_by_other_calls() -> None:
    """The client span of the same name led to `a` elsewhere; one that never led anywhere is the service's own work."""
    spans = [
        span("page#1", "", "front", 0, 100, kind=SERVER, trace="1"),
        span("to-a#1", "page#1", "front", 10, 40, kind=CLIENT, trace="1"),
        span("a#1", "to-a#1", "a", 12, 38, kind=SERVER, trace="1"),
        span("page#2", "", "front", 0, 100, kind=SERVER, trace="2"),
        span("to-a#2", "page#2", "front", 10, 60, kind=CLIENT, trace="2"),
        span("redis#2", "page#2", "front", 70, 80, kind=CLIENT, trace="2"),
    ]
    second = [item for item in link(spans).handled if item.key.operation == "page"][1]
    assert [call.callee for call in second.calls] == [OperationKey("a", "a")]
    assert second.own_time == 50 * MILLISECOND


def test_zipkins_shared_spans() -> None:
    spans = [
        span("page", "", "front", 0, 100, kind=SERVER),
        span("x", "page", "front", 10, 40, kind=CLIENT, operation="to-a"),
        span("x", "page", "a", 12, 38, kind=SERVER, operation="a"),
        span("y", "x", "a", 14, 20, kind=CLIENT, operation="to-b"),
        span("b", "y", "b", 15, 19, kind=SERVER),
    ]
    found = handled(*spans)
    assert found["page"].own_time == 70 * MILLISECOND
    assert [call.callee.service for call in found["a"].calls] == ["b"]


def test_a_clients_own_span_begins_no_service() -> None:
    found = handled(
        span("click", "", "browser", 0, 60, kind=CLIENT),
        span("page", "click", "front", 10, 50, kind=SERVER),
    )
    assert list(found) == ["page"]
    assert (found["page"].root, found["page"].sender) == (True, "browser")


def test_a_service_may_call_itself() -> None:
    found = handled(
        span("page", "", "front", 0, 100, kind=SERVER),
        span("to-me", "page", "front", 10, 40, kind=CLIENT),
        span("part", "to-me", "front", 12, 38, kind=SERVER),
        span("filter", "part", "front", 13, 30, kind=SERVER),
    )
    assert list(found) == ["page", "part"]
    assert found["page"].calls[0].callee == OperationKey("front", "part")


def test_failures_of_calls() -> None:
    found = handled(
        span("page", "", "front", 0, 100, kind=SERVER, status=500),
        span("to-a", "page", "front", 10, 40, kind=CLIENT),
        span("a", "to-a", "a", 12, 38, kind=SERVER, failed=True),
    )
    assert (found["page"].failed, found["page"].calls[0].failed, found["page"].status) == (True, True, 500)
