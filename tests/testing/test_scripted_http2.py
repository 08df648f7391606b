"""Scripted HTTP/2 hosts, asked by a plain HTTP/2 client on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes

from meshsim.api import Fields
from meshsim.testing.scripted_hosts import ScriptedHosts
from meshsim.world.verify.dynamics_script import Host

ADDRESS, PORT = "127.0.9.2", 28473
CLOSED = "closed"
UNSAID = 100
"""Streams that a host allows whose script does not say."""
PATIENCE = 5.0
"""Seconds to wait for what has to come."""
QUIET = 0.2
"""Seconds in which nothing comes, where nothing has to."""


class Client:
    """A plain HTTP/2 client on one connection, and what it has heard: kinds of events with what matters of them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.machine = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.machine.initiate_connection()
        self.heard: list[Any] = []

    def ask(self, streams: int) -> None:
        """Open so many streams at once."""
        for number in range(streams):
            headers = [(":method", "GET"), (":path", "/"), (":authority", "a"), (":scheme", "http")]
            self.machine.send_headers(2 * number + 1, [*headers, ("x-rid", str(number))], end_stream=True)
        self.flush()

    def flush(self) -> None:
        self._writer.write(self.machine.data_to_send())

    @property
    def received(self) -> int:
        """Bytes of bodies."""
        return sum(event[1] for event in self.heard if event[0] == "data")

    async def until(self, enough: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Listen until this has come, or in vain."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not enough() and CLOSED not in self.heard:
                    await self._listen()

    async def quiet(self) -> None:
        """Listen for what should not come."""
        await self.until(lambda: False, QUIET)

    async def _listen(self) -> None:
        try:
            data = await self._reader.read(65_536)
        except ConnectionError:
            data = b""
        if not data:
            self.heard.append(CLOSED)
            return
        for event in self.machine.receive_data(data):
            self.heard += known(event)
        self.flush()


def talk(script: dict[str, Any], say: Callable[[Client], Awaitable[None]]) -> list[tuple[Any, Any]]:
    """Have a client talk with a host of this script; returns the requests that the host has noted."""

    async def meet() -> list[tuple[Any, Any]]:
        host = Host(0, f"{ADDRESS}:{PORT}", Fields({"proto": "h2", **script}))
        hosts = ScriptedHosts({host.address: host}, lambda: 0.0)
        await hosts.start()
        reader, writer = await asyncio.open_connection(ADDRESS, PORT)
        try:
            await say(Client(reader, writer))
        finally:
            writer.close()
            await hosts.stop()
        return [(row["req"], row["conn"]) for row in hosts.attempts]

    return asyncio.run(meet())


def heard(script: dict[str, Any], events: int, streams: int = 1) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """What a client hears of streams that it opens at once, when so many events are to come."""
    found: list[Any] = []

    async def say(client: Client) -> None:
        client.ask(streams)
        await client.until(lambda: len(client.heard) >= events)
        await client.quiet()
        found.extend(client.heard)

    return found, talk(script, say)


def known(event: Event) -> list[Any]:
    match event:
        case ResponseReceived(headers=headers):
            return [("headers", dict(headers or ())[":status"])]
        case DataReceived(data=data):
            return [("data", len(data or b""))]
        case TrailersReceived(headers=headers):
            return [("trailers", dict(headers or ()))]
        case StreamReset(error_code=code):
            return [("reset", int(code or 0))]
        case ConnectionTerminated(error_code=code, last_stream_id=last):
            return [("goaway", int(code or 0), last)]
        case RemoteSettingsChanged(changed_settings=changed):
            found = changed.get(SettingCodes.MAX_CONCURRENT_STREAMS)
            return [("streams", found.new_value)] if found is not None and found.new_value != UNSAID else []
        case StreamEnded():
            return ["end"]
    return []


@pytest.mark.parametrize(
    ("behaviour", "events"),
    [
        ({"status": 503, "body_bytes": 3}, [("headers", "503"), ("data", 3), "end"]),
        ({"grpc_status": 14}, [("headers", "200"), "end"]),
        (
            {"grpc_status": 14, "trailers_only": False, "body_bytes": 2},
            [("headers", "200"), ("data", 2), ("trailers", {"grpc-status": "14"}), "end"],
        ),
        ({"rst_stream": 8}, [("reset", 8)]),
        ({"rst_stream": 2, "after_headers": True, "after_ms": 1}, [("headers", "200"), ("data", 4), ("reset", 2)]),
        ({"goaway": {"last": 1, "error": 2, "close": True}}, [("goaway", 2, 1), CLOSED]),
        ({"reset": "before_headers"}, [CLOSED]),
        ({"hang": True}, []),
        ({"close": True, "body_bytes": 1}, [("headers", "200"), ("data", 1), "end", CLOSED]),
        (
            {"settings": {"max_concurrent_streams": 3}, "body_bytes": 1},
            [("streams", 3), ("headers", "200"), ("data", 1), "end"],
        ),
    ],
    ids=["status", "grpc", "trailers", "reset", "reset late", "goaway", "cut", "hang", "close", "settings"],
)
def test_a_stream_gets_what_the_script_says(behaviour: dict[str, Any], events: list[Any]) -> None:
    found, attempts = heard({"default": behaviour}, len(events))
    assert found == events
    assert attempts == [(0, 0)]


def test_large_bodies_wait_for_the_window() -> None:
    async def say(client: Client) -> None:
        client.ask(1)
        await client.until(lambda: client.received >= 65_535)
        await client.quiet()
        assert client.received == 65_535, "nobody has opened the window"
        for stream in (None, 1):
            client.machine.increment_flow_control_window(200_000, stream)
        client.flush()
        await client.until(lambda: "end" in client.heard)
        assert client.received == 200_000

    talk({"default": {"body_bytes": 200_000}}, say)


def test_nothing_is_sent_into_a_window_below_zero() -> None:
    """RFC 9113 6.9.2: smaller initial windows make those of streams that are used up negative."""

    async def say(client: Client) -> None:
        client.ask(1)
        await client.until(lambda: client.received >= 65_535)
        client.machine.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        client.machine.increment_flow_control_window(200_000)
        client.flush()
        await client.quiet()
        assert (client.received, CLOSED in client.heard) == (65_535, False)
        client.machine.increment_flow_control_window(200_000, 1)
        client.flush()
        await client.until(lambda: "end" in client.heard)
        assert client.received == 200_000

    talk({"default": {"body_bytes": 200_000}}, say)


def test_larger_initial_windows_let_bodies_go_on() -> None:
    async def say(client: Client) -> None:
        client.machine.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        client.ask(1)
        await client.until(lambda: client.received >= 10)
        client.machine.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 50_000})
        client.flush()
        await client.until(lambda: "end" in client.heard)
        assert client.received == 50_000

    talk({"default": {"body_bytes": 50_000}}, say)


def test_settings_are_announced_and_hold_from_the_beginning() -> None:
    script = {"settings": {"max_concurrent_streams": 2}}
    found, attempts = heard(script, 7, streams=2)
    assert found[0] == ("streams", 2)
    assert (found.count("end"), attempts) == (2, [(0, 0), (1, 0)])
    found, attempts = heard(script, 2, streams=3)
    assert (found, attempts) == ([("streams", 2), CLOSED], [])
