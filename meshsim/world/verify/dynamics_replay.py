"""A recorded experiment replayed by the event core: the scripted client's steps, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine, HealthStats
from meshsim.dataplane.layout import Row
from meshsim.dataplane.scripted import Allowed, Arrival, Cut, Ended, GoAway, Meeting, ScriptedTables
from meshsim.dataplane.specs import Flag
from meshsim.kernel import draw
from meshsim.units import MILLISECOND, SECOND, Nanos
from meshsim.world.verify.dynamics_proxy import LATENCY, FlowKey, ProxyModel
from meshsim.world.verify.dynamics_script import (
    CUT,
    REFUSED,
    Host,
    allowed_streams,
    behaviour,
    hosts_of,
    millis,
    numbered,
    settle,
)

_LONGEST: Final = 120 * SECOND
_SHADOWS: Final = 2 * SECOND
"""How long shadows may go on when everything else is over."""
_AGE: Final = 8 * MILLISECOND
_AGES: Final = 12 * MILLISECOND
"""How long clusters have existed when Envoy is live, and how much that differs between runs: the recorded age of the
process less its start, as the times of recorded sweeps show."""
_AFTER: Final = 60 * MILLISECOND
"""How long the experiment goes on once its client has nothing more to do."""
_LOOK: Final = 5 * MILLISECOND
"""How often it is asked whether everything is over."""
_HOST_WORK: Final = 150_000
_CLIENT_WORK: Final = 200_000
"""What the scripted host needs for an answer on average, the scripted client between two requests: as seen in the
recordings."""
_CLIENT_TIMEOUT_MS: Final = 8_000.0
_WHOLE: Final = 1 << 30


class Attempt(NamedTuple):
    """An attempt that reached a host."""

    request: int
    host: int
    number: int
    time: Nanos
    shadow: bool
    connection: int
    """Number of the connection at the host, as they were first used."""


@dataclass(slots=True)
class Sent:
    """A request of the client and its end."""

    number: int
    time: Nanos
    spec: Fields
    flow: int
    status: int = 0
    flags: int = 0
    error: str = ""
    latency: Nanos = -1
    hosts: list[int] = field(default_factory=list)
    """Host of each try, -1 for one that is not scripted."""
    line: int = 0
    """The client's connection."""
    how: int = -1
    """How the last try ended (`core`), -1 without one."""
    logged: tuple[int, int, Nanos] | None = None
    """Of the first stream, if a redirect was followed: tries, flags and time. An access log tells it first."""
    before: int = 0
    last: int = 0
    """Tries of earlier streams, and of this one so far, as hosts see them."""

    @property
    def attempts(self) -> int:
        """Tries as an access log counts them: one that finds no host is one too."""
        return len(self.hosts) + (self.flags & Flag.UH != 0)

    def try_of(self, attempt: int) -> int:
        """Number of a try among all of the request, by its number in its stream: each stream begins at 1 again."""
        if attempt <= self.last:
            self.before += self.last
        self.last = attempt
        return self.before + attempt

    @property
    def grpc(self) -> bool:
        return self.spec.text_map("headers").get("content-type", "").startswith("application/grpc")


@dataclass(slots=True)
class Played:
    """What came of an experiment."""

    requests: list[Sent]
    attempts: list[Attempt]
    stats: dict[str, dict[str, int]]
    checks: list[tuple[int, Nanos]]
    """Health checks that reached a host: its number, and when."""
    health: dict[str, HealthStats]


