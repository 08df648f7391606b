"""The objects of one instant, as Pilot reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from operator import is_
from typing import Final

from meshsim.api import ApiObject, ObjectKey, ObjectView

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


class Snapshot:
    """The objects of one instant, by kind; a later change of the store does not reach it."""

    def __init__(self, objects: ObjectView) -> None:
        self._by_kind: dict[str, tuple[ApiObject, ...]] = {kind: tuple(objects.select(kind)) for kind in READ_KINDS}

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


def identical(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether two sequences hold the very same objects."""
    return len(one) == len(other) and all(map(is_, one, other))
