"""Whatever arrives on an ADS stream, the proxy answers or says why it cannot; nothing raises.

The full run of 100,000 inputs: ``MESHSIM_HOSTILE_INPUTS=100000 python -m pytest tests/properties/test_hostile_xds.py``.
"""

from __future__ import annotations

import os

import pytest

from meshsim.testing.hostile import HostileServer, Input, Victim

INPUTS = int(os.environ.get("MESHSIM_HOSTILE_INPUTS", "12000"))
SEEDS = 4
LIVES = 500
"""Inputs that one proxy takes before the next begins with a good configuration."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_but_an_answer(seed: int) -> None:
    server, victim = HostileServer(seed), Victim()
    acks = nacks = silent = 0
    for number in range(INPUTS // SEEDS):
        if number % LIVES == LIVES - 1:
            victim = Victim()
        accepted, refused, unanswered = victim.take(server.next())
        acks, nacks, silent = acks + accepted, nacks + refused, silent + unanswered
    assert nacks > acks > INPUTS // SEEDS // 10, "both sides are tried"
    assert silent < INPUTS // SEEDS // 5


def test_equal_seeds_give_equal_inputs() -> None:
    one, other = HostileServer(9), HostileServer(9)
    assert [one.next() for _ in range(50)] == [other.next() for _ in range(50)]


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@pytest.mark.parametrize("body", [b"", b"\xff" * 1000, b"\x0a" * 5000, b"\x1a\x80\x80\x80\x80\x08"])
def test_bytes_that_are_no_response(body: bytes, delta: bool) -> None:
    assert sum(Victim().take(Input(delta, body))) <= 1
