"""One HTTP/2 connection of a scripted host: prior knowledge, each stream answered as the script says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from meshsim.api import Fields

_READ: Final = 65_536
_CONFIG: Final = H2Configuration(client_side=False, header_encoding="utf-8")
_SETTINGS: Final[Mapping[str, SettingCodes]] = {
    "max_concurrent_streams": SettingCodes.MAX_CONCURRENT_STREAMS,
    "initial_window_size": SettingCodes.INITIAL_WINDOW_SIZE,
    "max_frame_size": SettingCodes.MAX_FRAME_SIZE,
}

Headers = Mapping[str, str]
Arrive = Callable[[Headers], Fields]
"""Notes a request that has arrived, by its headers, and says what is done with it."""


@dataclass(slots=True)
class Http2Connection:
    """A connection that a caller has opened to a scripted host.

    The settings hold from the beginning, whether the caller knows them yet or not: a caller that opens more streams at
    once than it may is cut off.
    """

    settings: Fields
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    arrive: Arrive
    _machine: H2Connection = field(init=False)
    _headers: dict[int, Headers] = field(default_factory=dict)
    _answers: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _window: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._machine = H2Connection(_CONFIG)
        values = settings_of(self.settings)
        if values:
            self._machine.local_settings = Settings(client=False, initial_values=values)

    async def run(self) -> None:
        """Serve until either end closes."""
        self._machine.initiate_connection()
        self._flush()
        try:
            while data := await self.reader.read(_READ):
                for event in self._machine.receive_data(data):
                    self._on(event)
                self._flush()
        except ProtocolError:
            # The caller broke a rule of the protocol, as one of the settings: without a word it is cut off.
            pass
        finally:
            for task in self._answers.values():
                task.cancel()
            self.writer.transport.abort()

    def _on(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=headers):
                self._headers[stream] = {str(name): str(value) for name, value in headers or ()}
            case DataReceived(stream_id=int(stream), flow_controlled_length=length):
                self._machine.acknowledge_received_data(length or 0, stream)
            case StreamEnded(stream_id=int(stream)):
                entry = self.arrive(self._headers.pop(stream))
                self._answers[stream] = asyncio.create_task(self._kept(stream, entry))
            case StreamReset(stream_id=int(stream)):
                task = self._answers.pop(stream, None)
                if task is not None:
                    task.cancel()
            case WindowUpdated() | RemoteSettingsChanged():
                self._window.set()

    async def _kept(self, stream: int, entry: Fields) -> None:
        """Behave, unless the connection is gone meanwhile."""
        try:
            await self._behave(stream, entry)
        except (ProtocolError, OSError):
            self.writer.transport.abort()
        finally:
            self._answers.pop(stream, None)

    async def _behave(self, stream: int, entry: Fields) -> None:
        if entry.flag("hang"):
            return
        await rest(entry.number("delay_ms"))
        if "settings" in entry:
            self._machine.update_settings(
                {int(code): value for code, value in settings_of(entry.fields("settings")).items()}
            )
            self._flush()
        if entry.flag("garbage"):
            self.writer.write(b"\x00\x01garbage\r\n\r\n")
            self.writer.close()
        elif "goaway" in entry:
            await self._go_away(stream, entry)
        elif "rst_stream" in entry:
            if entry.flag("after_headers"):
                self._begin(stream, entry, half=True)
                await rest(entry.number("after_ms", 20))
            self._machine.reset_stream(stream, entry.integer("rst_stream"))
            self._flush()
        elif entry.text("reset"):
            if entry.text("reset") == "after_headers":
                self._begin(stream, entry, half=True)
                await rest(entry.number("after_ms", 20))
            else:
                await rest(entry.number("after_ms"))
            self.writer.close()
        else:
            await self._answer(stream, entry)

    async def _go_away(self, stream: int, entry: Fields) -> None:
        """Say GOAWAY, and go on with the streams that it leaves."""
        said = entry.fields("goaway")
        frame = GoAwayFrame(0, last_stream_id=said.integer("last"), error_code=said.integer("error"))
        self.writer.write(frame.serialize())
        if said.flag("close"):
            self.writer.close()
        elif said.flag("answer") or "status" in entry:
            await self._answer(stream, entry)

    async def _answer(self, stream: int, entry: Fields) -> None:
        trailers = self._trailers(entry)
        if "grpc_status" in entry and not trailers:
            self._machine.send_headers(stream, _head(entry), end_stream=True)
            self._flush()
        else:
            self._begin(stream, entry)
            await rest(entry.number("body_delay_ms"))
            await self._send(stream, _body(entry), end=not trailers)
            if trailers:
                self._machine.send_headers(stream, trailers, end_stream=True)
                self._flush()
        if entry.flag("close"):
            self.writer.close()

    def _trailers(self, entry: Fields) -> list[tuple[str, str]]:
        found = list(entry.text_map("trailers").items())
        if "grpc_status" in entry and not entry.flag("trailers_only", True):
            found.append(("grpc-status", str(entry.integer("grpc_status"))))
        return found

    def _begin(self, stream: int, entry: Fields, *, half: bool = False) -> None:
        self._machine.send_headers(stream, _head(entry))
        if half:
            body = _body(entry)
            self._machine.send_data(stream, body[: len(body) // 2])
        self._flush()

    async def _send(self, stream: int, body: bytes, *, end: bool) -> None:
        """Send as much as the other end takes, and the rest when it takes more."""
        # A smaller initial window makes that of a stream negative (RFC 9113 6.9.2).
        while len(body) > (room := max(self._machine.local_flow_control_window(stream), 0)):
            self._window.clear()
            self._pieces(stream, body[:room], end=False)
            body = body[room:]
            await self._window.wait()
        self._pieces(stream, body, end=end)

    def _pieces(self, stream: int, body: bytes, *, end: bool) -> None:
        size = self._machine.max_outbound_frame_size
        for at in range(0, len(body), size):
            self._machine.send_data(stream, body[at : at + size], end_stream=end and at + size >= len(body))
        if end and not body:
            self._machine.end_stream(stream)
        self._flush()

    def _flush(self) -> None:
        self.writer.write(self._machine.data_to_send())


def settings_of(entry: Fields) -> dict[SettingCodes, int]:
    """The settings that a script names."""
    return {code: entry.integer(name) for name, code in _SETTINGS.items() if name in entry}


async def rest(milliseconds: float) -> None:
    """Wait, unless there is nothing to wait for."""
    if milliseconds > 0:
        await asyncio.sleep(milliseconds / 1000)


def _body(entry: Fields) -> bytes:
    return b"x" * entry.integer("body_bytes", 8)


def _head(entry: Fields) -> list[tuple[str, str]]:
    found = [(":status", str(entry.integer("status", 200)))]
    found += [(name.lower(), value) for name, value in entry.text_map("headers").items()]
    if "grpc_status" in entry:
        found.append(("content-type", "application/grpc"))
        if entry.flag("trailers_only", True):
            found.append(("grpc-status", str(entry.integer("grpc_status"))))
    return found
