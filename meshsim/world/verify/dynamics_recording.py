"""Runs of an experiment as plain values, recorded ones and replayed ones alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.dataplane import core
from meshsim.dataplane.specs import Flag
from meshsim.units import MILLISECOND
from meshsim.world.verify.dynamics_replay import Played, Sent

HEALTH_STATS: Final[Mapping[str, str]] = {
    "attempts": "health_check.attempt",
    "successes": "health_check.success",
    "failures": "health_check.failure",
    "network": "health_check.network_failure",
    "passive": "health_check.passive_failure",
}
"""Counters of health checks, by Envoy's names."""
_BEFORE: Final = "upstream_reset_before_response_started"
_AFTER: Final = "upstream_reset_after_response_started"
_DETAILS: Final[Mapping[int, str]] = {
    core.ANSWERED: "via_upstream",
    core.UNCONNECTED: f"{_BEFORE}{{",
    core.TERMINATED: f"{_BEFORE}{{connection_termination",
    core.TRY_TIMEOUT: "upstream_per_try_timeout",
    core.OVERFLOW: f"{_BEFORE}{{overflow}}",
    core.ROUTE_TIMEOUT: "response_timeout",
    core.ABANDONED: "downstream_remote_disconnect",
    core.REMOTE_RESET: f"{_BEFORE}{{remote_reset",
    core.REFUSED_STREAM: f"{_BEFORE}{{remote_refused_stream_reset",
    core.PROTOCOL_ERROR: f"{_BEFORE}{{protocol_error",
    core.IDLE_TIMEOUT: "stream_idle_timeout",
    core.MAX_DURATION: "max_duration_timeout",
    core.TRY_IDLE: "upstream_per_try_idle_timeout",
    core.UPSTREAM_DURATION: "upstream_max_stream_duration_reached",
    core.REQUEST_TIMEOUT: "request_overall_timeout",
}


class Answer(NamedTuple):
    """How a request ended for its client."""

    status: int
    """0 for none."""
    error: str
    flags: tuple[str, ...]
    attempts: int
    duration: float
    """Milliseconds inside the proxy."""
    host: int
    """The scripted host that answered, -1 for none."""
    details: str = ""
    """Response code details; empty where the model has none."""

    @property
    def outcome(self) -> str:
        """Status (or error) and flags, as in the recorded counts."""
        return f"{self.error or self.status} {','.join(self.flags) or '-'}"


@dataclass(slots=True)
class Run:
    """One run of an experiment."""

    answers: list[Answer] = field(default_factory=list)
    """Empty where only counts were recorded."""
    reached: dict[int, list[int]] = field(default_factory=dict)
    """Hosts that each request reached, in order; shadows are left out."""
    connections: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """The same with the connection that each reached its host by, numbered at each host as they were first used; of
    runs that were recorded in full."""
    outcomes: Counter[str] = field(default_factory=Counter)
    by_host: Counter[int] = field(default_factory=Counter)
    tries: Counter[int] = field(default_factory=Counter)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    """By cluster."""
    stall: float = 0.0
    shadows: int = 0
    gaps: dict[int, list[float]] = field(default_factory=dict)
    """Milliseconds between attempts, by the number of the first one."""

    def count(self) -> None:
        """Fill the counts from the answers."""
        for answer in self.answers:
            self.outcomes[answer.outcome] += 1
            self.tries[answer.attempts] += 1
            if answer.host >= 0:
                self.by_host[answer.host] += 1


def _flags(text: str) -> tuple[str, ...]:
    return tuple(sorted(flag for flag in text.split(",") if flag and flag != "-"))


