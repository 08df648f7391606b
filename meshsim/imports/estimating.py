"""What services do, estimated from the requests they handled: own times, calls with their order and chances, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.imports.linking import CallMade, Handled, Linked, OperationKey
from meshsim.units import Nanos

MOST_VARIANTS: Final = 24
"""So many kinds of requests of one operation clients tell apart."""
LEAST_SHARE: Final = 0.005
"""A kind rarer than this is counted to the most like it."""


class CallSlot(NamedTuple):
    """The n-th call that a request makes to one operation."""

    callee: OperationKey
    ordinal: int


@dataclass(frozen=True, slots=True)
class EstimatedCall:
    """A call and how often it is made."""

    callee: OperationKey
    made: int
    of: int
    """Requests that could have made it: all but those that failed of themselves."""
    optional: bool
    """Whether the caller mostly answered well although it failed."""
    failures: int
    survived: int
    """Failures after which the caller answered well."""

    @property
    def probability(self) -> float:
        return self.made / self.of


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedOperation:
    """What a service does for one kind of request."""

    key: OperationKey
    variant: int
    """Number among the kinds of requests that clients send to this operation, 0 where there is only one."""
    times: tuple[Nanos, ...]
    """Own times, sorted; with what callers waited much longer than usual."""
    waits: int
    """Requests with such a wait."""
    failures: int
    """Requests that failed of themselves."""
    status: int
    """What most of those were answered with."""
    method: str
    """What most requests said, empty where none did."""
    steps: tuple[tuple[EstimatedCall, ...], ...]
    """Calls one step after the other, those of a step at the same time."""
    unawaited: Mapping[OperationKey, int]
    """How often it called what it did not wait for."""
    roots: int
    """Requests of clients."""
    senders: Mapping[str, int]
    """Services that sent them of their own accord, and how many."""

    @property
    def count(self) -> int:
        """Requests it was seen in."""
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Everything that was estimated."""

    operations: tuple[EstimatedOperation, ...]
    window: Nanos
    """From the first request of a client to the last."""
    way: Nanos | None
    """What callers usually wait beyond the time of the service they call: the way there and back. ``None`` where they
    have no spans."""
    linked: Linked


