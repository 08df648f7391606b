"""Steps of the scripted client against a host that only counts."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.scripted_client import ScriptedClient, is_request
from meshsim.testing.scripted_hosts import ScriptedHosts
from meshsim.world.verify.dynamics_script import Host

ADDRESS, PORT = "127.0.9.2", 28472
DELAY = 20.0


def played(step: dict[str, Any]) -> ScriptedHosts:
    """A host that needs 20 ms for an answer, after one step."""

    async def play() -> ScriptedHosts:
        begin = time.monotonic()

        def clock() -> float:
            return (time.monotonic() - begin) * 1000

        host = Host(0, f"{ADDRESS}:{PORT}", Fields({"default": {"delay_ms": DELAY}}))
        hosts = ScriptedHosts({host.address: host}, clock)
        client = ScriptedClient(ADDRESS, PORT, clock)
        hosts.requests = client.sent
        await hosts.start()
        try:
            await client.step(Fields(step))
        finally:
            client.close()
            await hosts.stop()
        assert [note["status"] for note in client.heard] == [200] * len(client.heard)
        return hosts

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("step", "count", "least"),
    [
        ({"burst": 4}, 4, 0.0),
        ({"count": 3, "every": 30}, 3, 60.0),
        ({"closed_loop": 2, "count": 6}, 6, 2 * DELAY),
        ({"sequential": 3, "gap": 10}, 3, 2 * DELAY + 20),
        ({"matrix": [{"path": "/a"}, {"path": "/b"}]}, 2, DELAY),
        ({"at": 50}, 1, 0.0),
    ],
    ids=["burst", "every", "loop", "sequential", "matrix", "single"],
)
def test_steps(step: dict[str, Any], count: int, least: float) -> None:
    times = [row["t_ms"] for row in played(step).attempts]
    assert len(times) == count
    assert times[-1] - times[0] >= least - 1
    assert times[0] >= step.get("at", 0) - 1


def test_what_a_step_is() -> None:
    assert is_request(Fields({"burst": 2}))
    assert not is_request(Fields({"at": 5, "host_do": "down"}))