def recorded_run(run: Fields) -> Run:
    """A recorded run."""
    out = Run(stall=run.number("max_stall_ms"))
    for name, entry in _stats(run):
        out.stats[name] = {key: entry.integer(key) for key in entry}
    if "requests" in run:
        for entry in _rows(run, "requests", "request_columns"):
            host = entry.integer("host", -1) if entry.text("host").isdigit() else -1
            if entry.integer("status") == 0 or (host >= 0 and entry.text("error")):
                host = -1
            out.answers.append(
                Answer(
                    entry.integer("status"),
                    entry.text("error"),
                    _flags(entry.text("flags")),
                    entry.integer("attempts"),
                    entry.number("duration_ms", entry.number("latency_ms")),
                    host,
                    entry.text("details"),
                )
            )
        numbers: dict[int, dict[int, int]] = {}
        for entry in _rows(run, "attempts", "attempt_columns"):
            if entry.flag("shadow"):
                out.shadows += 1
            elif entry.text("req").isdigit():
                request, host = entry.integer("req"), entry.integer("host")
                known = numbers.setdefault(host, {})
                number = known.setdefault(entry.integer("conn"), len(known))
                out.reached.setdefault(request, []).append(host)
                out.connections.setdefault(request, []).append((host, number))
        out.count()
    else:
        _read_counts(run, out)
    return out


def _read_counts(run: Fields, out: Run) -> None:
    """A long run, of which counts alone were recorded."""
    for outcome, count in _counts(run, "counts"):
        first, _, flags = outcome.partition(" ")
        out.outcomes[f"{first} {','.join(_flags(flags)) or '-'}"] += count
    for host, count in _counts(run, "answers_by_host"):
        if host.isdigit():
            out.by_host[int(host)] += count
    for tries, count in _counts(run, "attempts_histogram"):
        out.tries[int(tries)] += count
    out.shadows = sum(count for _, count in _counts(run, "shadow_requests"))
    tried = run.value("hosts_tried")
    for number, hosts in enumerate(tried if isinstance(tried, list) else ()):
        out.reached[number] = hosts
    for key, gaps in run.fields("gaps_ms").body.items():
        if isinstance(gaps, list):
            out.gaps[int(key)] = [float(gap) for gap in gaps]


def _counts(run: Fields, key: str) -> Iterator[tuple[str, int]]:
    entry = run.fields(key)
    for name in entry:
        yield name, entry.integer(name)


def _stats(run: Fields) -> Iterator[tuple[str, Fields]]:
    for name, entry in run.fields_map("stats").items():
        if name.startswith("cluster "):
            yield name.removeprefix("cluster "), entry


def _rows(run: Fields, key: str, columns: str) -> Iterator[Fields]:
    """The entries of a list, written out or as rows under columns."""
    names = run.texts(columns)
    values = run.value(key)
    for value in values if isinstance(values, list) else ():
        if isinstance(value, list):
            yield Fields(dict(zip(names, value)))
        elif isinstance(value, Mapping):
            yield Fields(value)


def played_run(played: Played) -> Run:
    """A replayed run."""
    out = Run()
    for sent in played.requests:
        flags = _names(sent.flags)
        details = _details(sent)
        answered = sent.hosts[-1] if details == "via_upstream" else -1
        # A proxy tells a gRPC client of its own failures in an answer of status 200.
        status = 200 if sent.grpc and answered < 0 and sent.status else sent.status
        attempts, latency = sent.attempts, sent.latency
        if sent.logged is not None:
            attempts, logged, latency = sent.logged
            flags, details = _names(logged), "internal_redirect"
        out.answers.append(Answer(status, sent.error, flags, attempts, latency / MILLISECOND, answered, details))
    last: dict[int, int] = {}
    for attempt in played.attempts:
        if attempt.shadow:
            out.shadows += 1
            continue
        reached = out.reached.setdefault(attempt.request, [])
        if reached:
            gap = (attempt.time - last[attempt.request]) / MILLISECOND
            out.gaps.setdefault(len(reached), []).append(gap)
        last[attempt.request] = attempt.time
        reached.append(attempt.host)
        out.connections.setdefault(attempt.request, []).append((attempt.host, attempt.connection))
    for name, stats in played.stats.items():
        health = played.health.get(name)
        out.stats[name] = dict(stats)
        if health is not None:
            out.stats[name] |= {theirs: getattr(health, ours) for ours, theirs in HEALTH_STATS.items()}
    out.count()
    return out


def _names(flags: int) -> tuple[str, ...]:
    return tuple(sorted(flag.name or "" for flag in Flag(flags)))


def _details(sent: Sent) -> str:
    """Response code details by the end of the last try, with what follows a connection failure left out."""
    found = _DETAILS.get(sent.how, "")
    if sent.error == "connection_closed" and found.startswith(_BEFORE):
        return _AFTER + found.removeprefix(_BEFORE)
    return found
