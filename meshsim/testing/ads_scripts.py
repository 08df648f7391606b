"""One script of updates, played to a simulated proxy and to a real Envoy over the same server object.

What the server logs must be the same: what was subscribed to, what was acknowledged or refused and in which order. So
must be the clusters and listeners that are active or warm.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from meshsim.dataplane.active import ProxyConfig
from meshsim.dataplane.decide.clusters import LoadAssignment
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InternalError
from meshsim.testing.ads_resources import name_of, type_of
from meshsim.testing.envoy_process import NODE, EnvoyProcess, ads_bootstrap
from meshsim.trace import Tap, XdsEvent
from meshsim.units import SECOND, Nanos
from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient
from meshsim.xds.ads_grpc import AdsGrpcServer
from meshsim.xds.client import Fetching
from meshsim.xds.messages import base_pb2, discovery_pb2
from meshsim.xds.snapshot_server import Request, Response, SnapshotServer
from meshsim.xds.sotw_client import SotwClient

_QUIET: Final = 0.12
"""Seconds without a message after which a step is over; every reaction of a real Envoy takes a few milliseconds."""
_WITHHELD: Final = 0.4
"""The same while an answer is missing: either it is withheld, or the machine is slow."""
_AT_MOST: Final = 12.0
"""Longest wait for something that has to happen: reconnecting backs off up to a second, draining takes one."""
DRAIN_SECONDS: Final = 1
_NEVER: Final = 3600
"""Drain time of scripts that do not wait for it."""


class Step(NamedTuple):
    """Changes to what the server holds, and what it sends then."""

    label: str
    puts: tuple[Message, ...] = ()
    drops: tuple[tuple[str, str], ...] = ()
    """Type URL and name."""
    pushes: tuple[tuple[str, tuple[str, ...] | None], ...] = ()
    """Type URL and names, None = everything; sent back to back."""
    reconnects: bool = False
    drains: bool = False
    """Wait until every draining listener is gone."""
    waits: int = 0
    """Let so many seconds pass before anything is sent."""
    silent: tuple[str, ...] = ()
    """Types of which nobody who asks gets an answer from now on."""


class Line(NamedTuple):
    """A logged message without what differs between two runs of anything: nonces are numbered, texts dropped."""

    kind: str
    type: str
    answers: int
    """Number of the response that is sent or answered; 0 for none."""
    version: str
    names: tuple[str, ...]
    removed: tuple[str, ...]


class State(NamedTuple):
    """Names of what is active and what warms, sorted, and the hosts of active clusters."""

    clusters: tuple[str, ...]
    warming_clusters: tuple[str, ...]
    listeners: tuple[str, ...]
    warming_listeners: tuple[str, ...]
    hosts: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Ports by cluster, both sorted; clusters without hosts are not named."""


class Played(NamedTuple):
    """What one step led to."""

    label: str
    lines: tuple[Line, ...]
    state: State
    reasons: tuple[str, ...]
    """Texts of the NACKs."""


class _Log:
    """The server's log, cut into steps."""

    def __init__(self) -> None:
        self.events: list[XdsEvent] = []
        self.tap: Tap[XdsEvent] = Tap()
        self.tap.listen(self.events.append)
        self._sent: dict[str, int] = {}
        self._taken = 0

    def unanswered(self) -> bool:
        """Whether a response of the present step has got no answer."""
        fresh = self.events[self._taken :]
        sent = {event.nonce for event in fresh if event.kind == "send"}
        return bool(sent - {event.nonce for event in fresh if event.kind != "send"})

    def take(self, step: Step, state: State) -> Played:
        """What happened since the last step."""
        fresh, self._taken = self.events[self._taken :], len(self.events)
        lines = tuple(self._line(event) for event in fresh)
        return Played(step.label, lines, state, tuple(e.reason for e in fresh if e.reason))

    def _line(self, event: XdsEvent) -> Line:
        if event.kind == "send":
            self._sent[event.nonce] = len(self._sent) + 1
        number = self._sent.get(event.nonce, 0)
        short = type_urls.SHORT.get(event.type_url, event.type_url)
        return Line(event.kind, short, number, event.version, event.names, event.removed)


