"""Sessions through a real Envoy's tcp_proxy, to hosts that answer, hang up, reset, refuse or say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from meshsim.testing.envoy_process import EnvoyProcess

FIRST_PORT: Final = 26101
LISTENER, HOST = "127.0.0.61", "127.0.0.62"
TCP: Final = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
TLS: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
LOG: Final = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_ASSIGNMENT: Final = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
_RESET: Final = struct.pack("ii", 1, 0)
PORTS: Final = {
    "up": 26201,
    "other": 26202,
    "third": 26203,
    "fin": 26211,
    "reset": 26212,
    "mute": 26213,
    "closed": 26221,
    "full": 26222,
    "tls": 26231,
    "tls-reset": 26232,
}
"""Hosts by what they do with a session: answer after as long as it asks for; hang up, reset or stay silent instead of
that; refuse connections, or drop every packet; answer over TLS, or reset it there. A host that answers alone does TLS
never: one that connects to it with TLS waits for ever."""
_TLS: Final = frozenset({"tls", "tls-reset"})
_SECURED: Final = ("tls", "tls", "tls-reset", "closed", "full", "up")
_PLAIN: Final = ("up", "up", "other", "third", "fin", "reset", "mute", "closed", "full")


class Update(NamedTuple):
    """From an instant (in milliseconds) on a cluster has these hosts."""

    at: int
    hosts: tuple[str, ...]


class Session(NamedTuple):
    """A client: when it comes, from the case's begin, and how long it asks the host to take (milliseconds)."""

    begin: int
    lasts: int = 50


class Case(NamedTuple):
    """A tcp_proxy with its clusters, and what happens there."""

    hosts: tuple[tuple[str, ...], ...]
    """Of each cluster."""
    proxy: Mapping[str, Any]
    cluster: Mapping[str, Any]
    sessions: tuple[Session, ...]
    updates: tuple[Update, ...] = ()
    """Of the first cluster."""
    weights: tuple[int, ...] = ()
    """Of each cluster, where there are more than one."""


def later(case: Case, by: int) -> Case:
    """The same a little later, so that not all cases begin at once."""
    sessions = tuple(one._replace(begin=one.begin + by) for one in case.sessions)
    return case._replace(sessions=sessions, updates=tuple(one._replace(at=one.at + by) for one in case.updates))


class Outcome(NamedTuple):
    """What became of a session."""

    heard: str
    """What its client heard: `answer`, `fin` or `reset`."""
    after: float
    """How long Envoy had it, in milliseconds."""
    flags: str
    attempts: int
    host: str


class Seen(NamedTuple):
    """What came of a case."""

    sessions: list[Outcome]
    clusters: list[dict[str, int]]
    proxy: dict[str, int]
    """Statistics of the tcp_proxy."""


def listener(number: int, case: Case, log: str = "") -> dict[str, Any]:
    """The listener of a case."""
    proxy: dict[str, Any] = {"@type": TCP, "stat_prefix": f"t{number}", **case.proxy}
    if case.weights:
        parts = [{"name": f"c{number}-{i}", "weight": weight} for i, weight in enumerate(case.weights)]
        proxy["weighted_clusters"] = {"clusters": parts}
    else:
        proxy["cluster"] = f"c{number}-0"
    if log:
        fields = {
            "flags": "%RESPONSE_FLAGS%",
            "client": "%DOWNSTREAM_REMOTE_PORT%",
            "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            "host": "%UPSTREAM_HOST%",
            "duration": "%DURATION%",
        }
        entry = {"@type": LOG, "path": log, "log_format": {"json_format": fields}}
        proxy["access_log"] = [{"name": "file", "typed_config": entry}]
    return {
        "name": f"l{number}",
        "address": {"socket_address": {"address": LISTENER, "port_value": FIRST_PORT + number}},
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
    }


def assignment(name: str, hosts: tuple[str, ...]) -> dict[str, Any]:
    """The endpoints of a cluster."""
    addresses = [{"socket_address": {"address": HOST, "port_value": PORTS[host]}} for host in hosts]
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}]
    return {"cluster_name": name, "endpoints": endpoints}


