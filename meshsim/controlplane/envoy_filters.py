"""EnvoyFilters of a proxy: which patches apply to it and in which order, and how a patch is merged into a message.

istio pilot/pkg/model/envoyfilter.go, pilot/pkg/model/push_context.go (EnvoyFilters), pkg/proto/merge, release 1.31.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.json_format import ParseError
from google.protobuf.message import Message

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.policy_attachment import applies_to, selects, target_refs
from meshsim.controlplane.snapshot import identical
from meshsim.xds.packing import from_json

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy

M = TypeVar("M", bound=Message)

_MAX_VERSION_PATTERN: Final = 1024
_REPLACED: Final = frozenset({"google.protobuf.Duration"})
"""Messages that a merge replaces as a whole: 250 ms over 10 s is not 10.25 s."""


class PatchContext(Enum):
    """Where a generated object is used."""

    SIDECAR_INBOUND = "SIDECAR_INBOUND"
    SIDECAR_OUTBOUND = "SIDECAR_OUTBOUND"
    GATEWAY = "GATEWAY"


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One configPatch of an EnvoyFilter."""

    source: ApiObject
    apply_to: str
    """``CLUSTER``, ``LISTENER``, ``HTTP_FILTER`` ..."""
    context: str
    """``ANY`` or the name of a `PatchContext`."""
    match: Fields
    """EnvoyConfigObjectMatch."""
    operation: str
    filter_class: str
    value: Mapping[str, object]
    """The patch as protobuf JSON."""

    def in_context(self, context: PatchContext) -> bool:
        """Whether the patch is meant for objects of this context."""
        return self.context in ("ANY", context.value)

    def build(self, into: type[M]) -> M | None:
        """The patch as a message; fields Envoy does not have are skipped, an unreadable patch is `None`."""
        try:
            return from_json(self.value, into, ignore_unknown=True)
        except ParseError:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class PatchSet:
    """All patches of one proxy, in the order in which they are applied; shared by proxies they apply to alike."""

    by_target: Mapping[str, tuple[Patch, ...]]

    def of(self, apply_to: str) -> tuple[Patch, ...]:
        """Patches of one target kind."""
        return self.by_target.get(apply_to, ())

    def __bool__(self) -> bool:
        return bool(self.by_target)


NO_PATCHES: Final = PatchSet({})


class EnvoyFilterIndex:
    """EnvoyFilters of the mesh; patch sets are made once for each combination that applies to some proxy."""

    def __init__(self, filters: tuple[ApiObject, ...], root_namespace: str) -> None:
        self._root = root_namespace
        self._filters = filters
        self._by_namespace: dict[str, list[ApiObject]] = {}
        for item in filters:
            self._by_namespace.setdefault(item.namespace, []).append(item)
        self._patches: dict[int, tuple[Patch, ...]] = {id(item): tuple(_patches(item)) for item in filters}
        self._sets: dict[tuple[int, ...], PatchSet] = {}

    def is_made_of(self, root_namespace: str, filters: tuple[ApiObject, ...]) -> bool:
        """Whether it was made from these very objects."""
        return root_namespace == self._root and identical(filters, self._filters)

    def for_proxy(self, proxy: Proxy) -> PatchSet:
        """The patches that apply to a proxy: by priority, the root namespace first, then by age."""
        names = (self._root,) if proxy.namespace == self._root else (self._root, proxy.namespace)
        found = [item for name in names for item in self._by_namespace.get(name, ()) if _attaches(item, proxy)]
        if not found:
            return NO_PATCHES
        found.sort(key=self._order)
        chosen = [p for item in found for p in self._patches[id(item)] if _matches_proxy(p, proxy)]
        key = tuple(id(patch) for patch in chosen)
        known = self._sets.get(key)
        if known is None:
            by_target: dict[str, list[Patch]] = {}
            for patch in chosen:
                by_target.setdefault(patch.apply_to, []).append(patch)
            known = PatchSet({target: tuple(items) for target, items in by_target.items()})
            self._sets[key] = known
        return known

    def _order(self, item: ApiObject) -> tuple[int, bool, int, str]:
        return (
            item.spec.integer("priority"),
            item.namespace != self._root,
            item.created,
            f"{item.name}.{item.namespace}",
        )


def _attaches(item: ApiObject, proxy: Proxy) -> bool:
    """By targetRefs on gateways of the Gateway API, else by the workload selector."""
    if target_refs(item):
        return applies_to(item, proxy.namespace, proxy.labels)
    return selects(item.spec.fields("workloadSelector").text_map("labels"), proxy.labels)


def _patches(item: ApiObject) -> list[Patch]:
    found = []
    for config in item.spec.items("configPatches"):
        if "patch" not in config:
            continue
        match, patch = config.fields("match"), config.fields("patch")
        found.append(
            Patch(
                source=item,
                apply_to=config.text("applyTo"),
                context=match.text("context", "ANY"),
                match=match,
                operation=patch.text("operation"),
                filter_class=patch.text("filterClass"),
                value=patch.fields("value").body,
            )
        )
    return found


def _matches_proxy(patch: Patch, proxy: Proxy) -> bool:
    """Version pattern and metadata of a match against the node the proxy sent."""
    wanted = patch.match.fields("proxy")
    pattern = wanted.text("proxyVersion")
    if pattern:
        if len(pattern) > _MAX_VERSION_PATTERN:
            return False
        try:
            if re.search(pattern, proxy.metadata.text("ISTIO_VERSION")) is None:
                return False
        except re.error:
            return False
    return all(proxy.metadata.text(key) == value for key, value in wanted.text_map("metadata").items())


def merge_into(target: Message, patch: Message, *, replace_lists: bool = False) -> None:
    """Merge as Istio does: lists are appended (or replaced), messages merged field by field, durations replaced."""
    for field, value in patch.ListFields():
        if field.is_repeated:
            if replace_lists and not isinstance(value, Mapping):
                target.ClearField(field.name)
            _merge_repeated(target, field.name, value)
        elif field.message_type is None:
            setattr(target, field.name, value)
        elif field.message_type.full_name in _REPLACED:
            getattr(target, field.name).CopyFrom(value)
        else:
            inner = getattr(target, field.name)
            inner.SetInParent()
            merge_into(inner, value, replace_lists=replace_lists)


def _merge_repeated(target: Message, name: str, value: object) -> None:
    inner = getattr(target, name)
    if not isinstance(value, Mapping):
        inner.extend(value)
        return
    for key, item in value.items():
        if isinstance(item, Message):
            inner[key].CopyFrom(item)
        else:
            inner[key] = item