def _change(server: SnapshotServer, step: Step) -> None:
    server.silent = set(step.silent)
    for message in step.puts:
        server.put(type_of(message), name_of(message), message.SerializeToString(deterministic=True))
    for type_url, name in step.drops:
        server.drop(type_url, name)


def _pushed(server: SnapshotServer, step: Step) -> list[tuple[str, Response]]:
    return [sent for type_url, names in step.pushes for sent in server.push(type_url, names)]


class SimulatedProxy:
    """The model's client and configuration on streams of a server, without time."""

    def __init__(self, server: SnapshotServer, *, delta: bool, patience: int = 0) -> None:
        self._server = server
        self._now: Nanos = 0
        self.config = ProxyConfig(ResourceCache(), drains=True, reads_all=not delta)
        node = base_pb2.Node(id=NODE)
        fetching = Fetching(self.config.expire, first=patience * SECOND)
        self._delta = AdsClient(node, self.config, fetching=fetching) if delta else None
        self._sotw = None if delta else SotwClient(node, self.config, fetching=fetching)
        self._number = 0
        self._requests: deque[Request] = deque()
        self._responses: deque[Response] = deque()

    @property
    def stream(self) -> str:
        return str(self._number)

    def connect(self) -> None:
        """Open the next stream; an open one ends."""
        client = self._delta or self._sotw
        assert client is not None
        if self._number:
            self._server.close(self.stream)
            client.on_disconnected()
            self._requests.clear()
            self._responses.clear()
        self._number += 1
        self._server.open(self.stream, delta=self._delta is not None)
        self._requests.extend(client.on_connected().send)
        self.settle()

    def deliver(self, responses: Sequence[tuple[str, Response]]) -> None:
        """Responses of the server, and everything they lead to."""
        self._responses.extend(response for stream, response in responses if stream == self.stream)
        self.settle()

    def drained(self) -> None:
        """Draining listeners are gone."""
        client = self._delta or self._sotw
        assert client is not None
        self._requests.extend(client.on_drained(self.config.drained()).send)
        self.settle()

    def wait(self, seconds: int) -> None:
        """Let time pass, and what is waited for run out."""
        client = self._delta or self._sotw
        assert client is not None
        until = self._now + seconds * SECOND
        while client.deadline is not None and client.deadline <= until:
            self._now = client.deadline
            self._requests.extend(client.on_time(self._now).send)
            self.settle()
        self._now = until

    def settle(self) -> None:
        """Exchange messages until nobody has anything to say."""
        while self._requests or self._responses:
            while self._requests:
                self._responses.extend(self._server.on_request(self.stream, self._requests.popleft()))
            if self._responses:
                self._requests.extend(self.take(self._responses.popleft()))

    def take(self, response: Response) -> Sequence[Request]:
        """What one response leads to; the server does not hear of it."""
        if isinstance(response, discovery_pb2.DeltaDiscoveryResponse):
            return self._delta.on_response(response, self._now).send if self._delta else ()
        return self._sotw.on_response(response, self._now).send if self._sotw else ()

    def state(self) -> State:
        """What is active and what warms."""
        active = self.config.active
        hosts = {name: _ports(active.assignment_of(active.clusters[name])) for name in sorted(active.clusters)}
        return State(
            tuple(sorted(active.clusters)),
            tuple(sorted(active.warming_clusters)),
            tuple(sorted(active.listeners)),
            tuple(sorted(active.warming_listeners)),
            _some(hosts),
        )


def play_simulated(start: Step, steps: Sequence[Step], *, delta: bool, patience: int = 0) -> list[Played]:
    """The script on the model; `patience` is how many seconds the bootstrap waits for clusters and listeners."""
    log = _Log()
    server = SnapshotServer(log.tap)
    _change(server, start)
    proxy = SimulatedProxy(server, delta=delta, patience=patience)
    proxy.connect()
    played = [log.take(start, proxy.state())]
    for step in steps:
        _change(server, step)
        if step.reconnects:
            proxy.connect()
        proxy.wait(step.waits)
        proxy.deliver(_pushed(server, step))
        if step.drains:
            proxy.drained()
        played.append(log.take(step, proxy.state()))
    return played


