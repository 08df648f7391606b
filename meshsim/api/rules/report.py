"""What the rules have to say about one object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from meshsim.api.schema.reading import Problem


class Remark(NamedTuple):
    """Something accepted that deserves a word: a warning of the webhook."""

    path: str
    message: str
    hint: str = ""


class Report:
    """Collects refusals and remarks; `name`, `namespace` and `labels` are the object's own."""

    __slots__ = ("labels", "name", "namespace", "problems", "remarks")

    def __init__(self, name: str, namespace: str, labels: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.namespace = namespace
        self.labels = labels or {}
        self.problems: list[Problem] = []
        self.remarks: list[Remark] = []

    def refuse(self, path: str, message: str, hint: str = "") -> None:
        """The value at `path` is not allowed."""
        self.problems.append(Problem(path, message, hint))

    def refuse_if(self, reason: str | None, path: str) -> None:
        """Refuse for a reason, if there is one."""
        if reason is not None:
            self.problems.append(Problem(path, reason))

    def warn(self, path: str, message: str, hint: str = "") -> None:
        """The value at `path` is allowed and probably not meant."""
        self.remarks.append(Remark(path, message, hint))
