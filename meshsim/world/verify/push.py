"""What Pilot pushes when a cluster changes, against what the real istiod pushed: step by step and proxy by proxy.

Equal means the same responses and questions in the same order with the same names. NDS against the rest is a race of
the recording and means nothing: istiod leaves the order of the types after RDS to the iteration of a map (istio
pilot/pkg/xds/ads.go PushOrder). A step that two runs of the real istiod saw differently must be as one of them saw it;
of the names in which those runs differ only the number counts, for which of them it is, is chance there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from meshsim.errors import MeshsimError
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.push_recording import KIND, Event, RecordedStep, Seen, read_pushes
from meshsim.world.verify.push_replay import Replay
from meshsim.world.verify.tally import Tally

_ANYWHERE: Final = "NDS"
"""The type whose place among the others means nothing."""


def verify_world(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Replay one world's changes and compare what every connected proxy saw of every step."""
    outcome = WorldOutcome(name)
    tally = Tally(KIND, outcome, deviations)
    recorded = read_pushes(folder, name)
    seen: list[Seen] = []
    try:
        seen.extend(Replay(folder, name, recorded).run())
    except MeshsimError as error:
        outcome.error = str(error)
    for step, got in zip_longest(recorded.steps, seen):
        for proxy in recorded.connected:
            found = list(step_mismatches(step, proxy, got)) if got is not None else [Mismatch("", "replayed", None)]
            tally.add(proxy, step.name, "", found)
    return outcome


def step_mismatches(step: RecordedStep, proxy: str, got: Seen) -> list[Mismatch]:
    """Where what one proxy saw of a step in the model differs from the recording, from the nearer of two runs."""
    events = got.get(proxy, ())
    found = list(_mismatches(step.seen.get(proxy, ()), events, frozenset()))
    if step.seen_again is not None:
        chance = _chance(step.seen, step.seen_again)
        runs = [list(_mismatches(run.get(proxy, ()), events, chance)) for run in (step.seen, step.seen_again)]
        found = min(found, *runs, key=len)
    return found


def _mismatches(want: Sequence[Event], got: Sequence[Event], chance: frozenset[str]) -> Iterator[Mismatch]:
    """Differences of two sequences of events; `chance` are names that may stand for one another."""
    for left, right in zip(_tracks(want), _tracks(got), strict=True):
        if _order(left) != _order(right):
            yield Mismatch("order", _order(left), _order(right))
            continue
        for wanted, made in zip(left, right, strict=True):
            for role, names in wanted.names.items():
                others = made.names[role]
                if names != others and (len(names) != len(others) or not {*names} ^ {*others} <= chance):
                    yield Mismatch(f"{wanted.type.lower()}/{role}", _shown(names, others), _shown(others, names))


def _chance(one: Seen, other: Seen) -> frozenset[str]:
    """Names in which two runs of the real thing differ, whoever saw them."""
    found: set[str] = set()
    for proxy in {**one, **other}:
        for left, right in zip(_tracks(one.get(proxy, ())), _tracks(other.get(proxy, ())), strict=True):
            if _order(left) == _order(right):
                for first, second in zip(left, right, strict=True):
                    for role, names in first.names.items():
                        found.update({*names} ^ {*second.names[role]})
    return frozenset(found)


def _tracks(events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """The events whose order means something, and those that may stand anywhere between them."""
    return [e for e in events if e.type != _ANYWHERE], [e for e in events if e.type == _ANYWHERE]


def _order(events: Sequence[Event]) -> str:
    """The sequence of types; a question mark stands where the client asked."""
    return " ".join(f"{e.type}?" if e.asks else e.type for e in events) or "nothing"


def _shown(own: Sequence[str], other: Sequence[str]) -> str:
    """A list of names as a difference shows it: how many, and those that the other side has not."""
    more = [name for name in own if name not in other]
    return f"{len(own)} names" + (f", among them {', '.join(more)}" if more else "")
