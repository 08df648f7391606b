"""The endpoints Pilot knows of each host, and which change of them asks for which push.

istio pilot/pkg/model/endpointshards.go (UpdateServiceEndpoints, endpointUpdateRequiresPush), release 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from meshsim.controlplane.model import Endpoint, Registry


class PushType(Enum):
    """What an update of endpoints asks for."""

    NONE = "none"
    INCREMENTAL = "incremental"
    """Only assignments change."""
    FULL = "full"
    """A new service, or other identities behind it: clusters change too."""


@dataclass(slots=True)
class _Shards:
    """One service's endpoints by the registry they come from."""

    endpoints: dict[Registry, tuple[Endpoint, ...]] = field(default_factory=dict)
    accounts: frozenset[str] = frozenset()
    """Identities of the last endpoints there were; losing all endpoints keeps them."""


class EndpointIndex:
    """Endpoints by host, namespace and registry."""

    def __init__(self) -> None:
        self._shards: dict[tuple[str, str], _Shards] = {}

    def update(self, hostname: str, namespace: str, registry: Registry, endpoints: Sequence[Endpoint]) -> PushType:
        """Take a registry's endpoints of a host; returns what that asks for.

        An empty list keeps the host known, so that endpoints that come back are no new service.
        """
        key = (hostname, namespace)
        held = self._shards.get(key)
        if not endpoints:
            if held is not None:
                held.endpoints.pop(registry, None)
            return PushType.INCREMENTAL
        created = held is None
        if held is None:
            held = self._shards[key] = _Shards()
        before = held.endpoints.get(registry)
        held.endpoints[registry] = tuple(endpoints)
        accounts = frozenset(e.service_account for shard in held.endpoints.values() for e in shard if e.service_account)
        other_accounts, held.accounts = accounts != held.accounts, accounts
        if created or other_accounts:
            return PushType.FULL
        return PushType.INCREMENTAL if before is None or _differ(before, endpoints) else PushType.NONE

    def delete(self, hostname: str, namespace: str, registry: Registry) -> None:
        """A registry's service is gone; with the last of them the host is forgotten."""
        held = self._shards.get((hostname, namespace))
        if held is not None:
            held.endpoints.pop(registry, None)
            if not held.endpoints:
                del self._shards[hostname, namespace]


def _differ(before: Sequence[Endpoint], now: Sequence[Endpoint]) -> bool:
    """Whether an endpoint came, went or changed; the order does not matter."""
    known = {_key(endpoint): endpoint for endpoint in before}
    found = {_key(endpoint): endpoint for endpoint in now}
    return known != found


def _key(endpoint: Endpoint) -> tuple[str, str, int]:
    return endpoint.address, endpoint.port_name, endpoint.port
