"""State of checking one object: the problems found, and how its API family reads field names and nulls."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

Path: TypeAlias = "tuple[Path, str | int] | None"
"""A place in a document as a chain from the inside out; most places are never printed, so no text is built."""


class Family(Enum):
    """Who reads the object in a cluster; decides what field names and nulls mean."""

    BUILT_IN = "built-in"
    """Kubernetes' own kinds: a null field is a field left out."""
    PROTOBUF = "protobuf"
    """Istio's kinds: protobuf JSON also takes the original snake_case names; the CRDs refuse nulls."""
    CRD = "crd"
    """Gateway API: names as written, defaults applied, nulls refused."""


class Problem(NamedTuple):
    """One thing wrong with a value at a path."""

    path: str
    message: str
    hint: str = ""


class Reading:
    """Collects problems and remarks while one object is read."""

    __slots__ = ("family", "problems", "renamed")

    def __init__(self, family: Family) -> None:
        self.family = family
        self.problems: list[Problem] = []
        self.renamed: list[tuple[str, str]] = []
        """Fields written in snake_case: their path and the name a cluster knows them by."""

    def problem(self, path: Path, message: str, hint: str = "") -> None:
        """Note that the value at `path` is wrong."""
        self.problems.append(Problem(path_text(path), message, hint))


def path_text(path: Path) -> str:
    """A path as it is printed, such as ``spec.http[0].route``."""
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.append(key)
    text = ""
    for key in reversed(keys):
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if text else key
    return text


def kind_of(value: object) -> str:
    """What a value is, in the words of a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, dict) else "a list"
