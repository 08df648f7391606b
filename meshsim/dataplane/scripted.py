"""The interpreted core between scripted ends: hosts that do with each attempt what a script says, a scripted client.

The core's functions are copied into a namespace of their own, in which the few that stand for the two ends are
replaced; everything between them, which is what an Envoy does, is the core itself. Compiled code knows nothing of this.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, NamedTuple, Protocol

from meshsim.dataplane import core
from meshsim.dataplane.core import State
from meshsim.dataplane.storage import PlainTables
from meshsim.units import Nanos

HANG: Final = -1
"""In place of a row: no answer ever comes."""
_EV_SCRIPT: Final = core.KINDS
"""An event kind that the core does not use."""


class Arrival(NamedTuple):
    """An attempt that reaches its host."""

    time: Nanos
    host: int
    """Row of the host."""
    request: int
    """Identity of the client's request."""
    attempt: int
    """Its number, from 1."""
    connection: int
    """Row of the connection."""
    mirror: bool
    opened: Nanos
    """When its connection was begun."""


class GoAway(NamedTuple):
    """An HTTP/2 host takes no more streams on a connection, and gives up those of a higher number."""

    last: int
    """The highest stream that it goes on with; streams of a connection are numbered 1, 3, 5."""
    refused: int
    """Row of the `inbound` table that those given up meet."""
    cut: int
    """The same for the others when the connection is closed at once, -1 = it is not."""


class Cut(NamedTuple):
    """An HTTP/2 host closes a connection, or the caller does because of what it has got there."""

    row: int
    """Row of the `inbound` table that its streams meet."""
    after: Nanos
    """How long after the arrival of the stream whose script says so."""
    spares: bool = False
    """Whether that stream has its answer before."""


class Meeting(NamedTuple):
    """What becomes of an attempt at its host."""

    row: int
    """Row of the `inbound` table (`Layout.met`), or `HANG`."""
    delay: Nanos
    goaway: GoAway | None = None
    """What the host says about the connection just before its answer."""
    streams: int = 0
    """How many streams it allows on the connection from then on, 0 = as many as before."""
    cut: Cut | None = None
    """The end of an HTTP/2 connection, with all other streams that it has."""


class Ended(NamedTuple):
    """A request that has ended for its client."""

    request: int
    status: int
    """0 without an answer."""
    flags: int
    broken: bool
    """Whether the answer broke off after its headers."""


class Ends(Protocol):
    """The script: what hosts do, and what the client hears."""

    def meet(self, arrival: Arrival) -> Meeting:
        """Decide what an attempt meets."""

    def ended(self, end: Ended) -> None:
        """A request has ended."""

    def check(self, host: int, time: Nanos) -> Meeting:
        """Decide what a health check meets at a host."""

    def allows(self, host: int) -> Allowed | None:
        """How many streams a host allows on a connection that opens, None = it does not say."""


class Allowed(NamedTuple):
    """What an HTTP/2 host announces as SETTINGS_MAX_CONCURRENT_STREAMS, whether its caller knows it yet or not."""

    streams: int
    cut: int
    """Row of the `inbound` table that the streams of a connection meet which has more of them."""


