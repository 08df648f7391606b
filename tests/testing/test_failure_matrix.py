"""The matrix is large enough and every kind of end stands in it."""

from __future__ import annotations

from meshsim.dataplane.decide import Flag
from meshsim.dataplane.decide.upstream_ends import End
from meshsim.testing.failure_lab import BEHAVIOURS
from meshsim.testing.failure_matrix import ROWS


def test_rows_are_told_apart_by_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 75


def test_every_end_and_every_flag_of_a_decision_is_tried() -> None:
    assert {attempt.end for row in ROWS for attempt in row.attempts} == set(End)
    flags = {flag for row in ROWS for flag in row.flags.split(",") if flag}
    assert {flag.value for flag in Flag} - flags == {Flag.NO_FILTER_CONFIG.value}


def test_every_upstream_has_a_behaviour() -> None:
    others = {"none", "unhealthy", "refuses", "drops"}
    assert {row.upstream for row in ROWS} <= others | BEHAVIOURS.keys()
