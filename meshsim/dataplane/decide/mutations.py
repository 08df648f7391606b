"""Header mutations of routes and filters, and the values they are built from.

Rules: Envoy source/common/router/header_parser.cc and source/common/formatter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from meshsim.dataplane.decide.commands import COMMANDS, WITH_PARAMETERS
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import base_pb2


class Append(Enum):
    """What happens when the header exists already (HeaderValueOption.HeaderAppendAction)."""

    APPEND_IF_EXISTS_OR_ADD = 0
    ADD_IF_ABSENT = 1
    OVERWRITE_IF_EXISTS_OR_ADD = 2
    OVERWRITE_IF_EXISTS = 3


class HeaderOption(NamedTuple):
    """A header to set."""

    name: str
    value: str
    append: Append
    keep_empty: bool
    formatted: bool
    """Whether the value holds ``%COMMAND%``."""


class HeaderMutations(NamedTuple):
    """Headers to set and to remove; removal comes first."""

    add: tuple[HeaderOption, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


NO_MUTATIONS: Final = HeaderMutations()
_WRITTEN: Final = re.compile(r"%%|%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%", re.DOTALL)
_COMMAND: Final = re.compile(r"%(?:(%)|([A-Z_]+)(?:\(([^)]*)\))?(?::(\d+))?%)")


def decode_mutations(add: Sequence[base_pb2.HeaderValueOption], remove: Sequence[str]) -> HeaderMutations:
    """Headers to add and remove; raises `ResourceRejectedError` for what Envoy does not let anyone touch."""
    if not add and not remove:
        return NO_MUTATIONS
    options = tuple(decode_header_option(o) for o in add)
    names = tuple(n.lower() for n in remove)
    for name in names:
        if name.startswith(":") or name == "host":
            raise ResourceRejectedError(":-prefixed or host headers may not be removed")
    return HeaderMutations(options, names)


def decode_header_option(message: base_pb2.HeaderValueOption) -> HeaderOption:
    """A HeaderValueOption."""
    header = message.header
    name = header.key.lower()
    if not name:
        raise ResourceRejectedError("HeaderValueValidationError.Key: value length must be at least 1")
    if name.startswith(":") or name == "host":
        raise ResourceRejectedError(":-prefixed or host headers may not be modified")
    if message.HasField("append"):
        append = Append.APPEND_IF_EXISTS_OR_ADD if message.append.value else Append.OVERWRITE_IF_EXISTS_OR_ADD
    else:
        append = Append(message.append_action)
    value = header.value or header.raw_value.decode("latin-1")
    check_format(value)
    return HeaderOption(name, value, append, message.keep_empty_value, "%" in value)


def apply_mutations(headers: HeaderMap, mutations: HeaderMutations, format_value: Callable[[str], str]) -> None:
    """Change headers in place: removals, then what overwrites, then what is added.

    All values are made from the headers as they came, before any is set; an empty one is dropped unless it is to be
    kept.
    """
    for name in mutations.remove:
        headers.remove(name)
    overwrites: list[tuple[str, str]] = []
    additions: list[tuple[str, str]] = []
    for option in mutations.add:
        value = format_value(option.value) if option.formatted else option.value
        if not value and not option.keep_empty:
            continue
        present = option.name in headers
        if option.append is Append.APPEND_IF_EXISTS_OR_ADD or (option.append is Append.ADD_IF_ABSENT and not present):
            additions.append((option.name, value))
        elif option.append is Append.OVERWRITE_IF_EXISTS_OR_ADD or (
            option.append is Append.OVERWRITE_IF_EXISTS and present
        ):
            overwrites.append((option.name, value))
    for name, value in overwrites:
        headers.set(name, value)
    for name, value in additions:
        headers.add(name, value)


def check_format(text: str) -> None:
    """Raise `ResourceRejectedError` for a text whose commands Envoy cannot read (substitution_formatter.cc, parse)."""
    position = text.find("%")
    while position >= 0:
        found = _WRITTEN.match(text, position)
        if found is None:
            raise ResourceRejectedError(
                f"Incorrect configuration: {text}. Couldn't find valid command at position {position}"
            )
        if found.group(1) and found.group(1) not in COMMANDS:
            raise ResourceRejectedError(f"Not supported field in StreamInfo: {found.group(1)}")
        if found.group(1) in WITH_PARAMETERS and not found.group(2):
            raise ResourceRejectedError(f"{found.group(1)} requires parameters")
        position = text.find("%", found.end())


def format_text(text: str, lookup: Callable[[str, str], str | None]) -> str:
    """Substitute every ``%COMMAND(argument):length%``; what has no value is empty, ``%%`` is a percent sign."""

    def replace(found: re.Match[str]) -> str:
        percent, command, argument, length = found.groups()
        if percent:
            return "%"
        value = lookup(command, argument or "") or ""
        return value[: int(length)] if length else value

    return _COMMAND.sub(replace, text)