class ScriptedTables(PlainTables):
    """Tables whose core runs between the ends of a script."""

    def __init__(self, ends: Ends) -> None:
        super().__init__()
        self._ends = ends
        self._waiting: dict[int, Callable[[], None]] = {}
        self._streams: dict[int, int] = {}
        """Number of the stream that an attempt's row has on its connection."""
        self._cut: dict[int, Nanos] = {}
        """Connections that their host has closed, by row, with the instant at which they were begun."""
        self._allowed: dict[int, tuple[Nanos, Allowed]] = {}
        """What hosts allow on connections, by row, with the instant at which these were begun."""
        self._known: dict[int, tuple[Nanos, int]] = {}
        """The same, as their callers have heard it."""
        self._next = 0
        self._core = self._namespace()

    def run(self, until: int) -> int:
        answer: int = self._core["run"](self.state, until)
        return answer

    def at(self, time: Nanos, act: Callable[[], None]) -> None:
        """Have something done at an instant that is not past."""
        slot = self._next = (self._next + 1) & core.SLOTS
        self._waiting[slot] = act
        self._core["schedule"](self.state, time, _EV_SCRIPT, slot)

    @property
    def now(self) -> Nanos:
        """The instant of the event under way."""
        return int(self._list("ctl")[0].now)

    def send(self, flow: int, identity: int, line: int = 0) -> tuple[int, int]:
        """A request leaves its client now, over a connection of this identity (0 = one of its own); returns its row and
        the row's generation. For use inside `at`."""
        row: int = self._core["take_request"](self.state, identity, identity, flow)
        request = self._list("req")[row]
        request.sampled = 1
        workers = self._list("flow")[flow].workers
        if workers > 1:
            request.worker = core.below(core.draw(identity, core.P_WORKER), workers)
        lines = self._list("lines")
        if line and lines:
            lines[2 * row : 2 * row + 2] = [request.gen + 1, line]
        self._core["push"](self.state, core.DO_ENTER, row)
        return row, request.gen

    def abandon(self, row: int, generation: int) -> None:
        """The client of a request goes away."""
        request = self._list("req")[row]
        if request.gen != generation or request.live == 0:
            return
        if request.att >= 0:
            self._list("att")[request.att].how = core.ABANDONED
            self._core["push"](self.state, core.DO_END, request.att)
        else:
            if request.decided == core.STARTED:
                request.decided = core.BROKEN
            else:
                request.status = 0
            request.flags |= core.DC
            self._core["push"](self.state, core.DO_FINISH, row)

    def cut(self, pod: int) -> None:
        """A host closes all its connections, those of health checks too. The caller learns it when the last segment
        reaches it: what it sends until then is lost with them. For use inside `at`."""
        s, functions = self.state, self._core
        functions["forget_checks"](s, pod)
        for a, t in enumerate(s.att):
            if t.pod == pod and self._unanswered(a) and t.phase not in (core.PENDING, core.HUNG_OUT, core.HUNG_BACK):
                functions["reset_from_server"](s, a)
        for k, conn in enumerate(s.conn):
            opened = s.conn_age[k].opened
            if s.conn_age[k].pod == pod and conn.state in (core.READY, core.DRAINING):
                self._cut[k] = opened
                latency = s.link[s.host[conn.host].link].latency
                self.at(self.now + latency, functools.partial(self._hear, k, opened))

    def _hear(self, connection: int, opened: Nanos) -> None:
        s = self.state
        if s.conn[connection].state != core.CLOSED and s.conn_age[connection].opened == opened:
            self._close(connection)

    def _close(self, connection: int) -> None:
        """A connection is closed, in whose place its pool may need another one."""
        pool = self.state.conn[connection].pool
        self._core["close_connection"](self.state, connection)
        self._core["push"](self.state, core.DO_POOL, pool)

    def _namespace(self) -> dict[str, Any]:
        """A copy of the core with the ends replaced."""
        functions: dict[str, Any] = dict(vars(core))
        own = {n: f for n, f in functions.items() if isinstance(f, FunctionType) and f.__module__ == core.__name__}
        for name, function in own.items():
            functions[name] = FunctionType(function.__code__, functions, name, function.__defaults__)
        functions["attach"] = self._attaching(functions["attach"])
        functions["on_connected"] = self._connecting(functions["on_connected"])
        functions["rest_connection"] = self._resting(functions["rest_connection"])
        functions["unused"] = self._counting(functions["unused"])
        functions["on_arrive"] = self._arriving(functions)
        functions["finish"] = self._finishing(functions["finish"])
        functions["answer_check"] = self._checking(functions)
        functions["do_rare_event"] = self._acting(functions["do_rare_event"])
        return functions

    def _attaching(self, original: Callable[[State, int], None]) -> Callable[[State, int], None]:
        def attach(s: State, a: int) -> None:
            connection = s.att[a].conn
            original(s, a)
            self._streams[a] = 2 * s.conn[connection].used - 1
            if self._full(connection):
                self._take_out(connection)

        return attach

    # -- settings ----------------------------------------------------------------------------------------------------

    def _connecting(self, original: Callable[[State, int], None]) -> Callable[[State, int], None]:
        def on_connected(s: State, k: int) -> None:
            original(s, k)
            conn = s.conn[k]
            if conn.state == core.READY and s.cluster[s.host[conn.host].cluster].http2 == 1:
                said = self._ends.allows(conn.host)
                if said is not None:
                    self._allowed[k] = s.conn_age[k].opened, said
                    self._announce(k, said.streams, 2 * s.link[s.host[conn.host].link].latency)

        return on_connected

    def _allow(self, connection: int, streams: int) -> None:
        """A host changes what it allows, which counts for its caller when that has heard of it."""
        s = self.state
        opened, allowed = self._allowed.get(connection, (-1, None))
        if allowed is not None and opened == s.conn_age[connection].opened:
            self._allowed[connection] = opened, allowed._replace(streams=max(streams, allowed.streams))
        self._announce(connection, streams, s.link[s.host[s.conn[connection].host].link].latency)

    def _announce(self, connection: int, streams: int, after: Nanos) -> None:
        """The caller hears of SETTINGS (Envoy source/common/http/conn_pool_base.cc, onSettings)."""
        s = self.state
        opened = s.conn_age[connection].opened

        def heard() -> None:
            conn = s.conn[connection]
            if conn.state == core.CLOSED or s.conn_age[connection].opened != opened:
                return
            self._known[connection] = opened, streams
            if conn.state == core.READY and self._full(connection):
                self._take_out(connection)
            elif conn.state == core.READY and conn.idle == 0 and conn.streams < self._most(connection):
                self._core["rest_connection"](s, connection)

        self.at(self.now + after, heard)

    def _most(self, connection: int) -> int:
        """The most streams of a connection at once, as its caller knows."""
        s = self.state
        most: int = s.cluster[s.host[s.conn[connection].host].cluster].streams
        opened, streams = self._known.get(connection, (-1, 0))
        return min(most, streams) if opened == s.conn_age[connection].opened else most

    def _full(self, connection: int) -> bool:
        s = self.state
        conn = s.conn[connection]
        if s.cluster[s.host[conn.host].cluster].http2 == 0 or connection not in self._known:
            return False
        return conn.state == core.READY and conn.idle == 1 and conn.streams >= self._most(connection)

    def _take_out(self, connection: int) -> None:
        """A connection can take no further stream now."""
        s = self.state
        conn = s.conn[connection]
        pool = s.pool[conn.pool]
        if pool.conn == connection:
            pool.conn = conn.next
        else:
            before = pool.conn
            while s.conn[before].next != connection:
                before = s.conn[before].next
            s.conn[before].next = conn.next
        conn.idle = 0
        self._core["set_ready"](s, conn.pool, -1)

    def _resting(self, original: Callable[[State, int], None]) -> Callable[[State, int], None]:
        def rest_connection(s: State, k: int) -> None:
            conn = s.conn[k]
            told = k in self._known and s.cluster[s.host[conn.host].cluster].http2 == 1
            if not told or conn.streams < self._most(k):
                original(s, k)

        return rest_connection

    def _counting(self, original: Callable[[State, int, int, int], int]) -> Callable[[State, int, int, int], int]:
        def unused(s: State, k: int, streams: int, per_connection: int) -> int:
            if k in self._known and s.cluster[s.host[s.conn[k].host].cluster].http2 == 1:
                streams = self._most(k)
            return original(s, k, streams, per_connection)

        return unused

    def _breaks(self, connection: int) -> bool:
        """Whether a connection has more streams than its host allows, which then cuts it off without having seen those
        that have come just now."""
        s = self.state
        opened, allowed = self._allowed.get(connection, (-1, None))
        if allowed is None or opened != s.conn_age[connection].opened:
            return False
        if len(self._under_way(connection)) <= allowed.streams:
            return False
        self._cut_off(connection, allowed.cut)
        return True

    def _unless_left(self, a: int, after: Nanos, act: Callable[[], None]) -> None:
        """Have a host do something for a stream later, unless it is given up or its connection is gone until then."""
        s = self.state
        connection, generation = s.att[a].conn, s.att_gen[a]
        opened = s.conn_age[connection].opened

        def look() -> None:
            there = s.conn[connection].state != core.CLOSED and s.conn_age[connection].opened == opened
            if there and s.att_gen[a] == generation and s.att[a].open == 1:
                act()

        self.at(self.now + after, look)

    def _under_way(self, connection: int) -> list[int]:
        """The streams of a connection that have not got all of their answer, as Envoy resets them: the last one first
        (source/common/http/codec_client.cc, onEvent)."""
        found = [a for a, t in enumerate(self.state.att) if t.conn == connection and self._unanswered(a)]
        return sorted(found, key=lambda a: -self._streams[a])

    def _unanswered(self, a: int) -> bool:
        """Whether an attempt has not got all of its answer: its headers may have come, and passed on."""
        t = self.state.att[a]
        if t.open == 0 or t.killed == 1 or t.phase == core.OVER:
            return False
        request = self.state.req[t.req]
        return bool(t.phase != core.INWARD or (request.decided == core.STARTED and request.att == a))

    def _cut_off(self, connection: int, row: int, spared: int = -1) -> None:
        """All streams of a connection but one meet a row, and it closes for its caller when that has heard of it."""
        s = self.state
        for a in self._under_way(connection):
            if a == spared:
                continue
            s.att[a].met = row + 1
            self._core["reset_from_server"](s, a)
        opened = s.conn_age[connection].opened
        latency = s.link[s.host[s.conn[connection].host].link].latency
        self.at(self.now + latency, functools.partial(self._hear, connection, opened))

    def _goes_away(self, functions: dict[str, Any], connection: int, said: GoAway) -> None:
        """A host sends GOAWAY: it gives up streams, and the caller uses the connection for no new ones."""
        s = self.state
        for a, t in enumerate(s.att):
            if t.conn != connection or not self._unanswered(a):
                continue
            row = said.refused if self._streams[a] > said.last else said.cut
            if row >= 0:
                t.met = row + 1
                functions["reset_from_server"](s, a)

        opened = s.conn_age[connection].opened

        def heard() -> None:
            if s.conn_age[connection].opened != opened or s.conn[connection].state == core.CLOSED:
                return
            functions["go_away"](s, connection)
            if s.conn[connection].streams == 0:
                self._close(connection)

        self.at(self.now + s.link[s.host[s.conn[connection].host].link].latency, heard)

    def _arriving(self, functions: dict[str, Any]) -> Callable[[State, int], None]:
        def on_arrive(s: State, a: int) -> None:
            t = s.att[a]
            if t.killed == 1 or (t.pod >= 0 and s.pod[t.pod].state == core.POD_DEAD):
                original(s, a)
                return
            t.events -= 1
            if t.conn >= 0 and self._cut.get(t.conn) == s.conn_age[t.conn].opened:
                functions["reset_from_server"](s, a)
                return
            if self._breaks(t.conn):
                return
            trace = s.trace[a]
            trace.arrived = trace.served = s.ctl[0].now
            mirror = t.open == 1 and s.req[t.req].mirror == 1
            opened = s.conn_age[t.conn].opened
            meeting = self._ends.meet(Arrival(trace.arrived, t.host, trace.root, t.number, t.conn, mirror, opened))
            t.phase = core.SERVING
            connection = t.conn
            if meeting.goaway is not None:
                said = meeting.goaway
                self._unless_left(a, meeting.delay, lambda: self._goes_away(functions, connection, said))
            if meeting.cut is not None:
                cut, spared = meeting.cut, a if meeting.cut.spares else -1
                self._unless_left(a, cut.after, lambda: self._cut_off(connection, cut.row, spared))
            if meeting.streams:
                self._unless_left(a, meeting.delay, lambda: self._allow(connection, meeting.streams))
            if meeting.row == HANG:
                t.phase = core.LOST if t.open == 1 else core.OVER
                functions["give_attempt"](s, a)
            else:
                t.events += 1
                self.at(s.ctl[0].now + meeting.delay, lambda: answered(s, a, meeting.row))

        def answered(s: State, a: int, row: int) -> None:
            t = s.att[a]
            t.events -= 1
            if t.killed == 1:
                functions["give_attempt"](s, a)
            else:
                functions["answer"](s, a, row)

        original = functions["on_arrive"]
        return on_arrive

    def _checking(self, functions: dict[str, Any]) -> Callable[[State, int], int]:
        def answer_check(s: State, k: int) -> int:
            ck = s.check[k]
            meeting = self._ends.check(ck.host, s.ctl[0].now)
            if meeting.row == HANG:
                ck.verdict = core.CHECK_TIMEOUT
                return core.NEVER
            met = s.inbound[meeting.row]
            if met.kind == core.IN_RESET:
                ck.verdict = core.CHECK_NETWORK
            else:
                functions["judge_check"](s, k, met.status, met.marks)
            there: int = s.link[s.host[ck.host].link].latency
            return meeting.delay + 2 * there

        return answer_check

    def _finishing(self, original: Callable[[State, int], None]) -> Callable[[State, int], None]:
        def finish(s: State, r: int) -> None:
            q = s.req[r]
            live, mirror = q.live, q.mirror
            status = 200 if q.status >= core.GRPC else q.status
            end = Ended(q.root, status, q.flags, q.decided == core.BROKEN)
            original(s, r)
            if live == 1 and mirror == 0 and q.live == 0:
                self._ends.ended(end)

        return finish

    def _acting(self, original: Callable[[State, int, int], None]) -> Callable[[State, int, int], None]:
        def do_rare_event(s: State, kind: int, row: int) -> None:
            if kind == _EV_SCRIPT:
                self._waiting.pop(row)()
            else:
                original(s, kind, row)

        return do_rare_event
