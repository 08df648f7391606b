"""What must be known of a YAML text before it is composed: how deep it nests, and how far its aliases expand.

Composing recurses, in C too, where 30,000 levels end the process; aliases are kept by reference while loading and
expand only when somebody walks the value. Both are cheap to refuse beforehand, so no later stage has to be careful.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import yaml

MAX_DEPTH: Final = 100
"""Deepest nesting of mappings and lists that is read; real manifests stay below 20."""
MAX_ALIASED_NODES: Final = 100_000
"""Most nodes that aliases may add to a document."""

_INDENT: Final = re.compile(r"^[ \-?]*", re.MULTILINE)
_ANCHOR: Final = re.compile(r"(?:^|[\s,\[{])&[^\s,\[\]{}]", re.MULTILINE)


_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"
_DEEP_HINT: Final = "no Kubernetes object needs that; is this file a manifest?"
_BOMB_HINT: Final = "a document that grows like this is refused unread"


class Refusal(NamedTuple):
    """Why a text is not composed; `line` and `column` count from 0 in the text."""

    message: str
    hint: str
    line: int
    column: int


def refuse(text: str) -> Refusal | None:
    """The reason not to compose a document's text, ``None`` when it is harmless or not even YAML.

    Most documents are cleared by counting brackets and indentation; only the rest is read as events, which does not
    recurse.
    """
    indent = max(len(found) for found in _INDENT.findall(text))
    # One column can open two levels at most: a list may stand in the same column as the key that holds it.
    bound = 2 * (indent + 1) + text.count("[") + text.count("{")
    if bound <= MAX_DEPTH and not _ANCHOR.search(text):
        return None
    try:
        return _scan(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if mark is not None and "maximum nesting depth" in str(error):  # libyaml's own limit, met while it looks ahead
            return Refusal(_DEEP, _DEEP_HINT, mark.line, mark.column)
        return None  # composing will fail at the same place and say why


class _Open:
    """A collection whose end has not been met: its anchor and the nodes below it so far, aliases expanded."""

    __slots__ = ("anchor", "nodes")

    def __init__(self, anchor: str | None) -> None:
        self.anchor = anchor
        self.nodes = 1


def _scan(text: str) -> Refusal | None:
    stack: list[_Open] = [_Open(None)]
    sizes: dict[str, int] = {}
    aliased = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            if len(stack) > MAX_DEPTH:
                return _refusal(event, _DEEP, _DEEP_HINT)
            stack.append(_Open(event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            stack[-1].nodes += done.nodes
            if done.anchor:
                sizes[done.anchor] = done.nodes
        elif isinstance(event, yaml.ScalarEvent):
            stack[-1].nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if any(opened.anchor == event.anchor for opened in stack):
                return _refusal(event, f"the anchor '&{event.anchor}' contains itself", "write the value out")
            size = sizes.get(event.anchor or "", 1)
            stack[-1].nodes += size
            aliased += size
            if aliased > MAX_ALIASED_NODES:
                message = f"the aliases of this document expand to more than {MAX_ALIASED_NODES:,} values"
                return _refusal(event, message, _BOMB_HINT)
    return None


def _refusal(event: yaml.Event, message: str, hint: str) -> Refusal:
    mark = event.start_mark
    return Refusal(message, hint, mark.line if mark else 0, mark.column if mark else 0)