def play_real(start: Step, steps: Sequence[Step], folder: Path, *, delta: bool, patience: int = 0) -> list[Played]:
    """The script on a real Envoy, over gRPC on a Unix socket in `folder`."""
    log = _Log()
    began = time.monotonic_ns()
    server = SnapshotServer(log.tap, lambda: time.monotonic_ns() - began)
    path = folder / "xds.sock"
    bootstrap = ads_bootstrap(path, delta=delta, patience=patience)
    drain = DRAIN_SECONDS if any(step.drains for step in steps) else _NEVER
    arguments = ("--drain-time-s", str(drain), "--drain-strategy", "immediate")
    with AdsGrpcServer(server, path) as grpc:
        _change(server, start)
        with EnvoyProcess(folder, bootstrap, arguments=arguments) as envoy:
            _until(lambda: _speaks(server, log), "the first stream")
            _until_quiet(log)
            played = [log.take(start, _state_of(envoy))]
            for step in steps:
                _change(server, step)
                if step.reconnects:
                    _reconnect(server, grpc, log)
                if step.waits:
                    time.sleep(step.waits)
                    _until_quiet(log)
                grpc.send(partial(_pushed, server, step))
                if step.drains:
                    time.sleep(DRAIN_SECONDS + 0.5)
                _until_quiet(log)
                played.append(log.take(step, _state_of(envoy)))
    return played


def _reconnect(server: SnapshotServer, grpc: AdsGrpcServer, log: _Log) -> None:
    before = server.streams
    grpc.disconnect()
    _until(lambda: server.streams != before and _speaks(server, log), "a new stream")


def _speaks(server: SnapshotServer, log: _Log) -> bool:
    """Whether something was asked on the newest stream."""
    return any(event.stream in server.streams[-1:] for event in log.events[-1:])


def _until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _AT_MOST
    while not happened():
        if time.monotonic() > deadline:
            raise InternalError(f"Envoy: waited {_AT_MOST} s for {what}")
        time.sleep(0.005)


def _until_quiet(log: _Log) -> None:
    """Wait until nothing is said any more; longer while a response has no answer, which may be withheld."""
    deadline = time.monotonic() + _AT_MOST
    count, since = len(log.events), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.01)
        if len(log.events) != count:
            count, since = len(log.events), time.monotonic()
        if time.monotonic() - since > (_WITHHELD if log.unanswered() else _QUIET):
            return


def _state_of(envoy: EnvoyProcess) -> State:
    dumped = json.loads(envoy.get("/config_dump?resource=dynamic_active_clusters") or "{}")
    active = [c["cluster"]["name"] for c in dumped.get("configs", [])]
    dumped = json.loads(envoy.get("/config_dump?resource=dynamic_warming_clusters") or "{}")
    warming = [c["cluster"]["name"] for c in dumped.get("configs", [])]
    dumped = json.loads(envoy.get("/config_dump?resource=dynamic_listeners") or "{}")
    listeners = dumped.get("configs", [])
    statuses = json.loads(envoy.get("/clusters?format=json") or "{}").get("cluster_statuses", [])
    hosts = {c["name"]: tuple(sorted(_port(h) for h in c.get("host_statuses", ()))) for c in statuses}
    return State(
        tuple(sorted(active)),
        tuple(sorted(warming)),
        tuple(sorted(x["name"] for x in listeners if "active_state" in x)),
        tuple(sorted(x["name"] for x in listeners if "warming_state" in x)),
        _some({name: hosts[name] for name in sorted(hosts) if name in active}),
    )


def _port(host: Any) -> int:
    return int(host["address"].get("socket_address", {}).get("port_value", 0))


def _ports(assignment: LoadAssignment | None) -> tuple[int, ...]:
    return tuple(sorted(e.port for one in assignment.localities for e in one.endpoints)) if assignment else ()


def _some(hosts: Mapping[str, tuple[int, ...]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, ports) for name, ports in hosts.items() if ports)
