"""One API object: its identity, its metadata, its fields, and where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from meshsim.api.fields import MAPPINGS, Fields
from meshsim.errors import Position
from meshsim.units import Nanos


class ObjectKey(NamedTuple):
    """Identity of an object in a kube; `group` tells Istio's Gateway from the Gateway API's."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The document an object was read from: positions of paths are found in its text only when asked for."""

    file: str
    line: int
    """Line in the file on which the document's text starts, from 1."""
    text: str = field(repr=False, default="")
    """The text of this document alone, re-composed when a path is asked for."""
    path: str = ""
    """Path of the object inside the document (``items[2]`` in a List, ``timeline[1].apply`` in a scenario)."""

    def position(self, path: str = "") -> Position:
        """The place of a path such as ``spec.http[0].route`` (of its nearest ancestor that exists)."""
        from meshsim.api.positions import locate

        return locate(self, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiObject:
    """A Kubernetes-style object; `body` is the whole document as written (after API-server defaults)."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    """Empty for cluster-scoped kinds."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: Nanos = 0
    """metadata.creationTimestamp in nanoseconds since 1970; in a run the simulated instant added to the epoch of it."""
    body: Mapping[str, object] = field(repr=False, default_factory=dict)
    origin: Origin | None = field(repr=False, compare=False, default=None)

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.partition("/")[0] if "/" in self.api_version else ""

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.group, self.kind, self.namespace, self.name)

    @property
    def spec(self) -> Fields:
        value = self.body.get("spec")
        return Fields(value if isinstance(value, MAPPINGS) else None, "spec")

    @property
    def status(self) -> Fields:
        value = self.body.get("status")
        return Fields(value if isinstance(value, MAPPINGS) else None, "status")

    @property
    def fields(self) -> Fields:
        """The whole document."""
        return Fields(self.body)

    @property
    def metadata(self) -> Fields:
        value = self.body.get("metadata")
        return Fields(value if isinstance(value, MAPPINGS) else None, "metadata")

    def position(self, path: str = "") -> Position | None:
        """Where a path of this object was written; ``None`` for objects made by a controller."""
        return self.origin.position(path) if self.origin else None

    def __str__(self) -> str:
        return str(self.key)
