"""The interpreted core between scripted ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from meshsim.dataplane import core
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.invariants import check_invariants
from meshsim.dataplane.layout import row_of
from meshsim.dataplane.scripted import HANG, Allowed, Arrival, Cut, Ended, GoAway, Meeting, ScriptedTables
from meshsim.dataplane.specs import Flag, RetryOn
from meshsim.dataplane.storage import PlainTables
from meshsim.testing.meshes import add_service
from meshsim.units import MILLISECOND

MS = MILLISECOND


@dataclass
class Script:
    """Attempts meet these rows one after the other; None hangs."""

    rows: list[tuple[int, ...] | None]
    allowed: Allowed | None = None
    engine: Engine = field(init=False)
    arrivals: list[Arrival] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)

    def meet(self, arrival: Arrival) -> Meeting:
        self.arrivals.append(arrival)
        row = self.rows[min(len(self.arrivals), len(self.rows)) - 1]
        return Meeting(HANG if row is None else self.engine.met_rows((row,)), 2 * MS)

    def ended(self, end: Ended) -> None:
        self.ends.append(end)

    def check(self, host: int, time: int) -> Meeting:
        raise AssertionError("nobody checks here")

    def allows(self, host: int) -> Allowed | None:
        return self.allowed


def reply(status: int, **fields: int) -> tuple[int, ...]:
    return row_of("inbound", kind=core.IN_REPLY, status=status, **fields)


def run(script: Script, leave: int = 0, **route: object) -> tuple[Script, ScriptedTables]:
    """One request at 1 ms, whose client leaves after a while if it is told so."""
    tables = ScriptedTables(script)
    script.engine = Engine(1, tables=tables, sample_rate=1.0)
    service = add_service(script.engine, route=dict(route), cluster={"http2": False})

    def send() -> None:
        place = tables.send(service.flow, 77)
        if leave:
            tables.at(tables.now + leave, lambda: tables.abandon(*place))

    tables.at(MS, send)
    script.engine.run_until(1000 * MS)
    return script, tables


def test_hosts_do_what_the_script_says() -> None:
    retry = {"retries": 2, "retry_on": RetryOn.FIVE_XX, "backoff_base": MS, "backoff_max": MS}
    script, _ = run(Script([reply(503), reply(200)]), **retry)
    assert script.ends == [Ended(77, 200, 0, False)]
    assert [(a.request, a.attempt, a.time) for a in script.arrivals] == [(77, 1, MS), (77, 2, 3 * MS)]


def test_a_host_can_hang_and_a_client_can_leave() -> None:
    script, _ = run(Script([None]), leave=5 * MS)
    assert script.ends == [Ended(77, 0, Flag.DC, False)]


def test_a_client_that_leaves_hedged_attempts_leaves_once() -> None:
    hedge = {"hedge": True, "per_try_timeout": 10 * MS, "retries": 1, "retry_on": RetryOn.FIVE_XX}
    script, tables = run(Script([None, reply(503)]), leave=50 * MS, **hedge)
    assert [(end.status, end.flags & Flag.DC) for end in script.ends] == [(0, Flag.DC)]
    assert check_invariants(tables) == []


def test_an_answer_can_break_off_after_its_headers() -> None:
    broken = reply(200, body=4 * MS, after=core.PROTOCOL_ERROR)
    script, _ = run(Script([broken]), retries=2, retry_on=RetryOn.FIVE_XX)
    assert script.ends == [Ended(77, 200, Flag.UPE, True)]


def test_what_was_not_retried_any_more_says_so_when_it_breaks_off() -> None:
    """Played on 1.40: the last retry's 503 passes on, and the route timeout ends it before its body has come."""
    late = reply(503, body=80 * MS)
    script, _ = run(Script([reply(503), late]), retries=1, retry_on=RetryOn.FIVE_XX, backoff_max=MS, timeout=50 * MS)
    assert script.ends == [Ended(77, 503, Flag.UT | Flag.URX, True)]


def test_a_client_that_leaves_after_the_end_changes_nothing() -> None:
    script, tables = run(Script([reply(200)]), leave=50 * MS)
    assert script.ends == [Ended(77, 200, 0, False)]
    assert tables.get("ctl", 0, "finished") == 1


def test_a_host_goes_away_and_gives_up_some_of_its_streams() -> None:
    """Recorded: with streams 1, 3 and 5 under way and GOAWAY for 1, the others are refused and 1 finishes."""
    refused = row_of("inbound", kind=core.IN_RESET, how=core.REFUSED_STREAM, marks=core.MARK_CLOSES)
    script = Script([reply(200), reply(200), None, reply(200)])
    tables = ScriptedTables(script)
    script.engine = Engine(1, tables=tables, sample_rate=1.0)
    service = add_service(script.engine)
    original = script.meet

    def meet(arrival: Arrival) -> Meeting:
        met = original(arrival)
        if len(script.arrivals) != 3:
            return met._replace(delay=50 * MS)
        return met._replace(goaway=GoAway(1, script.engine.met_rows((refused,)), -1))

    script.meet = meet  # type: ignore[method-assign]
    for identity, at in ((11, MS), (12, 2 * MS), (13, 3 * MS), (14, 20 * MS)):
        tables.at(at, lambda identity=identity: tables.send(service.flow, identity))  # type: ignore[misc]
    script.engine.run_until(1000 * MS)
    assert {end.request: (end.status, end.flags) for end in script.ends} == {
        11: (200, 0),
        12: (503, Flag.UR),
        13: (503, Flag.UR),
        14: (200, 0),
    }
    connections = [arrival.connection for arrival in script.arrivals]
    assert len(set(connections[:3])) == 1
    assert connections[3] != connections[0]
    assert check_invariants(tables) == []


