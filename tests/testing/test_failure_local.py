"""Rows without an upstream need none."""

from __future__ import annotations

from meshsim.dataplane.decide.upstream_ends import Attempt, End
from meshsim.testing.failure_local import CODEC, LOCAL


def test_no_attempt_fails() -> None:
    assert {row.attempts for row in (*LOCAL, *CODEC)} == {(Attempt(End.ANSWERED),)}


def test_what_the_codec_refuses_has_its_flag_or_is_checked_behind_it() -> None:
    assert {row.flags for row in CODEC} == {"DPE", ""}
    assert all(row.status >= 400 for row in CODEC)
