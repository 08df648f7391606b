"""The types a field can have. Each reads a raw YAML value into the value the API server would store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Final, NamedTuple, Protocol

from meshsim.api.schema.reading import Family, Path, Reading, kind_of, path_text

ABSENT: Final = object()
"""Default of a field that has none."""


class Type(Protocol):
    """Reads a value; problems go to the reading, and the value comes back as it is then."""

    def read(self, value: object, path: Path, reading: Reading) -> object: ...


class Bounds(NamedTuple):
    """Least and greatest number, or length; ``None`` is open."""

    least: float | None = None
    most: float | None = None

    def refuse(self, size: float) -> str | None:
        """Why a size is outside, as the end of a sentence."""
        if self.least is not None and size < self.least:
            return f"at least {self.least:g}"
        if self.most is not None and size > self.most:
            return f"at most {self.most:g}"
        return None


ANY_SIZE: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number or boolean. `check` gives the value to store or raises ``ValueError`` with what is expected."""

    check: Callable[[object], object]
    bounds: Bounds = ANY_SIZE

    def read(self, value: object, path: Path, reading: Reading) -> object:
        try:
            value = self.check(value)
        except ValueError as error:
            reading.problem(path, f"{error}, this is {describe(value)}")
            return value
        if self.bounds is not ANY_SIZE:
            size = len(value) if isinstance(value, str) else value
            refused = self.bounds.refuse(size) if isinstance(size, int | float) else None
            if refused:
                unit = " characters long" if isinstance(value, str) else ""
                shown = len(value) if isinstance(value, str) else value
                reading.problem(
                    path, f"must be {refused}{unit}, this is {shown}" if value != "" else "must not be empty"
                )
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed list of words."""

    words: tuple[str, ...]

    def read(self, value: object, path: Path, reading: Reading) -> object:
        if not isinstance(value, str) or value not in self.words:
            close = get_close_matches(str(value), self.words, 1) or [
                word for word in self.words if word.lower() == str(value).lower()
            ]
            hint = f"did you mean '{close[0]}'?" if close else "one of " + ", ".join(w for w in self.words if w)
            reading.problem(path, f"{describe(value)} is not a choice here", hint)
        return value


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; with `unique`, no two items may agree in these fields (in everything when it is empty)."""

    item: Type
    bounds: Bounds = ANY_SIZE
    unique: tuple[str, ...] | None = None

    def read(self, value: object, path: Path, reading: Reading) -> object:
        if not isinstance(value, list | tuple):
            hint = "write it as a list: - ..." if value is not None else ""
            reading.problem(path, f"must be a list, this is {describe(value)}", hint)
            return value
        read = self.item.read
        items: list[object] = []
        for index, item in enumerate(value):
            if item is None:
                reading.problem((path, index), "must not be null")
                continue
            items.append(read(item, (path, index), reading))
        refused = self.bounds.refuse(len(value))
        if refused:
            reading.problem(path, f"must have {refused} item(s), this has {len(value)}")
        if self.unique is not None:
            self._report_repeated(items, path, reading)
        return items

    def _report_repeated(self, items: list[object], path: Path, reading: Reading) -> None:
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            key: object = item
            if self.unique and isinstance(item, Mapping):
                key = {name: item.get(name) for name in self.unique}
            first = seen.setdefault(repr(key), index)
            if first != index:
                shown = ", ".join(f"{k} {v}" for k, v in key.items()) if isinstance(key, dict) else repr(key)
                reading.problem((path, index), f"repeats item [{first}] ({shown})")


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from free keys (of a scalar type, if given) to values of one type."""

    item: Type
    bounds: Bounds = ANY_SIZE
    keys: Scalar | None = None

    def read(self, value: object, path: Path, reading: Reading) -> object:
        if not isinstance(value, Mapping):
            reading.problem(path, f"must be a mapping, this is {describe(value)}")
            return value
        read = self.item.read
        items: dict[str, object] = {}
        for key, item in value.items():
            if self.keys is not None:
                self.keys.read(key, (path, key), reading)
            if item is None:
                if reading.family is not Family.BUILT_IN:
                    reading.problem((path, key), "must not be null", 'write "" for an empty text')
                continue
            items[key] = read(item, (path, key), reading)
        refused = self.bounds.refuse(len(value))
        if refused:
            reading.problem(path, f"must have {refused} entry(s), this has {len(value)}")
        return items


class Count(Enum):
    """How many fields of a group may be given."""

    AT_MOST_ONE = "<=1"
    EXACTLY_ONE = "=1"
    AT_LEAST_ONE = ">=1"


class Group(NamedTuple):
    """Fields of which a certain number may be given together (protobuf oneof, CRD oneOf)."""

    limit: Count
    names: tuple[str, ...]


class Field(NamedTuple):
    """One field of a message."""

    name: str
    type: Type
    required: bool = False
    nullable: bool = False
    default: object = ABSENT


@dataclass(slots=True, eq=False)
class Message:
    """A mapping with known fields. Mutable only while its notation is read (types refer to each other in cycles)."""

    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def read(self, value: object, path: Path, reading: Reading) -> object:
        if not isinstance(value, Mapping):
            reading.problem(path, f"must be a mapping, this is {describe(value)}")
            return value
        out: dict[str, object] = {}
        for key, item in value.items():
            known = self.fields.get(key) or self._renamed(key, path, reading)
            if known is None:
                self._report_unknown(key, path, reading)
            elif item is not None:
                out[known.name] = known.type.read(item, (path, key), reading)
            elif not known.nullable and reading.family is not Family.BUILT_IN and known.default is ABSENT:
                reading.problem((path, key), "must not be null", "leave the field out")
        for known in self.fields.values():
            if known.name in out:
                continue
            if known.default is not ABSENT:
                out[known.name] = known.type.read(known.default, (path, known.name), reading)
            elif known.required and value.get(known.name) is None:
                reading.problem((path, known.name), f"the field '{known.name}' is required")
        for group in self.groups:
            self._check_group(group, out, path, reading)
        return out

    def _renamed(self, key: str, path: Path, reading: Reading) -> Field | None:
        """The field of a snake_case name, which protobuf JSON takes beside the usual one."""
        if reading.family is not Family.PROTOBUF or "_" not in key:
            return None
        known = self.fields.get(camel_case(key))
        if known is not None:
            reading.renamed.append((path_text((path, key)), known.name))
        return known

    def _report_unknown(self, key: str, path: Path, reading: Reading) -> None:
        close = get_close_matches(key, self.fields, 1, 0.6) or [n for n in self.fields if n.lower() == key.lower()]
        hint = f"did you mean '{close[0]}'?" if close else "known here: " + _some(self.fields)
        reading.problem((path, key), f"unknown field '{path_text((path, key))}'", hint)

    def _check_group(self, group: Group, out: Mapping[str, object], path: Path, reading: Reading) -> None:
        given = [name for name in group.names if name in out]
        names = ", ".join(group.names)
        if len(given) > 1 and group.limit is not Count.AT_LEAST_ONE:
            reading.problem(
                (path, given[1]), f"'{given[0]}' and '{given[1]}' exclude each other", f"only one of {names}"
            )
        elif not given and group.limit is not Count.AT_MOST_ONE:
            reading.problem(path, f"one of {names} is required")


@dataclass(frozen=True, slots=True)
class AsBuiltIn:
    """A part that Kubernetes itself reads in every kind: metadata, where ``creationTimestamp: null`` is common."""

    inner: Type

    def read(self, value: object, path: Path, reading: Reading) -> object:
        before, reading.family = reading.family, Family.BUILT_IN
        try:
            return self.inner.read(value, path, reading)
        finally:
            reading.family = before


def camel_case(name: str) -> str:
    """The JSON name protobuf derives from a snake_case field name."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def describe(value: object) -> str:
    """A value for a message: short ones are shown."""
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return kind_of(value)


def _some(names: Mapping[str, Field], most: int = 12) -> str:
    listed = sorted(names)
    return ", ".join(listed[:most]) + (", ..." if len(listed) > most else "") if listed else "nothing"
