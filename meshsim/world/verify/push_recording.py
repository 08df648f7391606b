"""Reading recordings of pushes: who was connected, what was changed step by step, what every proxy saw of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshsim.api import ApiObject, Fields, make_object
from meshsim.errors import InputError, Position
from meshsim.world.verify.folder import read_recording, recorded_names

KIND: Final = "push"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a client saw or did: a delta response, or a change of what it subscribes to."""

    type: str
    """Short type name in upper case (``CDS``)."""
    asks: bool
    """Whether the client asked, rather than was sent something."""
    names: Mapping[str, tuple[str, ...]]
    """Sorted names by role: ``sent``, ``changed``, ``added``, ``removed``; of a question ``subscribe``,
    ``unsubscribe``."""


Seen = Mapping[str, tuple[Event, ...]]
"""Events in order, by proxy (``namespace/pod``)."""


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One change of the cluster and what followed from it; the first step is the connection itself."""

    name: str
    applied: tuple[ApiObject, ...]
    deleted: tuple[ApiObject, ...]
    seen: Seen
    seen_again: Seen | None
    """What a second run saw, where it was not the same."""


@dataclass(frozen=True, slots=True)
class RecordedPushes:
    """A sequence of changes to one world."""

    connected: tuple[str, ...]
    steps: tuple[RecordedStep, ...]


_ANSWER_ROLES: Final = ("sent", "changed", "added", "removed")
_QUESTION_ROLES: Final = ("subscribe", "unsubscribe")


def recorded_worlds(folder: Path) -> list[str]:
    """Names of the worlds with recorded pushes, sorted."""
    return [name for name in recorded_names(folder, KIND) if (folder / "worlds" / name).is_dir()]


def read_pushes(folder: Path, world: str) -> RecordedPushes:
    """The recording of a world; raises `InputError` for another layout."""
    body = read_recording(folder, KIND, world)
    if not isinstance(body, Mapping) or not isinstance(body.get("steps"), list):
        place = Position(str(folder / KIND / world))
        raise InputError("a recording of pushes is a JSON object with 'connected' and 'steps'", place)
    fields = Fields(body)
    return RecordedPushes(fields.texts("connected"), tuple(_step(item) for item in fields.items("steps")))


def _step(fields: Fields) -> RecordedStep:
    return RecordedStep(
        fields.text("name"),
        tuple(make_object(item.body) for item in fields.items("apply")),
        tuple(make_object(item.body) for item in fields.items("delete")),
        _seen(fields.fields("proxies")),
        _seen(fields.fields("proxies_second_run")) if "proxies_second_run" in fields else None,
    )


def _seen(fields: Fields) -> Seen:
    return {proxy: tuple(_event(item) for item in fields.items(proxy)) for proxy in sorted(fields.body)}


def _event(fields: Fields) -> Event:
    asks = "sent" not in fields
    roles: Sequence[str] = _QUESTION_ROLES if asks else _ANSWER_ROLES
    return Event(fields.text("type"), asks, {role: tuple(sorted(fields.texts(role))) for role in roles})
