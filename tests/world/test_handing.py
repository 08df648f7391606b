"""Rows are written in order, beside whoever hands them over, and what goes wrong is heard."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from meshsim.errors import InputError
from meshsim.world.handing import RowHand, Rows


def batch(number: int) -> Rows:
    return np.array([(number,)], [("number", np.int64)])


def test_batches_are_written_in_order_by_another_thread() -> None:
    written: list[int] = []
    threads: set[int] = set()

    def write(rows: Rows) -> None:
        threads.add(threading.get_ident())
        written.extend(rows["number"].tolist())

    with RowHand(write) as hand:
        for number in range(0, 30, 3):
            for turn in range(3):
                hand.add(batch(number + turn))
        hand.finish()
        assert written == list(range(30))
    assert threads.isdisjoint({threading.get_ident()})
    assert len(threads) == 1


def test_who_runs_ahead_waits() -> None:
    go = threading.Event()
    started: list[int] = []

    def write(rows: Rows) -> None:
        started.append(int(rows["number"][0]))
        assert go.wait(10)

    with RowHand(write) as hand:
        hand.add(batch(0))
        hand.add(batch(1))
        later = threading.Thread(target=lambda: [hand.add(batch(2)), hand.add(batch(3))])
        later.start()
        later.join(0.2)
        assert later.is_alive()
        go.set()
        later.join(10)
        hand.finish()
    assert started == [0, 1, 2, 3]


def test_a_failure_is_heard() -> None:
    def fail(rows: Rows) -> None:
        raise InputError("the disk is full")

    with RowHand(fail) as hand:
        hand.add(batch(0))
        with pytest.raises(InputError, match="the disk is full"):
            hand.finish()
