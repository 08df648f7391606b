"""The notation of the field tables, read into `Message` types.

::

    Destination                      # a message; "EphemeralContainer: Container" starts with another's fields
      host!: text(1..)               # required; a text of at least one character
      subset: text
      port: PortSelector             # another message
      tls tcp: [Route](..16)         # two fields of one type: a list of at most 16
      labels: {text}                 # a mapping with free keys
      ports: {Tls}(1..) keys portname  # at least one entry, the keys being of a scalar type
      mode: <SIMPLE MUTUAL>          # a choice of words
      ports: [Port] unique(number)   # no two items with the same number; unique() compares whole items
      weight?: int32 = 1             # null allowed; a default (JSON)
      =1 exact prefix regex          # exactly one of these; also <=1 and >=1

Names start with a small letter for scalars (`meshsim.api.schema.scalars`) and a capital one for messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from meshsim.api.schema.scalars import SCALARS
from meshsim.api.schema.types import (
    ABSENT,
    ANY_SIZE,
    Bounds,
    Choice,
    Count,
    Field,
    Group,
    ListOf,
    MapOf,
    Message,
    Scalar,
    Type,
)

_HEADER: Final = re.compile(r"(\w+)(?:: (\w+))?\Z")
_GROUP: Final = re.compile(r"\s+(<=1|=1|>=1) (.+)\Z")
_FIELD: Final = re.compile(r"\s+([^:]+): (.*?)(?: = (.+))?\Z")
_BOUNDS: Final = re.compile(r"\((-?[\d.]*?)\.\.(-?[\d.]*)\)")
_KEYS: Final = re.compile(r" keys (\w+)")
_UNIQUE: Final = re.compile(r" unique\(([\w ]*)\)")


def parse_table(text: str, known: Mapping[str, Message] | None = None) -> dict[str, Message]:
    """The messages of a table; they may refer to `known` ones. Raises ``ValueError`` on a table that is wrong."""
    messages: dict[str, Message] = {}
    lines = [line.split("#")[0].rstrip() for line in text.splitlines()]
    for line in lines:
        if line and not line.startswith(" "):
            name = _matched(_HEADER, line).group(1)
            if name in messages:
                raise ValueError(f"the message {name} is described twice")
            messages[name] = Message(name)
    scope = {**(known or {}), **messages}
    current: Message | None = None
    for line in lines:
        if not line:
            continue
        if not line.startswith(" "):
            header = _matched(_HEADER, line)
            current = messages[header.group(1)]
            if header.group(2):
                current.fields.update(scope[header.group(2)].fields)
                current.groups.extend(scope[header.group(2)].groups)
        elif current is None:
            raise ValueError(f"a field outside a message: {line}")
        else:
            _add_line(current, line, scope)
    _check_groups(messages)
    return messages


def _matched(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    found = pattern.match(line)
    if found is None:
        raise ValueError(f"not in the notation of field tables: {line!r}")
    return found


def _add_line(message: Message, line: str, scope: Mapping[str, Message]) -> None:
    group = _GROUP.match(line)
    if group:
        message.groups.append(Group(Count(group.group(1)), tuple(group.group(2).split())))
        return
    found = _matched(_FIELD, line)
    field_type = _TypeReader(found.group(2), scope).read_all()
    default: object = json.loads(found.group(3)) if found.group(3) else ABSENT
    for written in found.group(1).split():
        name = written.rstrip("!?")
        message.fields[name] = Field(name, field_type, "!" in written, "?" in written, default)


def _check_groups(messages: Mapping[str, Message]) -> None:
    for message in messages.values():
        for group in message.groups:
            strange = [name for name in group.names if name not in message.fields]
            if strange:
                raise ValueError(f"{message.name} groups fields it does not have: {strange}")


class _TypeReader:
    """Recursive descent over one type expression."""

    def __init__(self, text: str, scope: Mapping[str, Message]) -> None:
        self.text = text.strip()
        self.scope = scope
        self.at = 0

    def read_all(self) -> Type:
        found = self._type()
        if self.at != len(self.text):
            raise ValueError(f"left over in a type: {self.text[self.at :]!r} of {self.text!r}")
        return found

    def _type(self) -> Type:
        opening = self.text[self.at : self.at + 1]
        if opening in ("[", "{"):
            self.at += 1
            item = self._type()
            self._expect("]" if opening == "[" else "}")
            bounds = self._bounds()
            if opening == "{":
                return MapOf(item, bounds, self._keys())
            return ListOf(item, bounds, self._unique())
        if opening == "<":
            end = self.text.index(">", self.at)
            words = tuple("" if word == '""' else word for word in self.text[self.at + 1 : end].split())
            self.at = end + 1
            return Choice(words)
        name = _matched(re.compile(r"\w+"), self.text[self.at :]).group(0)
        self.at += len(name)
        if name[0].isupper():
            if name not in self.scope:
                raise ValueError(f"unknown message {name} in {self.text!r}")
            return self.scope[name]
        return Scalar(SCALARS[name], self._bounds())

    def _expect(self, mark: str) -> None:
        if self.text[self.at : self.at + 1] != mark:
            raise ValueError(f"expected {mark!r} at {self.at} of {self.text!r}")
        self.at += 1

    def _bounds(self) -> Bounds:
        found = _BOUNDS.match(self.text, self.at)
        if found is None:
            return ANY_SIZE
        self.at = found.end()
        least, most = found.groups()
        return Bounds(float(least) if least else None, float(most) if most else None)

    def _keys(self) -> Scalar | None:
        found = _KEYS.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return Scalar(SCALARS[found.group(1)])

    def _unique(self) -> tuple[str, ...] | None:
        found = _UNIQUE.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return tuple(found.group(1).split())
