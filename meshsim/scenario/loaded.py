"""A scenario with everything it names: objects read, times resolved, positions kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from meshsim.api import ApiObject, ObjectKey, Origin, locate
from meshsim.errors import Finding, Position
from meshsim.scenario.instants import Anchors
from meshsim.scenario.model import Scenario
from meshsim.scenario.timeline import ObjectReference, TimelineEntry
from meshsim.units import Nanos


class TimedAction(NamedTuple):
    """A timeline entry at its place in time."""

    entry: TimelineEntry
    at: Nanos
    until: Nanos | None
    """When it is undone, `None` when it stays."""
    objects: tuple[ApiObject, ...]
    """What `apply` creates or replaces, or what `delete` names by file."""
    references: tuple[ObjectReference, ...]
    """What `delete` names by kind and name."""
    position: Position

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def detail(self) -> str:
        """What it does, in a few words: `apply VirtualService default/reviews`."""
        return f"{self.entry.verb} {_detail(self)}".strip()


def _detail(action: TimedAction) -> str:
    entry = action.entry
    if entry.verb in ("apply", "delete"):
        names = [str(item.key) for item in action.objects]
        names += [f"{ref.kind} {ref.namespace}/{ref.name}" for ref in action.references]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more" if names else ""
    if entry.scale is not None:
        return f"{entry.scale.subject} to {entry.scale.replicas}"
    if entry.restart is not None:
        return entry.restart.subject
    if entry.kill is not None:
        return entry.kill.subject
    link = entry.partition or entry.delay
    return f"{link.between[0].subject} from {link.between[1].subject}" if link is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """What a run is made of; nothing of it refers to the file system any more."""

    scenario: Scenario
    origin: Origin
    """The scenario's document, for positions."""
    document: object = field(repr=False)
    """The document as read, for variants of it."""
    objects: tuple[ApiObject, ...] = field(repr=False)
    """`resources`, in the order written; of an object defined twice the last counts."""
    actions: tuple[TimedAction, ...]
    """The timeline, by time; actions of one instant in the order of the file."""
    anchors: Anchors
    findings: tuple[Finding, ...] = ()
    """What there is to say about it that is no error."""

    @property
    def name(self) -> str:
        return self.scenario.name

    @property
    def file(self) -> str:
        """The scenario file as it was named."""
        return self.origin.file

    def position(self, path: str) -> Position:
        """Where a path of the scenario file stands, such as ``expect[2].latency``."""
        return locate(self.origin, path)

    def digest(self) -> str:
        """A hash of everything the scenario means: its document and all objects it names."""
        content: dict[str, object] = {
            "scenario": self.document,
            "objects": [_content(item) for item in self.objects],
            "actions": [[_content(item) for item in action.objects] for action in self.actions],
        }
        columns = {traffic.name: traffic.columns for traffic in self.scenario.traffic if traffic.columns}
        if columns:
            content["columns"] = columns
        text = json.dumps(content, sort_keys=True, default=str, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def all_objects(self) -> Iterable[ApiObject]:
        """Every object that exists at some time: the resources and what the timeline applies."""
        yield from self.objects
        for action in self.actions:
            if action.entry.verb == "apply":
                yield from action.objects

    def keys(self) -> frozenset[ObjectKey]:
        """Keys of all objects that exist at some time."""
        return frozenset(item.key for item in self.all_objects())


def _content(item: ApiObject) -> object:
    return {**item.body, "namespace": item.namespace}
