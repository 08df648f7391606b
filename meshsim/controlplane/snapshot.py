"""The objects of one instant, as Pilot reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import compress, count
from operator import is_, is_not
from typing import Final, NamedTuple, TypeVar

from meshsim.api import ApiObject, ObjectKey, ObjectStore

T = TypeVar("T")

READ_KINDS: Final = (
    "AuthorizationPolicy",
    "BackendTLSPolicy",
    "ConfigMap",
    "DestinationRule",
    "EndpointSlice",
    "EnvoyFilter",
    "GRPCRoute",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "Ingress",
    "IngressClass",
    "ListenerSet",
    "Namespace",
    "Node",
    "PeerAuthentication",
    "Pod",
    "ProxyConfig",
    "ReferenceGrant",
    "RequestAuthentication",
    "Secret",
    "Service",
    "ServiceEntry",
    "Sidecar",
    "TCPRoute",
    "TLSRoute",
    "Telemetry",
    "TrafficExtension",
    "VirtualService",
    "WasmPlugin",
    "WorkloadEntry",
    "WorkloadGroup",
)
"""Kinds Pilot reads."""

_EVERYTHING: Final = 1 << 62
"""Longer than any list of objects."""


class Difference(NamedTuple):
    """How the objects of a kind differ from those of an earlier snapshot."""

    gone: tuple[ApiObject, ...]
    come: tuple[ApiObject, ...]
    """A changed object is among both, with its old and its new value."""


class Snapshot:
    """The objects of one instant, by kind; a later change of the store does not reach it."""

    def __init__(self, objects: ObjectStore) -> None:
        self._by_kind: dict[str, tuple[ApiObject, ...]] = {kind: objects.listed(kind) for kind in READ_KINDS}

    def listed(self, kind: str) -> tuple[ApiObject, ...]:
        """All objects of a kind, sorted by namespace and name."""
        return self._by_kind.get(kind, ())

    def kinds(self) -> tuple[str, ...]:
        """Kinds of which there may be objects."""
        return READ_KINDS

    def since(self, previous: Snapshot, kind: str) -> Difference:
        """What came and went of a kind since another snapshot."""
        now, before = self.listed(kind), previous.listed(kind)
        if now is before:
            return Difference((), ())
        start = min(_common(now, before), len(now), len(before))
        end = min(_common(reversed(now), reversed(before)), min(len(now), len(before)) - start)
        gone, come = before[start : len(before) - end], now[start : len(now) - end]
        stayed = {id(item) for item in gone} & {id(item) for item in come}
        return Difference(
            tuple(item for item in gone if id(item) not in stayed),
            tuple(item for item in come if id(item) not in stayed),
        )

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        return [
            item
            for item in self._by_kind.get(kind, ())
            if (group is None or item.group == group) and (namespace is None or item.namespace == namespace)
        ]

    def get(self, key: ObjectKey) -> ApiObject | None:
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[ObjectKey, ApiObject]:
        return {item.key: item for items in self._by_kind.values() for item in items}

    def same(self, previous: Snapshot | None, *kinds: str) -> bool:
        """Whether these kinds have the very objects they had in another snapshot."""
        return previous is not None and all(identical(self._by_kind[kind], previous._by_kind[kind]) for kind in kinds)


def _common(one: Iterable[object], other: Iterable[object]) -> int:
    """How many objects at the start of two sequences are the very same."""
    return next(compress(count(), map(is_not, one, other)), _EVERYTHING)


def identical(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two sequences hold the very same objects."""
    return one is other or (len(one) == len(other) and all(map(is_, one, other)))


def kept(previous: tuple[T, ...], current: tuple[T, ...]) -> tuple[T, ...]:
    """The current sequence, as the previous tuple where it holds the very same objects."""
    return previous if identical(previous, current) else current
