"""Whatever arrives on an ADS stream, the proxy answers or says why it cannot; nothing raises.

The full run of 100,000 inputs: ``MESHSIM_HOSTILE_INPUTS=100000 python -m pytest tests/properties/test_hostile_xds.py``.
"""

from __future__ import annotations

import os
import random

import pytest

from meshsim.testing.hostile import HostileServer, Input, Victim
from meshsim.testing.hostile_messages import twist
from meshsim.xds import type_urls
from meshsim.xds.messages import discovery_pb2
from meshsim.xds.snapshot_server import SnapshotServer

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


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_a_server_takes_any_request(delta: bool) -> None:
    """Names, nonces and types that make no sense: answered with what there is, or not at all."""
    rng = random.Random(3)
    server = SnapshotServer()
    for name in ("a", "*", ""):
        for type_url in type_urls.PUSH_ORDER:
            server.put(type_url, name, name.encode())
    kind = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
    server.open("1", delta=delta)
    nonce, answers = "", 0
    for _ in range(INPUTS // 4):
        request = kind(type_url=rng.choice((*type_urls.PUSH_ORDER, "x")), response_nonce=rng.choice(("", nonce)))
        asked = request.resource_names_subscribe if delta else request.resource_names
        asked.extend(rng.sample(("a", "b", "*", ""), rng.randint(0, 2)))
        if delta:
            request.resource_names_unsubscribe.extend(rng.choices(("a", "b"), k=rng.randint(0, 2)))
        for _ in range(rng.randint(0, 2)):
            twist(request, rng)
        for response in server.on_request("1", request):
            nonce, answers = response.nonce, answers + 1
        for _, response in server.push(rng.choice(type_urls.PUSH_ORDER)) if rng.random() < 0.1 else ():
            nonce = response.nonce
    assert answers > INPUTS // 100
