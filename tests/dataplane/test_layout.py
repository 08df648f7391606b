"""Specs to rows: scaling, interning, Envoy's ways with odd values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.layout import Layout, chance, interval_of, row_of
from meshsim.dataplane.storage import FIELDS
from meshsim.testing.meshes import HOST, ROUTE, exponential, fixed
from meshsim.units import MILLISECOND, SECOND


def test_probabilities_and_rates() -> None:
    assert (chance(0.0), chance(0.5), chance(1.0), chance(2.0)) == (0, core.WHOLE // 2, core.WHOLE, core.WHOLE)
    assert (interval_of(70_000.0), interval_of(0.0)) == (14_285_714, 0)


def test_rows_are_named() -> None:
    assert row_of("share", weight=3) == (3, 0, 0)
    with pytest.raises(TypeError, match="no field"):
        row_of("share", wieght=3)


def test_equal_things_share_a_row() -> None:
    layout = Layout()
    assert layout.dist(exponential(5)) == layout.dist(exponential(5)) == 0
    assert layout.dist(fixed(0)) == layout.dist(None) == -1
    assert layout.timer_class(5, core.TIMER_TRY) != layout.timer_class(5, core.TIMER_ROUTE)
    assert layout.timer_class(0, core.TIMER_TRY) == -1
    assert layout.route(ROUTE) == layout.route(replace(ROUTE))


def test_routes_that_differ_in_their_one_cluster_share_a_row() -> None:
    layout = Layout()
    one = layout.route(replace(ROUTE, clusters=((3, 1),), request_classes=(2,)))
    other = layout.route(replace(ROUTE, clusters=((4, 7), (5, 0))))
    assert one == (0, 3, 2)
    assert other == (0, 4, 0)
    split = layout.route(replace(ROUTE, clusters=((3, 1), (4, 1))))
    assert split == (1, -1, 0)


def test_sessions_with_a_back_off_share_no_row_with_other_clusters_or_proxies() -> None:
    """Each of them moves it for all sessions of their filter."""
    layout = Layout()
    session = replace(ROUTE, timeout_status=0, clusters=((3, 1),))
    first, *rest = (
        layout.route(one, proxy) for one in (session, replace(session, clusters=((4, 1),))) for proxy in (1, 2)
    )
    assert len({first[0], *(row for row, _, _ in rest)}) == 4
    assert layout.route(replace(session), 1) == first
    without = replace(session, backoff_base=0)
    assert layout.route(without, 1)[0] == layout.route(replace(without, clusters=((4, 1),)), 2)[0]


def test_a_per_try_timeout_not_below_the_routes_has_no_timer() -> None:
    layout = Layout()
    rows = layout.rows["route"].rows
    for per_try in (SECOND, SECOND // 2):
        layout.route(replace(ROUTE, timeout=SECOND, per_try_timeout=per_try))
    at = FIELDS["route"].index("try_class")
    assert [row[at] >= 0 for row in rows] == [False, True]


def test_back_off_below_a_millisecond_is_one() -> None:
    layout = Layout()
    layout.route(replace(ROUTE, backoff_base=MILLISECOND // 2, backoff_max=0))
    row = dict(zip(FIELDS["route"], layout.rows["route"].rows[0], strict=True))
    assert (row["base_ms"], row["max_ms"]) == (1, 1)


def test_words_of_a_host_are_as_many_as_the_core_reads() -> None:
    assert len(Layout().host_words(0, HOST)) == core.HOST_WORDS
