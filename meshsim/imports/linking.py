"""From spans to requests: what each service handled, which calls it made for it, and how long it waited for them.

A service's part of a trace is the span with which a request enters it and all spans below of the same service; where it
leaves, spans of another service begin. Clocks of two hosts are not compared: how long a call took is told by the
caller's client span. Only where there is none the callee's span stands in, moved as Jaeger moves it
(jaegertracing/jaeger `model/adjuster/clockskew.go`: into the middle of its parent when it lies outside of it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.imports.spans import Span, SpanKind
from meshsim.units import MILLISECOND, Nanos

_LEAVES: Final = (SpanKind.CLIENT, SpanKind.PRODUCER)
_ENTERS: Final = (SpanKind.SERVER, SpanKind.CONSUMER)
_INACCURACY: Final = MILLISECOND
"""Many tracers read the time of a span's start in milliseconds."""
_SENDS: Final = (" send", " publish", " create")
_RECEIVES: Final = (" process", " receive")
"""How OpenTelemetry names spans of messaging, which nobody waits for."""


class OperationKey(NamedTuple):
    """An operation of a service."""

    service: str
    operation: str


@dataclass(frozen=True, slots=True)
class CallMade:
    """A call that a request led to."""

    callee: OperationKey
    start: Nanos
    end: Nanos
    """By the caller's clock."""
    failed: bool
    waited: bool
    """Whether the caller waited for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """One request as a service handled it."""

    key: OperationKey
    start: Nanos
    end: Nanos
    failed: bool
    status: int
    method: str
    calls: tuple[CallMade, ...]
    """In the order of their start."""
    root: bool
    """Whether a client outside the traces sent it."""
    sender: str = ""
    """Service that sent it of its own accord, empty for clients without spans."""
    way: Nanos | None = None
    """How much longer its caller waited than it took: both ways with what is between, and waiting before it was taken
    up. ``None`` where the caller has no span of its own for the call."""

    @property
    def own_time(self) -> Nanos:
        """Its duration without the time in which it waited for at least one call."""
        waits = [(max(c.start, self.start), min(c.end, self.end)) for c in self.calls if c.waited]
        return self.end - self.start - covered(waits)


@dataclass(slots=True)
class Linked:
    """All requests of some traces."""

    handled: list[Handled] = field(default_factory=list)
    instances: dict[str, set[str]] = field(default_factory=dict)
    """Pods or hosts seen of each service."""
    traces: int = 0
    spans: int = 0
    orphans: int = 0
    """Spans whose parent is missing."""
    moved: int = 0
    """Spans that lay outside the span they were called from, by the clocks of two hosts."""


def covered(spans: Iterable[tuple[Nanos, Nanos]]) -> Nanos:
    """Length of the union of intervals; those that end before they begin count nothing."""
    total, until = 0, None
    for start, end in sorted(spans):
        if until is None or start > until:
            total += max(end - start, 0)
            until = max(end, start)
        elif end > until:
            total += end - until
            until = end
    return total


def link(spans: Sequence[Span]) -> Linked:
    """The requests of these spans."""
    by_trace: dict[str, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace, []).append(span)
    linked = Linked(traces=len(by_trace), spans=len(spans))
    for span in spans:
        if span.instance:
            linked.instances.setdefault(span.service, set()).add(span.instance)
    trees = [_Tree(_unique(trace)) for trace in by_trace.values()]
    known = _callees_of_clients(trees)
    for tree in trees:
        tree.requests(linked, known)
    return linked


def _unique(spans: list[Span]) -> list[Span]:
    """Spans with an id each. Zipkin's client and server share one; the server's part and all below it get another."""
    clients = {span.id for span in spans if span.kind is SpanKind.CLIENT}
    shared = {span.id: f"{span.id}/server" for span in spans if span.kind is SpanKind.SERVER and span.id in clients}
    found: dict[str, Span] = {}
    for span in spans:
        if span.kind is SpanKind.SERVER and span.id in shared:
            span.parent, span.id = span.id, shared[span.id]
        elif span.parent in shared:
            span.parent = shared[span.parent]
        found.setdefault(span.id, span)
    return list(found.values())


class _Tree:
    """One trace."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = sorted(spans, key=lambda span: (span.start, span.id))
        self.by_id = {span.id: span for span in self.spans}
        self.children: dict[str, list[Span]] = {}
        for span in self.spans:
            self.children.setdefault(span.parent if span.parent in self.by_id else "", []).append(span)

    def enters(self, span: Span) -> bool:
        """Whether a request enters a service with this span."""
        parent = self.by_id.get(span.parent)
        if parent is None or parent.service != span.service:
            return True
        return span.kind in _ENTERS and parent.kind in _LEAVES

    def local(self, entry: Span) -> list[Span]:
        """The spans of the service's part that begins with `entry`, that one first."""
        found, rest = [], [entry]
        while rest:
            span = rest.pop()
            found.append(span)
            rest.extend(child for child in self.children.get(span.id, ()) if not self.enters(child))
        return found

    def entered(self, span: Span) -> list[Span]:
        """The spans with which requests that left here entered a service."""
        return [child for child in self.children.get(span.id, ()) if self.enters(child)]

    def requests(self, linked: Linked, known: dict[OperationKey, OperationKey]) -> None:
        """Add what services handled in this trace."""
        for entry in self.spans:
            if not self.enters(entry):
                continue
            linked.orphans += bool(entry.parent) and entry.parent not in self.by_id
            if self._sends(entry):
                continue
            parent = self.by_id.get(entry.parent)
            sent = parent is not None and self.enters(parent) and self._sends(parent)
            linked.handled.append(
                Handled(
                    key=_key(entry),
                    start=entry.start,
                    end=entry.end,
                    failed=entry.error,
                    status=entry.status,
                    method=entry.method,
                    calls=tuple(sorted(self._calls(entry, linked, known), key=lambda c: (c.start, c.callee))),
                    root=not entry.parent or sent,
                    sender=parent.service if sent and parent is not None else "",
                    way=self._way(entry, parent),
                )
            )

    def _way(self, entry: Span, parent: Span | None) -> Nanos | None:
        if parent is None or (self.enters(parent) and not self._sends(parent)) or len(self.entered(parent)) != 1:
            return None
        way = (parent.end - parent.start) - (entry.end - entry.start)
        return way if way >= 0 and self._is_client(parent) else None

    def _sends(self, span: Span) -> bool:
        """Whether a trace begins with a client's own span: what it calls are requests of its own accord."""
        return not span.parent and span.kind in _LEAVES and bool(self.entered(span))

    def _calls(self, entry: Span, linked: Linked, known: dict[OperationKey, OperationKey]) -> list[CallMade]:
        calls: list[CallMade] = []
        for span in self.local(entry):
            entered = self.entered(span)
            if not entered and span is not entry and span.kind is not SpanKind.SERVER and _key(span) in known:
                if not self.children.get(span.id):
                    calls.append(_call(span, known[_key(span)], span, entry))
            elif len(entered) == 1 and span is not entry and self._is_client(span):
                calls.append(_call(span, _key(entered[0]), entered[0], entry))
            else:
                for child in entered:
                    moved = _moved_into(child, span)
                    linked.moved += moved is not child
                    calls.append(_call(moved, _key(child), child, entry))
        return calls

    def _is_client(self, span: Span) -> bool:
        """Whether a span is one call: it says so, or has nothing below but the callee's."""
        return span.kind in _LEAVES or (
            span.kind in (SpanKind.UNKNOWN, SpanKind.INTERNAL) and len(self.children.get(span.id, ())) == 1
        )


