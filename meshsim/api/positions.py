"""From a path inside a document to the line and column where it was written."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import yaml

from meshsim.api.schema.types import camel_case
from meshsim.api.yaml_loader import compose, key_text
from meshsim.errors import Position

if TYPE_CHECKING:
    from meshsim.api.objects import Origin


class Place(NamedTuple):
    """Where a path leads: the node that stands there, the mark to point at, and what of the path is left."""

    node: yaml.Node
    mark: yaml.Mark
    rest: str


def locate(origin: Origin, path: str = "") -> Position:
    """Position of a path such as ``spec.http[0].route``, or of its nearest ancestor that was written.

    Keys may contain dots (label names): the longest key that fits wins. The path counts from the object, which itself
    may stand at ``origin.path`` inside its document.
    """
    place = _find(origin, path)
    if place is None:
        return Position(origin.file, origin.line)
    return Position(origin.file, origin.line + place.mark.line, place.mark.column + 1)


def locate_value(origin: Origin, path: str = "") -> Position:
    """Position of the value at a path, where `locate` gives that of its key; of the key when the path ends earlier."""
    place = _find(origin, path)
    if place is None:
        return Position(origin.file, origin.line)
    mark = place.mark if place.rest else place.node.start_mark
    return Position(origin.file, origin.line + mark.line, mark.column + 1)


def scalar_text(origin: Origin, path: str) -> str | None:
    """The scalar at a path exactly as it was written, without quotes; ``None`` when there is none."""
    place = _find(origin, path)
    if place is None or place.rest or not isinstance(place.node, yaml.ScalarNode):
        return None
    return str(place.node.value)


def _find(origin: Origin, path: str) -> Place | None:
    root = _composed(origin.text)
    if root is None:
        return None
    full = path
    if origin.path:
        full = origin.path if not path else origin.path + ("" if path.startswith("[") else ".") + path
    node, mark, rest = root, root.start_mark, full
    while rest:
        found = _step(node, rest)
        if found is None:
            break
        node, mark, rest = found
    return Place(node, mark, rest)


def _step(node: yaml.Node, path: str) -> Place | None:
    if isinstance(node, yaml.SequenceNode):
        digits, bracket, rest = path.removeprefix("[").partition("]")
        if not path.startswith("[") or not bracket or not digits.isdigit() or int(digits) >= len(node.value):
            return None
        item = node.value[int(digits)]
        return Place(item, item.start_mark, rest.removeprefix("."))
    if not isinstance(node, yaml.MappingNode):
        return None
    best: Place | None = None
    longest = -1
    for key_node, value_node in _entries(node):
        written = key_text(key_node)
        for key in (written, camel_case(written)) if "_" in written else (written,):
            rest = path[len(key) :]
            if not path.startswith(key) or len(key) <= longest or (rest and rest[0] not in ".["):
                continue
            longest = len(key)
            best = Place(value_node, key_node.start_mark, rest.removeprefix("."))
    return best


def _entries(node: yaml.MappingNode) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The entries of a mapping, its own before those it merges with ``<<``."""
    own: list[tuple[yaml.ScalarNode, yaml.Node]] = []
    merged: list[tuple[yaml.ScalarNode, yaml.Node]] = []
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            continue
        if key_node.tag.endswith(":merge"):
            sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            for source in sources:
                if isinstance(source, yaml.MappingNode):
                    merged.extend(_entries(source))
        else:
            own.append((key_node, value_node))
    return own + merged


@lru_cache(maxsize=16)
def _composed(text: str) -> yaml.Node | None:
    try:
        return compose(text)
    except yaml.YAMLError:
        return None
