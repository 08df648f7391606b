"""What Pilot pushes when a cluster changes, against what the real istiod pushed: step by step and proxy by proxy.

Equal means the same responses and questions in the same order with the same names. NDS against the rest is a race of
the recording and means nothing: istiod leaves the order of the types after RDS to the iteration of a map (istio
pilot/pkg/xds/ads.go PushOrder). A step that two runs of the real istiod saw differently must be as one of them saw it.
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
from meshsim.world.verify.push_leftovers import Leftovers
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
    leftovers = {proxy: Leftovers() for proxy in recorded.connected}
    for step, got in zip_longest(recorded.steps, seen):
        for proxy, left in leftovers.items():
            found = step_mismatches(step, proxy, got, left) if got is not None else [Mismatch("", "replayed", None)]
            tally.add(proxy, step.name, "", found)
    return outcome


def step_mismatches(step: RecordedStep, proxy: str, got: Seen, leftovers: Leftovers) -> list[Mismatch]:
    """Where what one proxy saw of a step in the model differs from the recording, from the nearer of two runs.

    `leftovers` are the proxy's from the steps before.
    """
    runs = [run.get(proxy, ()) for run in (step.seen, step.seen_again) if run is not None]
    for events in runs:
        leftovers.lose(events)
    found = min((list(_mismatches(events, got.get(proxy, ()), leftovers)) for events in runs), key=len)
    for events in runs:
        leftovers.regain(events)
    return found


def _mismatches(want: Sequence[Event], got: Sequence[Event], leftovers: Leftovers) -> Iterator[Mismatch]:
    for left, right in zip(_tracks(want), _tracks(got), strict=True):
        if _order(left) != _order(right):
            yield Mismatch("order", _order(left), _order(right))
            continue
        for wanted, made in zip(left, right, strict=True):
            for role, names in wanted.names.items():
                others = made.names[role]
                if names != others and not leftovers.alike(names, others):
                    yield Mismatch(f"{wanted.type.lower()}/{role}", _shown(names, others), _shown(others, names))


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
