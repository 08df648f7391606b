"""Scripted hosts on loopback, for a real Envoy: they do with each request what a recorded experiment's script
says (`meshsim.world.verify.dynamics_script` reads the same script for the model)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshsim.api import Fields
from meshsim.testing.scripted_http2 import Http2Connection, rest
from meshsim.world.verify.dynamics_script import Host, own_behaviours

_LINGER: Final = struct.pack("ii", 1, 0)
"""Socket option: closing resets."""
_BODY: Final = 8
HEALTH: Final = "/hc"
"""Requests for this path are health checks, which are noted apart."""

Clock = Callable[[], float]
"""Milliseconds since the client's script began."""


@dataclass(slots=True)
class ScriptedHosts:
    """The hosts of an experiment; what arrives is noted in `attempts`, health checks in `checks`."""

    hosts: Mapping[str, Host]
    clock: Clock
    attempts: list[dict[str, Any]] = field(default_factory=list)
    checks: list[tuple[int, float]] = field(default_factory=list)
    requests: Mapping[int, Fields] = field(default_factory=dict)
    """What was sent, by number: requests may bring the behaviours they meet."""
    _servers: dict[int, asyncio.Server] = field(default_factory=dict)
    _open: dict[int, set[asyncio.StreamWriter]] = field(default_factory=dict)
    _connections: dict[int, int] = field(default_factory=dict)
    _tries: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each request, how many tries its earlier streams have had, and the number of its last one."""

    async def start(self) -> None:
        for host in self.hosts.values():
            if not host.down:
                await self.listen(host.number, True)

    async def listen(self, number: int, listening: bool) -> None:
        """Open or close the listener of a host."""
        if not listening:
            server = self._servers.pop(number, None)
            if server is not None:
                server.close()
            return
        host = next(h for h in self.hosts.values() if h.number == number)
        address, _, port = host.address.rpartition(":")
        self._servers[number] = await asyncio.start_server(
            lambda reader, writer: self._serve(host, reader, writer), address, int(port), reuse_address=True
        )

    def cut(self, number: int) -> None:
        """Close all connections of a host."""
        for writer in list(self._open.get(number, ())):
            writer.transport.abort()

    async def stop(self) -> None:
        for server in self._servers.values():
            server.close()
        for number in self._open:
            self.cut(number)

    async def _serve(self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = self._open.setdefault(host.number, set())
        opened.add(writer)
        connection = self._connections[host.number] = self._connections.get(host.number, -1) + 1
        try:
            if host.http2:
                arrive = functools.partial(self._arrive, host, connection)
                await Http2Connection(host.script.fields("settings"), reader, writer, arrive).run()
            while not host.http2 and await self._exchange(host, connection, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The other end is gone, or the experiment is over.
            pass
        finally:
            opened.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    async def _exchange(
        self, host: Host, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its answer; returns whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        path = lines[0].split()[1]
        entry = self._arrive(host, connection, {":path": path, ":authority": headers.get("host", ""), **headers})
        return await self._behave(entry, reader, writer)

    def _arrive(self, host: Host, connection: int, headers: Mapping[str, str]) -> Fields:
        """Note a request that has arrived, and find what is done with it."""
        now = self.clock()
        if headers[":path"].startswith(HEALTH):
            self.checks.append((host.number, now))
            return host.checked(round(now * 1e6))
        number, attempt = int(headers.get("x-rid", -1)), int(headers.get("x-envoy-attempt-count", 1))
        shadow = headers.get(":authority", "").endswith("-shadow")
        row = {"req": number, "host": host.number, "n": host.arrivals, "conn": connection, "t_ms": round(now, 2)}
        self.attempts.append({**row, "attempt": attempt, **({"shadow": True} if shadow else {})})
        entry = host.next(round(now * 1e6))
        own = own_behaviours(self.requests[number].body) if number in self.requests and not shadow else ()
        if own:
            before, last = self._tries.get(number, (0, 0))
            if attempt <= last:
                # A redirect was followed: tries begin at 1 again.
                before += last
            self._tries[number] = before, attempt
            entry = own[min(before + attempt, len(own)) - 1]
        return entry

    async def _behave(self, entry: Fields, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do what a script says; returns whether the connection goes on."""
        if entry.flag("hang"):
            # Until the other end gives up.
            await reader.read(1)
            return False
        await rest(entry.number("delay_ms"))
        kind = entry.text("reset")
        if entry.flag("garbage"):
            writer.write(b"\x00\x01garbage\r\n\r\n")
            return False
        if kind == "before_headers":
            await rest(entry.number("after_ms"))
            return _broken(entry, writer)
        writer.write(_head(entry))
        body = _body(entry)
        if kind == "after_headers":
            writer.write(body[: len(body) // 2])
            await rest(entry.number("after_ms", 20))
            return _broken(entry, writer)
        if entry.number("body_delay_ms"):
            await rest(entry.number("body_delay_ms"))
        writer.write(body)
        await writer.drain()
        return not entry.flag("close")


def _broken(entry: Fields, writer: asyncio.StreamWriter) -> bool:
    if entry.flag("rst"):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    return False


def _body(entry: Fields) -> bytes:
    """What follows the headers: nothing where they tell how a call has ended."""
    return b"x" * entry.integer("body_bytes", 0 if "grpc_status" in entry else _BODY)


def _head(entry: Fields) -> bytes:
    lines = [f"HTTP/1.1 {entry.integer('status', 200)} X"]
    length = len(_body(entry))
    lines.append(f"content-length: {length}")
    lines += [f"{name}: {value}" for name, value in entry.text_map("headers").items()]
    if entry.flag("close"):
        lines.append("connection: close")
    if "grpc_status" in entry:
        lines += ["content-type: application/grpc", f"grpc-status: {entry.integer('grpc_status')}"]
    return "\r\n".join((*lines, "", "")).encode("latin-1")