def clusters(number: int, case: Case, folder: str = "") -> list[dict[str, Any]]:
    """The clusters of a case; with updates the first one's hosts come from a file in a folder."""
    found = []
    for i, hosts in enumerate(case.hosts):
        name = f"c{number}-{i}"
        body: dict[str, Any] = {"name": name, "connect_timeout": "0.3s", **case.cluster}
        if i == 0 and case.updates and folder:
            body["type"] = "EDS"
            source = {"path_config_source": {"path": f"{folder}/{name}.json"}, "resource_api_version": "V3"}
            body["eds_cluster_config"] = {"eds_config": source}
        else:
            body |= {"type": "STATIC", "load_assignment": assignment(name, hosts)}
        found.append(body)
    return found


def with_tls(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """A cluster that speaks TLS to its hosts."""
    return {**cluster, "transport_socket": {"name": "tls", "typed_config": {"@type": TLS}}}


def random_case(rng: random.Random) -> Case:
    """Hosts, limits, timeouts and sessions. Nothing happens at once: sessions begin at multiples of 60 ms, and what
    takes time takes 20, 40 or 50 ms more than such a multiple, by its kind."""
    tls = rng.random() < 0.2
    pool = _SECURED if tls else _PLAIN
    weighted = rng.random() < 0.15
    hosts = tuple(_some(rng, pool) for _ in range(1 + weighted))
    proxy: dict[str, Any] = {}
    cluster: dict[str, Any] = {"connect_timeout": rng.choice(("0.14s", "0.32s"))}
    if rng.random() < 0.6:
        proxy["max_connect_attempts"] = rng.randint(1, 3)
    if rng.random() < 0.35:
        proxy["idle_timeout"] = rng.choice(("0.1s", "0.22s"))
    if rng.random() < 0.2:
        proxy["max_downstream_connection_duration"] = rng.choice(("0.11s", "0.23s"))
    if rng.random() < 0.15:
        proxy["backoff_options"] = {"base_interval": "0.004s", "max_interval": "0.008s"}
    if rng.random() < 0.2:
        proxy["hash_policy"] = [{"source_ip": {}}]
        cluster["lb_policy"] = rng.choice(("RING_HASH", "MAGLEV"))
    if rng.random() < 0.4:
        most = rng.choice(({"max_connections": 1}, {"max_connections": 2}, {"max_pending_requests": 0}))
        cluster["circuit_breakers"] = {"thresholds": [most]}
    if rng.random() < 0.25:
        detection = {"consecutive_5xx": 2, "interval": "5s", "max_ejection_percent": 100}
        local = {"split_external_local_origin_errors": True, "consecutive_local_origin_failure": 2}
        cluster["outlier_detection"] = detection | (local if rng.random() < 0.5 else {})
        # Event loops hear of ejections a moment later than a session connects again.
        proxy["max_connect_attempts"] = 1
    begin, sessions = 180, []
    for _ in range(rng.randint(1, 2 if weighted else 5)):
        sessions.append(Session(begin, rng.choice((20, 80, 200))))
        begin += rng.choice((60, 60, 120))
    updates: tuple[Update, ...] = ()
    if rng.random() < 0.25:
        updates = (Update(sessions[0].begin + rng.choice((30, 90)), _some(rng, pool)),)
    if "mute" in {name for some in (*hosts, *(update.hosts for update in updates)) for name in some}:
        # Whoever had a failed attempt before has no idle timeout any more.
        proxy.setdefault("max_downstream_connection_duration", "0.53s")
    weights = (rng.randint(1, 3), rng.randint(1, 3)) if weighted else ()
    return Case(hosts, proxy, with_tls(cluster) if tls else cluster, tuple(sessions), updates, weights)


def _some(rng: random.Random, pool: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rng.choices(pool, k=rng.randint(1, 3))))


class _Hosts:
    """The hosts, and the ends of what they have accepted."""

    def __init__(self, certificate: tuple[str, str] | None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            self._context.load_cert_chain(*certificate)
        self._servers: list[asyncio.Server] = []
        self._full = socket.socket()
        self._queued: list[socket.socket] = []

    async def __aenter__(self) -> _Hosts:
        for name, port in PORTS.items():
            if name in ("closed", "full"):
                continue
            context = self._context if name in _TLS else None

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name) -> None:
                with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                    await _serve(name, reader, writer)

            self._servers.append(await asyncio.start_server(serve, HOST, port, ssl=context))
        self._full.bind((HOST, PORTS["full"]))
        self._full.listen(0)
        for _ in range(3):
            stream = socket.socket()
            stream.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                stream.connect((HOST, PORTS["full"]))
            self._queued.append(stream)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for stream in (*self._queued, self._full):
            stream.close()


