"""Responses, answers and effects come together, whatever is missing."""

from __future__ import annotations

from meshsim.recording.pushes import PushLog
from meshsim.recording.schema import PUSHES
from meshsim.trace import ProxyEffective, Push, PushAnswer, PushSent


def sent(push: int, proxy: str, time: int = 10) -> PushSent:
    return PushSent(time, push, proxy, "rds", "v1", 8, 9, 1, 0, 100)


def rows(log: PushLog) -> list[dict[str, object]]:
    return [dict(zip(PUSHES.names, row, strict=True)) for row in log.rows(3)]


def test_a_response_its_answer_and_its_effect() -> None:
    log = PushLog()
    log.add(Push(1, 1, 2, 3, (4, 5), "v1"))
    log.add(sent(1, "a"))
    log.add(PushAnswer(12, 1, "a", "rds", "v1", True, ""))
    log.add(ProxyEffective(11, 1, "a", "rds", "v1"))
    (row,) = rows(log)
    assert (row["first_change"], row["started"], row["changes"], row["seed"]) == (1, 3, [4, 5], 3)
    assert (row["sent"], row["answered"], row["accepted"], row["effective"]) == (10, 12, True, 11)


def test_what_did_not_happen_is_minus_one() -> None:
    log = PushLog()
    log.add(sent(0, "a"))
    (row,) = rows(log)
    assert (row["first_change"], row["answered"], row["accepted"], row["effective"]) == (-1, -1, None, -1)


def test_repeated_responses_are_answered_in_their_order() -> None:
    log = PushLog()
    log.add(sent(0, "a", 10))
    log.add(sent(0, "a", 20))
    log.add(PushAnswer(11, 0, "a", "rds", "v1", True, ""))
    log.add(PushAnswer(21, 0, "a", "rds", "v1", False, "no"))
    assert [(row["sent"], row["answered"], row["accepted"]) for row in rows(log)] == [(10, 11, True), (20, 21, False)]


def test_a_push_that_concerned_nobody_is_kept() -> None:
    log = PushLog()
    log.add(Push(1, 1, 2, 3, (4,), "v1"))
    (row,) = rows(log)
    assert (row["push"], row["proxy"], row["sent"], row["debounced"]) == (1, "", -1, 2)


def test_an_answer_nobody_saw_asked_for_is_kept() -> None:
    log = PushLog()
    log.add(PushAnswer(11, 0, "a", "rds", "v1", True, ""))
    log.add(ProxyEffective(12, 0, "b", "rds", "v1"))
    assert [(row["proxy"], row["answered"], row["effective"]) for row in rows(log)] == [("a", 11, -1), ("b", -1, 12)]