def _callees_of_clients(trees: Sequence[_Tree]) -> dict[OperationKey, OperationKey]:
    """Which operation a client span calls, by service and name, as far as it is always the same one: whose server span
    is missing is then known."""
    found: dict[OperationKey, set[OperationKey]] = {}
    for tree in trees:
        for span in tree.spans:
            entered = tree.entered(span)
            if len(entered) == 1 and not tree.enters(span):
                found.setdefault(_key(span), set()).add(_key(entered[0]))
    return {name: next(iter(callees)) for name, callees in found.items() if len(callees) == 1}


def _key(span: Span) -> OperationKey:
    return OperationKey(span.service, span.operation)


def _call(span: Span, callee: OperationKey, answered: Span, entry: Span) -> CallMade:
    """A call as long as `span`, within what `entry` handles."""
    messages = span.kind is SpanKind.PRODUCER or answered.kind is SpanKind.CONSUMER
    messages = messages or (span.operation.endswith(_SENDS) and callee.operation.endswith(_RECEIVES))
    beyond = max(span.end - entry.end, 0)
    late = beyond > max(_INACCURACY, (span.end - span.start) // 10)
    waited = not (messages or span.follows or answered.follows or late)
    return CallMade(callee, span.start, span.end, span.error or answered.error, waited)


def _moved_into(child: Span, parent: Span) -> Span:
    """A callee's span on the clock of its caller."""
    if parent.start <= child.start and child.end <= parent.end:
        return child
    spare = parent.end - parent.start - (child.end - child.start)
    start = parent.start + max(spare, 0) // 2
    return Span(
        trace=child.trace,
        id=child.id,
        parent=child.parent,
        service=child.service,
        instance=child.instance,
        operation=child.operation,
        start=start,
        end=start + child.end - child.start,
        kind=child.kind,
        follows=child.follows,
        failed=child.failed,
        status=child.status,
        method=child.method,
    )