async def _serve(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A line says how many milliseconds it is to take."""
    asked = await reader.readline()
    if not asked:
        writer.close()
        return
    if name == "mute" or not asked.strip().isdigit():
        await reader.read()
        writer.close()
        return
    await asyncio.sleep(int(asked) / 1000)
    stream = writer.get_extra_info("socket")
    if name.endswith("reset") and stream is not None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
        return
    if name != "fin":
        writer.write(b"done\n")
    writer.close()


async def _client(port: int, session: Session, begin: float) -> tuple[str, int]:
    """What it hears, and its port."""
    await asyncio.sleep(begin + session.begin / 1000 - time.monotonic())
    reader, writer = await asyncio.open_connection(LISTENER, port)
    own = int(writer.get_extra_info("sockname")[1])
    writer.write(f"{session.lasts}\n".encode())
    try:
        heard = "answer" if await reader.readline() == b"done\n" else "fin"
    except OSError:
        heard = "reset"
    writer.close()
    return heard, own


async def _update(path: Path, update: Update, begin: float) -> None:
    await asyncio.sleep(begin + update.at / 1000 - time.monotonic())
    write(path, update.hosts)


def write(path: Path, hosts: tuple[str, ...]) -> None:
    """Replace the endpoints of a cluster as Envoy notices it: by a move."""
    body = {
        "version_info": str(time.monotonic_ns()),
        "resources": [{"@type": _ASSIGNMENT, **assignment(path.stem, hosts)}],
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(body), encoding="utf-8")
    fresh.replace(path)


async def measure(cases: Sequence[Case], folder: Path, certificate: tuple[str, str] | None, until: float) -> list[Seen]:
    """What a real Envoy makes of cases, all at once, after so many seconds; `certificate` of hosts that speak TLS."""
    listeners, bodies = [], []
    for n, case in enumerate(cases):
        listeners.append(listener(n, case, str(folder / f"log{n}")))
        bodies += clusters(n, case, str(folder))
        if case.updates:
            write(folder / f"c{n}-0.json", case.hosts[0])
    bootstrap = {
        "node": {"id": "n", "cluster": "c"},
        "static_resources": {"listeners": listeners, "clusters": bodies},
    }
    async with _Hosts(certificate):
        envoy = EnvoyProcess(folder, bootstrap)
        await asyncio.to_thread(envoy.__enter__)
        try:
            await asyncio.to_thread(envoy.wait_live)
            begin = time.monotonic() + 0.1
            told = [
                asyncio.create_task(_update(folder / f"c{n}-0.json", update, begin))
                for n, case in enumerate(cases)
                for update in case.updates
            ]
            heard = await asyncio.gather(
                *(
                    asyncio.gather(*(_client(FIRST_PORT + n, one, begin) for one in case.sessions))
                    for n, case in enumerate(cases)
                )
            )
            await asyncio.gather(*told)
            await asyncio.sleep(max(begin + until - time.monotonic(), 0.05))
            stats = await asyncio.to_thread(envoy.get, "/stats?usedonly")
        finally:
            await asyncio.to_thread(envoy.__exit__)
    values = {
        name: int(text) for name, _, text in (line.partition(": ") for line in stats.splitlines()) if text.isdigit()
    }
    return [_seen(n, case, heard[n], folder / f"log{n}", values) for n, case in enumerate(cases)]


def _seen(number: int, case: Case, heard: Any, log: Path, values: dict[str, int]) -> Seen:
    lines = {int(line["client"]): line for line in map(json.loads, log.read_text().splitlines())}
    names = {f"{HOST}:{port}": name for name, port in PORTS.items()}
    found = []
    for what, own in heard:
        line = lines.get(own, {"flags": "?", "attempts": 0, "host": None, "duration": 0})
        flags = ",".join(sorted((line["flags"] or "-").split(",")))
        attempts, after = int(line["attempts"] or 0), float(line["duration"])
        found.append(Outcome(what, after, flags, attempts, names.get(line["host"], "")))
    return Seen(
        found,
        [_under(f"cluster.c{number}-{i}.", values) for i in range(len(case.hosts))],
        _under(f"tcp.t{number}.", values),
    )


def _under(prefix: str, values: dict[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
