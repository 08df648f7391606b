"""A scripted HTTP/1.1 client for a real Envoy: the steps of a recorded experiment, and what it heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from meshsim.api import Fields

_PATIENCE_MS: Final = 8_000.0
_TAKEN: Final = 0.005
"""Seconds until a proxy has accepted new connections."""
_CONTROL: Final = ("eds_update", "host_do", "admin", "stats")

Clock = Callable[[], float]
"""Milliseconds since the script began."""


@dataclass(slots=True)
class ScriptedClient:
    """The client of an experiment. It keeps idle connections unless a request asks for a `fresh` one."""

    address: str
    port: int
    clock: Clock
    sent: dict[int, Fields] = field(default_factory=dict)
    """Every request, by number."""
    heard: list[dict[str, Any]] = field(default_factory=list)
    _warming: asyncio.Lock = field(default_factory=asyncio.Lock)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def step(self, step: Fields) -> None:
        """Do one step of the script from its instant on."""
        await self._until(step.number("at"))
        if "burst" in step:
            async with self._warming:
                await self._warm(step.integer("burst"))
                sending = [asyncio.create_task(self.send(step)) for _ in range(step.integer("burst"))]
                # They take their connections before another burst looks for some.
                await asyncio.sleep(0)
            await asyncio.gather(*sending)
        elif "every" in step:
            await self._tick(step)
        elif "closed_loop" in step:
            rest = iter([step] * step.integer("count"))
            await asyncio.gather(*(self._loop(rest, 0.0) for _ in range(step.integer("closed_loop"))))
        elif "sequential" in step:
            await self._loop(iter([step] * step.integer("sequential")), step.number("gap"))
        elif "matrix" in step:
            await self._loop(iter(step.items("matrix")), step.number("gap"))
        else:
            await self.send(step)

    async def _until(self, at: float) -> None:
        wait = at - self.clock()
        if wait > 0:
            await asyncio.sleep(wait / 1000)

    async def _tick(self, step: Fields) -> None:
        begin = self.clock()
        async with asyncio.TaskGroup() as group:
            for number in range(step.integer("count")):
                await self._until(begin + number * step.number("every"))
                group.create_task(self.send(step))

    async def _loop(self, rest: Iterator[Fields], gap: float) -> None:
        for spec in rest:
            await self.send(spec)
            if gap:
                await asyncio.sleep(gap / 1000)

    async def _warm(self, count: int) -> None:
        """Have so many idle connections that the proxy has taken: of those that it has not yet, the oldest is first."""
        known = len(self._idle)
        while len(self._idle) < count:
            self._idle.append(await asyncio.open_connection(self.address, self.port))
        if len(self._idle) > known:
            await asyncio.sleep(_TAKEN)

    async def send(self, spec: Fields) -> None:
        """Send a request and note how it ends."""
        number = len(self.sent)
        self.sent[number] = spec
        begin = self.clock()
        note: dict[str, Any] = {"i": number, "t_ms": round(begin, 2)}
        self.heard.append(note)
        fresh = spec.flag("fresh")
        reader, writer = (
            self._idle.pop() if self._idle and not fresh else await asyncio.open_connection(self.address, self.port)
        )
        limit, error = spec.number("client_timeout_ms", _PATIENCE_MS), "timeout"
        if "abort_after_ms" in spec and spec.number("abort_after_ms") < limit:
            limit, error = spec.number("abort_after_ms"), "client_aborted"
        writer.write(_head(spec, number))
        body = asyncio.create_task(_send_body(spec, writer))
        try:
            async with asyncio.timeout(limit / 1000):
                status, keeps, whole = await _answer(reader)
            note["status"] = status
            if not whole:
                note["error"] = "connection_closed"
            if whole and keeps and not fresh and body.done():
                self._idle.append((reader, writer))
            else:
                writer.close()
        except TimeoutError:
            note["error"] = error
            writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            note["error"] = "connection_closed"
            writer.close()
        body.cancel()
        note["latency_ms"] = round(self.clock() - begin, 2)

    def close(self) -> None:
        for _, writer in self._idle:
            with contextlib.suppress(OSError):
                writer.close()


def is_request(step: Fields) -> bool:
    """Whether a step sends anything."""
    return not any(key in step for key in _CONTROL)


async def _send_body(spec: Fields, writer: asyncio.StreamWriter) -> None:
    """Send the body, at once or later than the headers, or never."""
    if spec.flag("body_never"):
        await asyncio.Future()
    if "body_after_ms" in spec:
        await asyncio.sleep(spec.number("body_after_ms") / 1000)
    with contextlib.suppress(OSError):
        writer.write(b"x" * spec.integer("body_bytes"))


def _head(spec: Fields, number: int) -> bytes:
    lines = [f"{spec.text('method', 'GET')} {spec.text('path', '/')} HTTP/1.1", f"host: {spec.text('host', 'test')}"]
    lines.append(f"x-rid: {number}")
    lines += [f"{name}: {value}" for name, value in spec.text_map("headers").items()]
    body = spec.integer("body_bytes")
    if body or spec.text("method") == "POST":
        lines.append(f"content-length: {body}")
    return "\r\n".join((*lines, "", "")).encode("latin-1")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool, bool]:
    """Status, whether the connection is kept, and whether the body came whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    status = int(head[0].split()[1])
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    keeps = headers.get("connection") != "close"
    try:
        if headers.get("transfer-encoding") == "chunked":
            await _chunks(reader)
        else:
            await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, OSError):
        return status, False, False
    return status, keeps, True


async def _chunks(reader: asyncio.StreamReader) -> None:
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)
        if not size:
            return
