"""YAML as a person would write it: short mappings on one line, and a comment wherever a value says where it is from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = "str | int | float | bool | Mapping[str, Value] | Sequence[Value] | Noted"

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9._/-]*(?::[0-9]+)?\Z")
_NUMBER_WITH_UNIT: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[A-Za-z]+(?:[0-9.]+[A-Za-z]+)*|%|/[a-z]+)\Z")
_NOT_TEXT: Final = re.compile(
    r"(?:true|false|yes|no|on|off|y|n|null|nan|inf|[0-9.]+e[0-9]+|0[xob][0-9a-f]+)\Z", re.IGNORECASE
)
_WIDTH: Final = 110


@dataclass(frozen=True, slots=True)
class Noted:
    """A value with a comment: behind a scalar, above anything else."""

    value: Value
    note: str


def dump(document: Mapping[str, Value]) -> str:
    """The text of one document; what it reads back as is the document without its notes."""
    lines: list[str] = []
    for key, item in document.items():
        entry = list(_mapping({key: item}, ""))
        if lines and len(entry) > 2 and isinstance(item, Sequence):
            lines.append("")
        lines.extend(entry)
    return "".join(f"{line}\n" for line in lines)


def scalar(value: str | int | float | bool) -> str:
    """A scalar, in quotes where YAML would read something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    plain = _PLAIN.match(value) or _NUMBER_WITH_UNIT.match(value)
    return value if plain and not _NOT_TEXT.match(value) else json.dumps(value, ensure_ascii=False)


def _mapping(value: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{scalar(key)}:", item, indent)


def _entry(head: str, item: Value, indent: str) -> Iterator[str]:
    """A key (or dash) with its value: on its line where that fits, else below."""
    item, note = _apart(item)
    flow = _flow(item)
    fits = flow is not None and len(head) + len(flow) < _WIDTH
    if flow is not None and (fits or not item or not isinstance(item, Mapping | list | tuple)):
        if not note:
            yield f"{head} {flow}"
        elif len(head) + len(flow) + len(note) < _WIDTH + 10:
            yield f"{head} {flow}  # {note}"
        else:
            yield from _above(note, indent)
            yield f"{head} {flow}"
        return
    if note:
        yield from _above(note, indent)
    yield head
    inner = indent + "  "
    if isinstance(item, Mapping):
        yield from _mapping(item, inner)
    elif flow is not None:
        yield from _filled(flow, inner)
    elif isinstance(item, Sequence) and not isinstance(item, str):
        for one in item:
            yield from _item(one, inner)


def _filled(flow: str, indent: str) -> Iterator[str]:
    """A list of scalars that is too long for one line."""
    line = ""
    for part in flow.split(", "):
        if line and len(indent) + len(line) + len(part) > _WIDTH:
            yield f"{indent}{line}"
            line = " "
        line = f"{line} {part}," if line.strip() else f"{line}{part},"
    yield f"{indent}{line.removesuffix(',')}"


def _apart(value: Value) -> tuple[Value, str]:
    """A value and its note."""
    return (value.value, value.note) if isinstance(value, Noted) else (value, "")


def _above(note: str, indent: str) -> Iterator[str]:
    """A comment on lines of its own."""
    line = ""
    for word in note.split():
        if line and len(indent) + len(line) + len(word) > _WIDTH:
            yield f"{indent}# {line}"
            line = ""
        line = f"{line} {word}" if line else word
    yield f"{indent}# {line}"


def _item(one: Value, indent: str) -> Iterator[str]:
    """An entry of a list: the first key of a mapping stands behind the dash."""
    one, note = _apart(one)
    flow = _flow(one)
    if not isinstance(one, Mapping) or not one or (flow is not None and len(indent) + len(flow) + 1 < _WIDTH):
        yield from _entry(f"{indent}-", Noted(one, note) if note else one, indent)
        return
    if note:
        yield from _above(note, indent)
    dash = True
    for line in _mapping(one, indent + "  "):
        if dash and not line.lstrip().startswith("#"):
            line, dash = f"{indent}- {line[len(indent) + 2 :]}", False
        yield line


def _flow(value: Value) -> str | None:
    """The value on one line; ``None`` where it is too deep, too long or has a note inside."""
    if isinstance(value, Noted):
        return None
    if isinstance(value, Mapping):
        parts = [(scalar(key), _flow(item)) for key, item in value.items()]
        deep = any(isinstance(item, Mapping) and len(item) > 1 for item in value.values())
        if deep or any(text is None for _, text in parts):
            return None
        return "{" + ", ".join(f"{key}: {text}" for key, text in parts) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = [_flow(item) for item in value]
        if any(isinstance(item, Mapping) for item in value) or any(text is None for text in texts):
            return "[]" if not value else None
        return "[" + ", ".join(text for text in texts if text is not None) + "]"
    return scalar(value)