def test_what_is_sent_on_a_connection_that_its_host_has_closed_is_lost() -> None:
    """The caller learns of it a latency later; what it sends until then ends with UC, what it sends later does not."""
    script = Script([reply(200)])
    tables = ScriptedTables(script)
    script.engine = Engine(1, tables=tables, sample_rate=1.0)
    service = add_service(script.engine, cluster={"http2": False}, host={"latency": 2 * MS})
    for identity, at in ((11, MS), (12, 51 * MS), (13, 53 * MS)):
        tables.at(at, lambda identity=identity: tables.send(service.flow, identity))  # type: ignore[misc]
    tables.at(50 * MS, lambda: tables.cut(service.pods[0]))
    script.engine.run_until(1000 * MS)
    assert [(end.request, end.status, end.flags) for end in script.ends] == [
        (11, 200, 0),
        (12, 503, Flag.UC),
        (13, 200, 0),
    ]
    assert [arrival.request for arrival in script.arrivals] == [11, 13]
    assert check_invariants(tables) == []


def streams(
    script: Script, meetings: dict[int, Meeting], at: dict[int, int], **cluster: object
) -> dict[int, tuple[int, int, int]]:
    """Requests at these instants over HTTP/2: status, flags and connection, numbered as they were first used (-1 =
    none), of each."""
    tables = ScriptedTables(script)
    script.engine = Engine(1, tables=tables, sample_rate=1.0)
    service = add_service(script.engine, cluster=dict(cluster))

    def meet(arrival: Arrival) -> Meeting:
        script.arrivals.append(arrival)
        usual = Meeting(script.engine.met_rows((reply(200),)), 50 * MS)
        return meetings.get(arrival.request, usual)

    script.meet = meet  # type: ignore[method-assign]
    for identity, time in at.items():
        tables.at(time, lambda identity=identity: tables.send(service.flow, identity))  # type: ignore[misc]
    script.engine.run_until(2000 * MS)
    assert check_invariants(tables) == []
    assert script.engine.counters.in_flight == 0
    numbers: dict[tuple[int, int], int] = {}
    used = {a.request: numbers.setdefault((a.connection, a.opened), len(numbers)) for a in script.arrivals}
    return {end.request: (end.status, end.flags, used.get(end.request, -1)) for end in script.ends}


def row_number(row: tuple[int, ...]) -> int:
    """The first rows that a fresh engine is asked for are numbered from 0, in any order."""
    return Engine(1, tables=PlainTables()).met_rows((row,))


def test_a_caller_keeps_to_the_streams_that_a_host_allows() -> None:
    """Envoy 1.40, MultiplexedActiveClientBase::onSettings: what comes beyond them gets another connection."""
    found = streams(Script([], Allowed(2, 0)), {}, {n: n * MS for n in range(1, 6)})
    assert found == {1: (200, 0, 0), 2: (200, 0, 0), 3: (200, 0, 1), 4: (200, 0, 1), 5: (200, 0, 2)}


def test_too_many_streams_before_the_settings_are_known_break_the_connection() -> None:
    """Recorded: seven requests at once for a host that allows two end with UC, none of them seen by the host."""
    script = Script([], Allowed(2, row_number(row_of("inbound", kind=core.IN_RESET, how=core.TERMINATED))))
    found = streams(script, {}, dict.fromkeys(range(1, 8), MS))
    assert found == dict.fromkeys(range(1, 8), (503, Flag.UC, -1))


def test_streams_that_wait_die_with_a_connection_without_room() -> None:
    """Played on 1.40: of a connection of one stream at most that its host closes, those that wait end with UC too."""
    cut = Cut(row_number(row_of("inbound", kind=core.IN_RESET, how=core.TERMINATED)), 20 * MS)
    meetings = {1: Meeting(HANG, 0, cut=cut)}
    at = {1: MS, 2: 10 * MS, 3: 11 * MS, 4: 60 * MS}
    found = streams(Script([]), meetings, at, max_concurrent_streams=1, max_connections=1)
    assert found == {1: (503, Flag.UC, 0), 2: (503, Flag.UC, -1), 3: (503, Flag.UC, -1), 4: (200, 0, 1)}


def test_a_connection_takes_no_streams_after_its_life() -> None:
    """Envoy 1.40, ActiveClient::onConnectionDurationTimeout: the stream that it has goes on."""
    found = streams(Script([]), {}, {1: MS, 2: 40 * MS, 3: 110 * MS}, max_connection_duration=60 * MS)
    assert found == {1: (200, 0, 0), 2: (200, 0, 0), 3: (200, 0, 1)}
    found = streams(Script([]), {}, {1: MS, 2: 40 * MS, 3: 70 * MS}, max_connection_duration=60 * MS)
    assert found == {1: (200, 0, 0), 2: (200, 0, 0), 3: (200, 0, 1)}


def test_a_connection_of_few_streams_in_all_has_room_for_no_more() -> None:
    """Two requests at once for connections of one request each: neither waits for the other."""
    found = streams(Script([]), {}, {1: MS, 2: MS}, max_requests_per_connection=1)
    assert found == {1: (200, 0, 0), 2: (200, 0, 1)}


def test_the_compiled_core_is_untouched() -> None:
    before = core.finish
    run(Script([reply(200)]))
    assert core.finish is before
