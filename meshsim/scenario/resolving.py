"""Timeline instants to nanoseconds: anchors resolved, cycles and times outside the run refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from meshsim.api import Origin, locate, locate_value
from meshsim.errors import InputError
from meshsim.scenario.instants import END, START, Anchors, Instant, Span
from meshsim.scenario.model import Scenario
from meshsim.scenario.problems import suggestion
from meshsim.scenario.timeline import TimelineEntry
from meshsim.units import Nanos, format_duration


@dataclass(slots=True)
class Timeline:
    """When each action begins and ends."""

    spans: dict[str, Span] = field(default_factory=dict)
    """Each id that could be resolved, in the order of the file, to its revert or the end of the run."""
    undone: set[str] = field(default_factory=set)
    """Ids that are undone before the run ends."""

    def anchors(self, duration: Nanos) -> Anchors:
        """The anchors for expectations."""
        return Anchors(duration, self.spans, frozenset(self.undone))


def resolve_timeline(scenario: Scenario, origin: Origin, errors: list[InputError]) -> Timeline:
    """All instants of a timeline; what cannot be resolved is left out and said in `errors`."""
    entries: dict[str, TimelineEntry] = {}
    indices: dict[str, int] = {}
    for index, entry in enumerate(scenario.timeline):
        if entry.id in entries:
            first = locate(origin, f"timeline[{indices[entry.id]}].id")
            message = f"the id '{entry.id}' is taken by the entry of line {first.line}"
            errors.append(InputError(message, locate_value(origin, f"timeline[{index}].id")))
            continue
        entries[entry.id] = entry
        indices[entry.id] = index
    resolver = _Resolver(scenario.duration, entries, indices, origin, errors)
    timeline = Timeline()
    for name, entry in entries.items():
        at = resolver.begin(name)
        if at is None:
            continue
        until = None if entry.for_ is None else at + entry.for_
        if until is not None and until < scenario.duration:
            timeline.undone.add(name)
        timeline.spans[name] = Span(at, scenario.duration if until is None else min(until, scenario.duration))
    return timeline


class _Resolver:
    """Follows anchors depth first; an anchor met again on the way is a cycle."""

    def __init__(
        self,
        duration: Nanos,
        entries: dict[str, TimelineEntry],
        indices: dict[str, int],
        origin: Origin,
        errors: list[InputError],
    ) -> None:
        self._duration = duration
        self._entries = entries
        self._indices = indices
        self._origin = origin
        self._errors = errors
        self._known: dict[str, Nanos | None] = {}
        self._way: list[str] = []

    def begin(self, name: str) -> Nanos | None:
        """When an entry begins, `None` when that cannot be said."""
        if name in self._known:
            return self._known[name]
        if name in self._way:
            circle = " -> ".join([*self._way[self._way.index(name) :], name])
            self._wrong(self._way[-1], f"these times depend on each other: {circle}", "give one of them a time")
            return None
        self._way.append(name)
        at = self._instant(name, self._entries[name].at)
        self._way.pop()
        if at is not None and not 0 <= at <= self._duration:
            run = format_duration(self._duration)
            self._wrong(name, f"'{name}' would begin at {format_duration(at)}, the run lasts from 0s to {run}")
            at = None
        self._known[name] = at
        return at

    def _instant(self, name: str, instant: Instant) -> Nanos | None:
        if instant.anchor in (START, END):
            return instant.offset + (self._duration if instant.anchor == END else 0)
        entry = self._entries.get(instant.anchor)
        if entry is None:
            known = [*self._entries, START, END]
            self._wrong(name, f"there is no timeline entry '{instant.anchor}'", suggestion(instant.anchor, known))
            return None
        begin = self.begin(instant.anchor)
        if begin is None:
            return None
        if not instant.reverted:
            return begin + instant.offset
        if entry.for_ is None:
            self._wrong(name, f"'{instant.anchor}' has no end: it is not undone", f"give it a 'for', or use '{END}'")
            return None
        return begin + entry.for_ + instant.offset

    def _wrong(self, name: str, message: str, hint: str = "") -> None:
        path = f"timeline[{self._indices[name]}].at"
        self._errors.append(InputError(message, locate_value(self._origin, path), hint, path))
