"""Scripted HTTP/2 hosts, asked by a plain HTTP/2 client on loopback."""

from __future__ import annotations

import asyncio
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


def heard(script: dict[str, Any], streams: int = 1, patience: float = 0.3) -> list[Any]:
    """What a client hears of so many streams that it opens at once: kinds of events with what matters of them."""

    async def ask() -> list[Any]:
        host = Host(0, f"{ADDRESS}:{PORT}", Fields({"proto": "h2", **script}))
        hosts = ScriptedHosts({host.address: host}, lambda: 0.0)
        await hosts.start()
        found: list[Any] = []
        reader, writer = await asyncio.open_connection(ADDRESS, PORT)
        client = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        client.initiate_connection()
        for number in range(streams):
            headers = [(":method", "GET"), (":path", "/"), (":authority", "a"), (":scheme", "http")]
            client.send_headers(2 * number + 1, [*headers, ("x-rid", str(number))], end_stream=True)
        writer.write(client.data_to_send())
        try:
            async with asyncio.timeout(patience):
                while data := await reader.read(65_536):
                    for event in client.receive_data(data):
                        found += known(event)
                    writer.write(client.data_to_send())
                found.append(CLOSED)
        except TimeoutError:
            pass
        except ConnectionError:
            found.append(CLOSED)
        writer.close()
        await hosts.stop()
        return [found, [(row["req"], row["conn"]) for row in hosts.attempts]]

    return asyncio.run(ask())


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
            return [("streams", found.new_value)] if found is not None else []
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
    found, attempts = heard({"default": behaviour})
    assert [event for event in found if event != ("streams", 100)] == events
    assert attempts == [(0, 0)]


def test_large_bodies_wait_for_the_window() -> None:
    found, _ = heard({"default": {"body_bytes": 200_000}})
    assert sum(event[1] for event in found if event[0] == "data") < 200_000, "nobody has opened the window"


def test_settings_are_announced_and_hold_from_the_beginning() -> None:
    script = {"settings": {"max_concurrent_streams": 2}}
    found, attempts = heard(script, streams=2)
    assert found[0] == ("streams", 2)
    assert (found.count("end"), attempts) == (2, [(0, 0), (1, 0)])
    found, attempts = heard(script, streams=3)
    assert (found, attempts) == ([("streams", 2), CLOSED], [])