def estimate(linked: Linked) -> Estimate:
    """What the requests tell."""
    groups: dict[OperationKey, list[Handled]] = {}
    for handled in sorted(linked.handled, key=lambda h: (h.key, h.start, h.end)):
        groups.setdefault(handled.key, []).append(handled)
    starts = [handled.start for handled in linked.handled if handled.root]
    ways = sorted(item.way for item in linked.handled if item.way is not None and not item.root)
    way = ways[len(ways) // 2] if ways else None
    operations: list[EstimatedOperation] = []
    for key, group in groups.items():
        kinds = _kinds(group)
        operations.extend(
            _operation(key, number if len(kinds) > 1 else 0, kind, way or 0) for number, kind in enumerate(kinds, 1)
        )
    window = max(starts) - min(starts) if starts else 0
    return Estimate(tuple(operations), window, way, linked)


def _kinds(handled: Sequence[Handled]) -> list[list[Handled]]:
    """The requests of an operation by what they led to, where clients send all of them: frequent kinds first.

    A service that calls several others with certain chances seldom throws dice: one path is a page with all its calls,
    another a click with one. Where all requests come from clients the kinds can be told apart as traffic of their own.
    """
    if not all(item.root for item in handled):
        return [list(handled)]
    by_calls: dict[frozenset[CallSlot], list[Handled]] = {}
    for item in handled:
        by_calls.setdefault(frozenset(slot for slot, _ in _slots_of(item)), []).append(item)
    ranked = sorted(by_calls, key=lambda calls: (-len(by_calls[calls]), sorted(calls)))
    least = max(LEAST_SHARE * len(handled), 2)
    kept = [calls for rank, calls in enumerate(ranked) if rank < MOST_VARIANTS and len(by_calls[calls]) >= least]
    if not kept:
        return [list(handled)]
    kinds = {calls: list(by_calls[calls]) for calls in kept}
    for calls in ranked:
        if calls not in kinds:
            nearest = min(kept, key=lambda other: (len(other ^ calls), kept.index(other)))
            kinds[nearest].extend(by_calls[calls])
    return list(kinds.values())


def _operation(key: OperationKey, variant: int, handled: Sequence[Handled], way: Nanos) -> EstimatedOperation:
    waits = [_wait(item, way) for item in handled]
    own = [item for item in handled if item.failed and not any(call.failed for call in item.calls)]
    gone_on = [item for item in handled if not (item.failed and not item.calls)]
    statuses = Counter(item.status for item in own if item.status >= 500)
    methods = Counter(item.method for item in handled if item.method)
    unawaited = Counter(call.callee for item in gone_on for call in item.calls if not call.waited)
    return EstimatedOperation(
        key=key,
        variant=variant,
        times=tuple(sorted(max(item.own_time, 0) + wait for item, wait in zip(handled, waits, strict=True))),
        waits=sum(wait > 0 for wait in waits),
        failures=len(own),
        status=statuses.most_common(1)[0][0] if statuses else 500,
        method=methods.most_common(1)[0][0] if methods else "",
        steps=_steps(gone_on),
        unawaited=dict(sorted(unawaited.items())),
        roots=sum(item.root for item in handled),
        senders=dict(sorted(Counter(item.sender for item in handled if item.sender).items())),
    )


def _wait(item: Handled, way: Nanos) -> Nanos:
    """How long a request waited at the service before its span began.

    A way more than twice as long as usual is one with a queue at its end: sockets not yet read, a busy event loop. What
    clients wait for their own connections is not the service's.
    """
    return item.way - way if item.way is not None and item.way > 2 * way and not item.root else 0


def _steps(handled: Sequence[Handled]) -> tuple[tuple[EstimatedCall, ...], ...]:
    """The calls in their usual order; those that mostly overlap in time are made together.

    A call is told apart by its callee and by how many calls to the same the request made before.
    """
    slots: dict[CallSlot, list[CallMade]] = {}
    ranks: dict[CallSlot, list[float]] = {}
    overlaps: Counter[tuple[CallSlot, CallSlot]] = Counter()
    together: Counter[tuple[CallSlot, CallSlot]] = Counter()
    ends: dict[CallSlot, list[bool]] = {}
    for item in handled:
        made = _slots_of(item)
        for rank, (slot, call) in enumerate(made):
            slots.setdefault(slot, []).append(call)
            ranks.setdefault(slot, []).append(rank / len(made))
            if call.failed:
                ends.setdefault(slot, []).append(not item.failed)
            for other, later in made[rank + 1 :]:
                pair = (slot, other) if slot < other else (other, slot)
                together[pair] += 1
                overlaps[pair] += later.start < call.end
    ordered = sorted(slots, key=lambda slot: (sum(ranks[slot]) / len(ranks[slot]), slot))
    groups: list[list[CallSlot]] = []
    for slot in ordered:
        if groups and all(_parallel(slot, member, overlaps, together) for member in groups[-1]):
            groups[-1].append(slot)
        else:
            groups.append([slot])
    return tuple(
        tuple(_estimated_call(slot, len(slots[slot]), len(handled), ends.get(slot, [])) for slot in group)
        for group in groups
    )


def _slots_of(item: Handled) -> list[tuple[CallSlot, CallMade]]:
    """The calls a request waited for, each with its slot."""
    seen: Counter[OperationKey] = Counter()
    made: list[tuple[CallSlot, CallMade]] = []
    for call in item.calls:
        if call.waited:
            made.append((CallSlot(call.callee, seen[call.callee]), call))
            seen[call.callee] += 1
    return made


def _parallel(
    slot: CallSlot,
    other: CallSlot,
    overlaps: Mapping[tuple[CallSlot, CallSlot], int],
    together: Mapping[tuple[CallSlot, CallSlot], int],
) -> bool:
    pair = (slot, other) if slot < other else (other, slot)
    return 2 * overlaps.get(pair, 0) > together.get(pair, 0)


def _estimated_call(slot: CallSlot, made: int, of: int, survived: Sequence[bool]) -> EstimatedCall:
    well = sum(survived)
    return EstimatedCall(slot.callee, made, of, 2 * well > len(survived), len(survived), well)