@dataclass(slots=True)
class _Client:
    """The scripted client and the hosts' side of one run."""

    experiment: Fields
    seed: int
    hosts: dict[str, Host] = field(init=False)
    engine: Engine = field(init=False)
    tables: ScriptedTables = field(init=False)
    proxy: ProxyModel = field(init=False)
    sent: list[Sent] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    checks: list[tuple[int, Nanos]] = field(default_factory=list)
    """Health checks that reached a host: its number, and when."""
    cuts: list[Nanos] = field(default_factory=list)
    """When hosts close their connections."""
    open: int = 0
    """Requests and steps that are not over."""
    age: Nanos = field(init=False)
    _by_identity: dict[int, Sent] = field(default_factory=dict)
    _idle: list[int] = field(default_factory=list)
    """Idle connections, of which the last is used first."""
    _connections: int = 0
    _after: dict[int, Callable[[], None]] = field(default_factory=dict)
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)
    _rows: dict[Row, int] = field(default_factory=dict)
    _numbers: dict[int, Host | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hosts = hosts_of(self.experiment)
        self.age = _AGE + draw(self.seed, "age") % _AGES - _AGES // 2 + settle(self.experiment)
        self.tables = ScriptedTables(self)
        self.engine = Engine(self.seed, tables=self.tables, sample_rate=1.0)
        self.proxy = ProxyModel(self.engine, self.experiment, self.hosts)

    # -- the ends of the core ----------------------------------------------------------------------------------------

    def meet(self, arrival: Arrival) -> Meeting:
        host = self._host(arrival.host)
        sent = self._by_identity[arrival.request]
        assert host is not None
        connection = host.connections.setdefault((arrival.connection, arrival.opened), len(host.connections))
        time = arrival.time - self.age
        self.attempts.append(Attempt(sent.number, host.number, host.arrivals, time, arrival.mirror, connection))
        scripted = host.next(arrival.time - self.age)
        own = sent.spec.items("upstream")
        if own and not arrival.mirror:
            scripted = own[min(sent.try_of(arrival.attempt), len(own)) - 1]
        found = behaviour(scripted, self.proxy.retry.get(sent.flow), host.http2, self.proxy.locations)
        row = numbered(self.engine.met_rows, self._rows, found.row)
        chance = (1 + draw(self.seed, "host", len(self.attempts)) % _WHOLE) / _WHOLE
        goaway = None
        if found.goaway is not None:
            last, closes = found.goaway
            refused, cut = (numbered(self.engine.met_rows, self._rows, row) for row in (REFUSED, CUT))
            goaway = GoAway(last, refused, cut if closes else -1)
        work = round(-log(chance) * _HOST_WORK)
        ended = None
        if found.cut is not None:
            met, after, answered = found.cut
            ended = Cut(numbered(self.engine.met_rows, self._rows, met), after + work, answered)
        return Meeting(row, found.delay + work, goaway, found.streams, ended)

    def allows(self, host: int) -> Allowed | None:
        scripted = self._host(host)
        streams = None if scripted is None else allowed_streams(scripted.script)
        if streams is None:
            return None
        return Allowed(streams, numbered(self.engine.met_rows, self._rows, CUT))

    def check(self, host: int, time: Nanos) -> Meeting:
        scripted = self._host(host)
        assert scripted is not None
        found = behaviour(scripted.checked(time - self.age), None, scripted.http2)
        row = numbered(self.engine.met_rows, self._rows, found.row)
        self.checks.append((scripted.number, time - self.age))
        return Meeting(row, found.delay + _HOST_WORK)

    def ended(self, end: Ended) -> None:
        sent = self._by_identity[end.request]
        sent.status, sent.flags, sent.latency = end.status, end.flags, self.tables.now - self.age - sent.time
        if end.broken and not sent.error:
            sent.error = "connection_closed"
        if not sent.error and sent.status and not sent.spec.flag("fresh"):
            self._idle.append(sent.line)
        self.open -= 1
        after = self._after.pop(end.request, None)
        if after is not None:
            after()

    def _connect(self) -> int:
        """The identity of a new connection of the client."""
        self._connections += 1
        return draw(self.seed, "connection", self._connections)

    def _host(self, row: int) -> Host | None:
        if row not in self._numbers:
            address = str(self.engine.host_name(row)[1])
            self._numbers[row] = self.hosts.get(address)
        return self._numbers[row]

    # -- requests ----------------------------------------------------------------------------------------------------

    def flow(self, spec: Fields) -> int:
        headers = tuple((name.lower(), value) for name, value in spec.text_map("headers").items())
        body, after = spec.integer("body_bytes"), millis(spec, "body_after_ms")
        if spec.flag("body_never"):
            after = core.NEVER
        method, host, path = spec.text("method", "GET"), spec.text("host", "test"), spec.text("path", "/")
        key = FlowKey(method, host, path, headers, body, after)
        return self.proxy.flow(key)

    def send(self, spec: Fields, after: Callable[[], None] | None = None) -> None:
        """A request leaves now; `after` is done when it has ended."""
        number = len(self.sent)
        identity = draw(self.seed, "request", number)
        sent = Sent(number, self.tables.now - self.age, spec, self.flow(spec))
        self.sent.append(sent)
        self._by_identity[identity] = sent
        if after is not None:
            self._after[identity] = after
        self.open += 1
        sent.line = self._idle.pop() if self._idle and not spec.flag("fresh") else self._connect()
        place = self.tables.send(sent.flow, identity, sent.line)
        self._leave(sent, place, millis(spec, "client_timeout_ms", _CLIENT_TIMEOUT_MS), "timeout")
        if "abort_after_ms" in spec:
            self._leave(sent, place, millis(spec, "abort_after_ms"), "client_aborted")

    def _leave(self, sent: Sent, place: tuple[int, int], after: Nanos, error: str) -> None:
        def leave() -> None:
            if sent.latency < 0:
                sent.error = error
                self.tables.abandon(*place)

        self.tables.at(self.tables.now + after, leave)

    # -- steps -------------------------------------------------------------------------------------------------------

    def at(self, time: Nanos, act: Callable[[], None]) -> None:
        """Something that the client will do."""
        self.open += 1

        def acting() -> None:
            self.open -= 1
            act()

        self.tables.at(time, acting)

    def plan(self, step: Fields) -> None:
        """One step of the client's script."""
        begin = self.age + millis(step, "at")
        if "burst" in step:
            self.at(begin, lambda: self._warm(step.integer("burst")))
            for _ in range(step.integer("burst")):
                self.at(begin, lambda: self.send(step))
        elif "every" in step:
            self.at(begin, lambda: self._tick(step, step.integer("count")))
        elif "closed_loop" in step:
            rest = iter([step] * step.integer("count"))
            for _ in range(step.integer("closed_loop")):
                self.at(begin, lambda: self._next(rest, 0))
        elif "sequential" in step:
            self.at(begin, lambda: self._next(iter([step] * step.integer("sequential")), millis(step, "gap")))
        elif "matrix" in step:
            self.at(begin, lambda: self._next(iter(step.items("matrix")), millis(step, "gap")))
        else:
            self.at(begin, lambda: self.send(step))

    def _warm(self, count: int) -> None:
        """Have so many idle connections."""
        while len(self._idle) < count:
            self._idle.append(self._connect())

    def _tick(self, step: Fields, count: int) -> None:
        """Send the first of so many requests at equal distances."""
        self.send(step)
        if count > 1:
            self.at(self.tables.now + millis(step, "every"), lambda: self._tick(step, count - 1))

    def _next(self, rest: Iterator[Fields], gap: Nanos) -> None:
        """Send the next of these requests, and the one after it when it has ended."""
        spec = next(rest, None)
        if spec is not None:
            self.send(spec, lambda: self.at(self.tables.now + gap + _CLIENT_WORK, lambda: self._next(rest, gap)))

    def control(self, step: Fields) -> None:
        """What a step does to hosts and endpoints."""
        begin = self.age + millis(step, "at")
        if "eds_update" in step:
            update = step.fields("eds_update")
            self.proxy.update(update.text("file"), update.fields("assignment").body, begin)
        elif "host_do" in step:
            address = next(a for a, host in self.hosts.items() if host.number == step.integer("host_idx"))
            what = step.text("host_do")
            if what != "kill_connections":
                self.proxy.listen(address, what == "open_listener", begin)
            if what in ("down", "kill_connections"):
                # Which of two steps of one instant comes first is up to the event loop of the harness.
                number = len(self.cuts)
                self.cuts.append(begin - (draw(self.seed, "cut", number) & 1) * 2 * LATENCY)
                self.tables.at(self.cuts[-1], lambda: self.tables.cut(self.proxy.pods[address]))


_CONTROL: Final = ("eds_update", "host_do", "admin", "stats")


def is_request(step: Fields) -> bool:
    """Whether a step sends anything."""
    return not any(key in step for key in _CONTROL)


def specs_of(steps: Sequence[Fields]) -> Iterator[Fields]:
    """The kinds of requests that steps send."""
    for step in steps:
        if is_request(step):
            yield from step.items("matrix") or (step,)


def play(experiment: Fields, seed: int) -> Played:
    """Run an experiment; raises `InputError` for a configuration that the model refuses."""
    client = _Client(experiment, seed)
    steps = experiment.items("client")
    for spec in specs_of(steps):
        client.flow(spec)
    for step in sorted(steps, key=lambda step: step.number("at")):
        if not is_request(step):
            client.control(step)
    engine = client.engine
    for step in steps:
        if is_request(step):
            client.plan(step)
    last = client.age + max((millis(step, "at") for step in steps), default=0)
    while (client.open or engine.now < last) and engine.now < _LONGEST:
        engine.run_until(engine.now + _LOOK)
    shadows = engine.now + _SHADOWS
    while engine.counters.in_flight and engine.now < shadows:
        engine.run_until(engine.now + _LOOK)
    engine.run_until(engine.now + _AFTER)
    _tries(client)
    counts = engine.count_clusters()
    stats = {name: counts.of(number) for name, number in client.proxy.clusters.items()}
    health = {name: engine.health_stats(number) for name, number in client.proxy.clusters.items()}
    known = {name: found for name, found in health.items() if found is not None}
    return Played(client.sent, client.attempts, stats, client.checks, known)


def _tries(client: _Client) -> None:
    """Note the hosts of every request's tries, from the log."""
    for row in client.engine.drain():
        if row["attempt"] > 0 and not row["mirror"]:
            host = client._host(int(row["host"]))
            sent = client._by_identity[int(row["root"])]
            sent.hosts.append(-1 if host is None else host.number)
            sent.how = int(row["how"])
            if sent.how == core.REDIRECTED and sent.logged is None:
                sent.logged = len(sent.hosts), int(row["flags"]), int(row["end"]) - client.age - sent.time
        elif row["last"] and not row["mirror"]:
            client._by_identity[int(row["root"])].how = -1
