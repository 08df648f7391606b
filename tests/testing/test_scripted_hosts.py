"""Scripted hosts, asked by the scripted client without anything between them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.scripted_client import ScriptedClient
from meshsim.testing.scripted_hosts import ScriptedHosts
from meshsim.world.verify.dynamics_script import Host

ADDRESS, PORT = "127.0.9.1", 28471


def asked(script: dict[str, Any], *requests: dict[str, Any]) -> tuple[ScriptedHosts, list[dict[str, Any]]]:
    """A host of this script, and what requests sent one after another heard."""

    async def ask() -> tuple[ScriptedHosts, list[dict[str, Any]]]:
        begin = time.monotonic()

        def clock() -> float:
            return (time.monotonic() - begin) * 1000

        host = Host(0, f"{ADDRESS}:{PORT}", Fields(script))
        hosts = ScriptedHosts({host.address: host}, clock)
        client = ScriptedClient(ADDRESS, PORT, clock)
        hosts.requests = client.sent
        await hosts.start()
        try:
            for request in requests:
                await client.send(Fields(request))
        finally:
            client.close()
            await hosts.stop()
        return hosts, client.heard

    return asyncio.run(ask())


def test_a_host_follows_its_script() -> None:
    hosts, heard = asked({"by_index": [{"status": 503}], "default": {"status": 201}}, {}, {}, {})
    assert [note["status"] for note in heard] == [503, 201, 201]
    assert [(row["req"], row["n"], row["conn"]) for row in hosts.attempts] == [(0, 0, 0), (1, 1, 0), (2, 2, 0)]


def test_a_request_brings_its_own_answer() -> None:
    _, heard = asked({"default": {"status": 503}}, {"upstream": [{"status": 204, "body_bytes": 0}]}, {})
    assert [note["status"] for note in heard] == [204, 503]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"reset": "before_headers"}, "connection_closed"),
        ({"reset": "after_headers", "body_bytes": 100, "after_ms": 1}, "connection_closed"),
        ({"reset": "before_headers", "rst": True}, "connection_closed"),
        ({"hang": True}, "timeout"),
        ({"delay_ms": 500}, "timeout"),
    ],
    ids=["closes", "cuts", "resets", "hangs", "late"],
)
def test_failures(behaviour: dict[str, Any], error: str) -> None:
    _, heard = asked({"default": behaviour}, {"client_timeout_ms": 100})
    assert heard[0]["error"] == error


def test_a_connection_that_closes_is_not_used_again() -> None:
    hosts, _ = asked({"default": {"close": True}}, {}, {})
    assert [row["conn"] for row in hosts.attempts] == [0, 1]


def test_health_checks_are_noted_apart() -> None:
    script = {"checks": [{"status": 204, "body_bytes": 0}, {"status": 503}]}
    hosts, heard = asked(script, {}, {"path": "/hc"}, {"path": "/hc"}, {"path": "/hc"}, {})
    assert [note["status"] for note in heard] == [200, 204, 503, 503, 200]
    assert [number for number, _ in hosts.checks] == [0, 0, 0]
    assert [row["req"] for row in hosts.attempts] == [0, 4]
