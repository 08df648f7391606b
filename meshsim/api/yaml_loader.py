"""PyYAML configured to read scalars as Kubernetes does, in two flavours: the C parser and the pure-Python one.

Kubernetes reads manifests with sigs.k8s.io/yaml (go-yaml v2 resolution rules, then JSON): a bare ``y``, ``on`` or
``no`` is a boolean, ``0644`` an octal number, ``1e3`` a number, but ``22:22`` and ``2024-01-01`` stay text. PyYAML
follows YAML 1.1 to the letter and differs in all of these, hence own resolvers. Only composing is PyYAML's; values are
made here.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple

import yaml

_PREFIX: Final = "tag:yaml.org,2002:"
BOOLEANS: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
}
"""Bare words that Kubernetes' YAML reader takes for booleans."""
_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)\Z")
_FLOAT: Final = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_RESOLVERS: Final = (
    ("bool", re.compile("(?:" + "|".join(BOOLEANS) + r")\Z"), tuple("yYnNtTfFoO")),
    ("int", _INT, tuple("-+0123456789")),
    ("float", _FLOAT, tuple("-+0123456789.")),
    ("merge", re.compile(r"<<\Z"), ("<",)),
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ("~", "n", "N", "")),
)


class ManifestLoader(yaml.CSafeLoader):
    """The C parser (libyaml)."""


class PythonManifestLoader(yaml.SafeLoader):
    """The pure-Python parser: slower, a few more texts, better messages."""


def _configure(loader: Any) -> None:
    loader.yaml_implicit_resolvers = {}
    for name, pattern, first in _RESOLVERS:
        loader.add_implicit_resolver(_PREFIX + name, pattern, list(first))


_configure(ManifestLoader)
_configure(PythonManifestLoader)


def compose(text: str) -> yaml.Node | None:
    """The node tree of one document, ``None`` when it is empty; raises `yaml.YAMLError`."""
    try:
        return _compose(text, ManifestLoader)
    except yaml.YAMLError:
        return _compose(text, PythonManifestLoader)


def _compose(text: str, loader_class: type[ManifestLoader] | type[PythonManifestLoader]) -> yaml.Node | None:
    loader = loader_class(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def key_text(node: yaml.ScalarNode) -> str:
    """The JSON key of a scalar: its text, for booleans ``true`` or ``false``."""
    text: str = node.value
    if node.tag == _PREFIX + "bool" and text in BOOLEANS:
        return "true" if BOOLEANS[text] else "false"
    return text


class Problem(NamedTuple):
    """Something in a node tree that has no value; `line` and `column` count from 0 in the text."""

    message: str
    hint: str
    line: int
    column: int


class Values:
    """Makes plain values of a node tree, collecting every problem instead of stopping at the first."""

    def __init__(self, first_line: int = 1) -> None:
        """`first_line` is the line of the file on which the text starts, for messages."""
        self.first_line = first_line
        self.problems: list[Problem] = []
        self._made: dict[int, object] = {}

    def value(self, node: yaml.Node) -> object:
        """Text, number, boolean, ``None``, list or dictionary; aliases give the same object again."""
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        known = self._made.get(id(node))
        if known is not None:
            return known
        made: object
        if isinstance(node, yaml.SequenceNode):
            self._known_tag(node, "seq")
            made = [self.value(item) for item in node.value]
        elif isinstance(node, yaml.MappingNode):
            self._known_tag(node, "map")
            made = self._mapping(node)
        else:
            raise TypeError(f"unknown node {node!r}")
        self._made[id(node)] = made
        return made

    def _mapping(self, node: yaml.MappingNode) -> dict[str, object]:
        own: dict[str, object] = {}
        lines: dict[str, int] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _PREFIX + "merge":
                for key, value in self._merge(value_node).items():
                    merged.setdefault(key, value)
                continue
            key = self._key(key_node)
            if key in lines:
                self._problem(key_node, f"the key '{key}' is given twice", f"first in line {lines[key]}")
                continue
            lines[key] = key_node.start_mark.line + self.first_line
            own[key] = self.value(value_node)
        return {**merged, **own} if merged else own

    def _merge(self, node: yaml.Node) -> dict[str, object]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, object] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self._problem(source, "'<<' merges mappings only")
                continue
            value = self.value(source)
            for key, item in value.items() if isinstance(value, dict) else ():
                merged.setdefault(key, item)
        return merged

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(node, "a mapping key must be text")
            return ""
        value = self._scalar(node)
        if value is None:
            self._problem(node, "a mapping key must not be null")
        if isinstance(value, bool):
            # JSON keys are text, so Kubernetes makes "true" of a bare on, yes or y.
            meant = key_text(node)
            if node.value != meant:
                hint = f"put it in quotes: '{node.value}'"
                self._problem(node, f"the key {node.value} is read as the boolean {meant}", hint)
            return meant
        return str(value)

    def _scalar(self, node: yaml.ScalarNode) -> object:
        text: str = node.value
        kind = node.tag.removeprefix(_PREFIX)
        try:
            if kind in ("str", "merge"):
                return text
            if kind == "null":
                return None
            if kind == "bool":
                return BOOLEANS[text]
            if kind == "int":
                return _whole_number(text)
            if kind == "float":
                return _real_number(text)
        except (KeyError, ValueError):
            self._problem(node, f"'{text}' is not a value of the type {kind}")
            return None
        self._problem(node, f"the YAML tag '{node.tag}' is not used in manifests")
        return None

    def _known_tag(self, node: yaml.Node, kind: str) -> None:
        if node.tag != _PREFIX + kind:
            self._problem(node, f"the YAML tag '{node.tag}' is not used in manifests")

    def _problem(self, node: yaml.Node, message: str, hint: str = "") -> None:
        self.problems.append(Problem(message, hint, node.start_mark.line, node.start_mark.column))


def _whole_number(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.replace("_", "").lstrip("+-").lower()
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _real_number(text: str) -> float:
    value = float(text.replace("_", ""))
    if not math.isfinite(value):
        raise ValueError(text)
    return value
