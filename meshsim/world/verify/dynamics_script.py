"""What scripted hosts of a recorded experiment do with the attempts that reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.dataplane import core
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.routes import RetryPolicy
from meshsim.dataplane.layout import Row, row_of
from meshsim.dataplane.scripted import HANG
from meshsim.units import MILLISECOND, SECOND, Nanos

_REFUSED_STREAM: Final = 7
_PROTOCOL_ERROR: Final = 1
_LIMITED: Final = "x-envoy-ratelimited"
_DEGRADED: Final = "x-envoy-degraded"
_FAILS: Final = "x-envoy-immediate-health-check-fail"
_SETTLE_MS: Final = 20.0
NOWHERE: Final[Mapping[tuple[int, str], int]] = {}

Rows = Callable[[tuple[Row, ...]], int]
"""Numbers rows of the `inbound` table (`Layout.met`)."""


class Behaviour(NamedTuple):
    """What a host does with one attempt."""

    row: Row | None
    """Of the `inbound` table; None hangs."""
    delay: Nanos
    did: str
    goaway: tuple[int, bool] | None = None
    """The last stream that the host goes on with on this connection, and whether it closes it at once."""
    streams: int = 0
    """How many streams the host allows on this connection from then on, 0 = as many as before."""
    cut: tuple[Row, Nanos, bool] | None = None
    """What the streams of an HTTP/2 connection meet that closes, how long after the arrival, and whether this one has
    its answer before."""


REFUSED: Final = row_of("inbound", kind=core.IN_RESET, how=core.REFUSED_STREAM, marks=core.MARK_CLOSES)
CUT: Final = row_of("inbound", kind=core.IN_RESET, how=core.TERMINATED, marks=core.MARK_CLOSES)
"""What streams meet whose host says GOAWAY without them, or closes their connection with it."""


def millis(entry: Fields, key: str, default: float = 0.0) -> Nanos:
    """A recorded number of milliseconds."""
    return round(entry.number(key, default) * MILLISECOND)


def behaviour(
    entry: Fields, retry: RetryPolicy | None, http2: bool, locations: Mapping[tuple[int, str], int] = NOWHERE
) -> Behaviour:
    """A scripted behaviour as a row, for a request under a retry policy; redirects by their numbers."""
    found = _behaviour(entry, retry, http2, locations)
    if http2:
        found = found._replace(streams=allowed_streams(entry) or 0, cut=_connection_cut(entry))
    return found


def _connection_cut(entry: Fields) -> tuple[Row, Nanos, bool] | None:
    """The end of an HTTP/2 connection with all its streams: its host closes it, or says what is not HTTP/2."""
    delay = millis(entry, "delay_ms")
    if entry.flag("hang") or "goaway" in entry or "rst_stream" in entry:
        return None
    if entry.flag("garbage"):
        return _reset(core.PROTOCOL_ERROR), delay, False
    if entry.text("reset"):
        late = 20 * (entry.text("reset") == "after_headers")
        return _reset(core.TERMINATED), delay + millis(entry, "after_ms", late), False
    if entry.flag("close"):
        return _reset(core.TERMINATED), delay + millis(entry, "body_delay_ms"), True
    return None


def allowed_streams(entry: Fields) -> int | None:
    """How many streams at once the settings of a script allow, None where they do not say."""
    settings = entry.fields("settings")
    return settings.integer("max_concurrent_streams") if "max_concurrent_streams" in settings else None


def _behaviour(
    entry: Fields, retry: RetryPolicy | None, http2: bool, locations: Mapping[tuple[int, str], int]
) -> Behaviour:
    delay = millis(entry, "delay_ms")
    if entry.flag("hang"):
        return Behaviour(None, 0, "hang")
    if entry.flag("garbage"):
        return Behaviour(_reset(core.PROTOCOL_ERROR), delay, "garbage")
    if "goaway" in entry:
        goaway = entry.fields("goaway")
        answers = goaway.flag("answer") or "status" in entry
        row = (
            _answer(entry, retry, millis(entry, "body_delay_ms"), core.ANSWERED, locations, http2) if answers else None
        )
        return Behaviour(row, delay, "goaway", (goaway.integer("last"), goaway.flag("close")))
    if "rst_stream" in entry:
        how = _stream_reset(entry.integer("rst_stream"))
        if not entry.flag("after_headers"):
            return Behaviour(_reset(how), delay, "rst_stream")
        return Behaviour(
            _answer(entry, retry, millis(entry, "after_ms", 20), how, locations, http2), delay, "rst_stream"
        )
    kind = entry.text("reset")
    if kind == "before_headers":
        return Behaviour(_reset(core.TERMINATED), delay + millis(entry, "after_ms"), "reset")
    if kind == "after_headers":
        how = _cut(entry, http2)
        return Behaviour(_answer(entry, retry, millis(entry, "after_ms", 20), how, locations, http2), delay, "reset")
    return Behaviour(_answer(entry, retry, millis(entry, "body_delay_ms"), core.ANSWERED, locations, http2), delay, "")


def locations_of(experiment: Fields) -> dict[tuple[int, str], int]:
    """Numbers of the redirects that hosts answer with, each a status and a location."""
    found: dict[tuple[int, str], int] = {}
    entries: list[object] = [experiment.body["hosts"], experiment.body["client"]]
    while entries:
        entry = entries.pop()
        if isinstance(entry, Mapping):
            entries.extend(entry.values())
            headers = Fields(dict(entry)).value("headers")
            redirect = _redirect(Fields(dict(entry))) if isinstance(headers, Mapping) else None
            if redirect is not None:
                found.setdefault(redirect, len(found))
        elif isinstance(entry, list):
            entries.extend(entry)
    return found


def _redirect(entry: Fields) -> tuple[int, str] | None:
    """Status and location of an answer that redirects."""
    headers = {name.lower(): value for name, value in entry.text_map("headers").items()}
    return (entry.integer("status", 200), headers["location"]) if "location" in headers else None


def _stream_reset(code: int) -> int:
    if code == _REFUSED_STREAM:
        return core.REFUSED_STREAM
    return core.PROTOCOL_ERROR if code == _PROTOCOL_ERROR else core.REMOTE_RESET


def _cut(entry: Fields, http2: bool) -> int:
    """How a connection that closes within a body ends the exchange: it ends a body of unannounced length, and is a
    protocol error in an announced one (measured)."""
    if http2:
        return core.TERMINATED
    return core.ANSWERED if entry.text("framing") == "close" else core.PROTOCOL_ERROR


def _reset(how: int) -> Row:
    return row_of("inbound", kind=core.IN_RESET, how=how)


def _answer(
    entry: Fields,
    retry: RetryPolicy | None,
    body: Nanos,
    after: int,
    locations: Mapping[tuple[int, str], int],
    http2: bool,
) -> Row:
    status = entry.integer("status", 200)
    grpc = entry.integer("grpc_status")
    if grpc and entry.flag("trailers_only", True):
        status = core.GRPC + grpc
    own = [(name.lower(), value) for name, value in entry.text_map("headers").items()]
    headers = HeaderMap([(":status", str(entry.integer("status", 200))), *own])
    marks = core.MARK_LIMITED if headers.get(_LIMITED) is not None else 0
    if retry is not None and any(m.matches(headers) for m in retry.retriable_headers):
        marks |= core.MARK_MATCHED
    if (entry.flag("close") and not http2) or "goaway" in entry or entry.text("framing") == "close":
        marks |= core.MARK_CLOSES
    if headers.get(_DEGRADED) is not None:
        marks |= core.MARK_DEGRADED
    if headers.get(_FAILS) is not None:
        marks |= core.MARK_FAILS
    if "body_bytes" in entry and entry.integer("body_bytes") == 0 and body == 0 and after == core.ANSWERED:
        marks |= core.MARK_EMPTY
    redirect = _redirect(entry)
    return row_of(
        "inbound",
        kind=core.IN_REPLY,
        status=status,
        marks=marks,
        body=body,
        after=after,
        wait=_reset_after(headers, retry) if retry is not None else 0,
        location=0 if redirect is None else 1 + locations.get(redirect, -1),
        size=entry.integer("body_bytes"),
    )


def _reset_after(headers: HeaderMap, retry: RetryPolicy) -> Nanos:
    """The back-off that an answer asks for: the first header that can be read and is not over the limit, else 0.

    Envoy source/common/router/reset_header_parser.cc, retry_state_impl.cc; times since 1970 are never met here.
    """
    for name, since_1970 in retry.reset_headers:
        text = (headers.get(name) or "").strip()
        if text.isascii() and text.isdigit() and not since_1970 and int(text) * SECOND <= retry.reset_longest:
            return int(text) * SECOND
    return 0


@dataclass(slots=True)
class Host:
    """A scripted host and what it has seen."""

    number: int
    address: str
    script: Fields
    arrivals: int = 0
    checks: int = 0
    connections: dict[tuple[int, Nanos], int] = field(default_factory=dict)
    """Numbers of its connections, by row and beginning."""

    @property
    def down(self) -> bool:
        return self.script.flag("down")

    @property
    def http2(self) -> bool:
        return self.script.text("proto", "h1") == "h2"

    def next(self, now: Nanos) -> Fields:
        """What the script has for the attempt that arrives now."""
        number = self.arrivals
        self.arrivals += 1
        for begin, end, entry in self._windows():
            if begin <= now and (end is None or now < end):
                return entry
        by_index = self.script.items("by_index")
        if number < len(by_index):
            return by_index[number]
        cycle = self.script.items("cycle")
        if cycle:
            return cycle[number % len(cycle)]
        return self.script.fields("default")

    def checked(self, now: Nanos) -> Fields:
        """What the script has for a health check that arrives now: one of its `checks` after the other from the first
        step of the client on, of which the last repeats; without them what a request would get."""
        entries = self.script.items("checks")
        if not entries:
            return self.next(now)
        if now < 0:
            return Fields({})
        self.checks += 1
        return entries[min(self.checks, len(entries)) - 1]

    def _windows(self) -> list[tuple[Nanos, Nanos | None, Fields]]:
        found: list[tuple[Nanos, Nanos | None, Fields]] = []
        windows = self.script.value("windows")
        for begin, end, entry in windows if isinstance(windows, list) else ():
            last = None if end is None else round(end * MILLISECOND)
            found.append((round(begin * MILLISECOND), last, Fields(entry)))
        return found


def hosts_of(experiment: Fields) -> dict[str, Host]:
    """The scripted hosts by their address."""
    return {
        entry.text("address"): Host(int(number), entry.text("address"), entry.fields("script"))
        for number, entry in experiment.fields_map("hosts").items()
    }


def numbered(rows: Rows, known: dict[Row, int], row: Row | None) -> int:
    """The number of a behaviour's row."""
    if row is None:
        return HANG
    if row not in known:
        known[row] = rows((row,))
    return known[row]


def settle(experiment: Fields) -> Nanos:
    """Time between a live Envoy and the first step of the client."""
    return millis(experiment, "settle_ms", _SETTLE_MS)


def own_behaviours(request: Mapping[str, object]) -> tuple[Fields, ...]:
    """The behaviours that a request brings with it, by attempt."""
    return Fields(request).items("upstream")
