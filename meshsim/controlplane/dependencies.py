"""Which change makes which type of which proxy regenerate, and how much of it.

The skip sets of istio pilot/pkg/xds/{cds,eds,lds,rds,ecds,nds}.go and the filter of proxy_dependencies.go, 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.sidecar_scope import SidecarScope
from meshsim.xds import type_urls

_CDS: Final = type_urls.CLUSTER
_EDS: Final = type_urls.ENDPOINT
_LDS: Final = type_urls.LISTENER
_RDS: Final = type_urls.ROUTE
_NDS: Final = type_urls.NAME_TABLE
_ECDS: Final = type_urls.EXTENSION


class Extent(Enum):
    """How much of a type a change regenerates."""

    NONE = "none"
    PARTIAL = "partial"
    """Only the resources of the services it names."""
    FULL = "full"


_N, _P, _F = Extent.NONE, Extent.PARTIAL, Extent.FULL

_TABLE: Final[dict[str, dict[str, Extent]]] = {
    "Endpoints": {_EDS: _P},
    "ServiceEntry": {_CDS: _P, _EDS: _P, _LDS: _F, _RDS: _F, _NDS: _F},
    "DNSName": {_NDS: _F},
    "VirtualService": {_CDS: _P, _LDS: _F, _RDS: _F},
    "DestinationRule": {_CDS: _P, _EDS: _P, _LDS: _F, _RDS: _F},
    "AuthorizationPolicy": {_LDS: _F},
    "RequestAuthentication": {_LDS: _F},
    "EnvoyFilter": {_CDS: _F, _EDS: _F, _LDS: _F, _RDS: _F, _ECDS: _F},
    "Telemetry": {_LDS: _F},
    "TrafficExtension": {_LDS: _F, _ECDS: _F},
    "WasmPlugin": {_LDS: _F, _ECDS: _F},
    "WorkloadEntry": {_EDS: _F},
    "WorkloadGroup": {},
    "ProxyConfig": {},
    "Secret": {_ECDS: _F},
}
"""By kind, the same for every proxy; kinds that depend on it are in `_extents`."""

_EVERYTHING: Final = {_CDS: _F, _EDS: _F, _LDS: _F, _RDS: _F, _NDS: _F, _ECDS: _F}

_NAMESPACED: Final = frozenset(
    {
        "EnvoyFilter",
        "AuthorizationPolicy",
        "RequestAuthentication",
        "WasmPlugin",
        "TrafficExtension",
        "Telemetry",
    }
)
"""Kinds that reach the proxies of their namespace, or all from the root namespace."""

_SCOPED: Final = frozenset(
    {
        "Endpoints",
        "ServiceEntry",
        "VirtualService",
        "DestinationRule",
        "Sidecar",
        "PeerAuthentication",
    }
)
"""Kinds that reach the sidecars whose scope depends on them."""


class Scope(NamedTuple):
    """What one sidecar's configuration was, or is, made from."""

    hosts: frozenset[str]
    """Host names of the services it sees."""
    configs: frozenset[ConfigKey]
    """VirtualServices (with delegates), DestinationRules, ServiceEntries and the Sidecar in its scope."""
    namespaces: frozenset[str]
    """Namespaces of the services it sees."""


NO_SCOPE: Final = Scope(frozenset(), frozenset(), frozenset())


class ScopeMemo:
    """Scopes already computed for one push context; proxies of a namespace under one Sidecar share theirs."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[SidecarScope, Scope]] = {}

    def of(self, push: PushContext, proxy: Proxy) -> Scope:
        """What the configuration of a proxy depends on."""
        sidecar_scope = push.scope(proxy)
        found = self._held.get(id(sidecar_scope))
        if found is None:
            found = (sidecar_scope, _scope(sidecar_scope))
            self._held[id(sidecar_scope)] = found
        return found[1]


def _scope(scope: SidecarScope) -> Scope:
    objects = [
        source
        for listener in scope.egress_listeners
        for item in listener.virtual_services
        for source in (item.source, *item.delegates)
    ]
    for rules in scope.destination_rules.values():
        objects += [source for rule in rules for source in rule.merged_from]
    objects += [service.source for service in scope.services if service.source is not None]
    if scope.sidecar is not None:
        objects.append(scope.sidecar)
    return Scope(
        frozenset(service.hostname for service in scope.services),
        frozenset(ConfigKey(item.kind, item.name, item.namespace) for item in objects),
        frozenset(service.namespace for service in scope.services) | {scope.namespace},
    )


def relevant(
    request: PushRequest, proxy: Proxy, root_namespace: str, scopes: Iterable[Scope], own: frozenset[str]
) -> PushRequest | None:
    """The part of a request that concerns this proxy, `None` when nothing does.

    `scopes` are its scope before and after the change, `own` the host names of the services its workload serves.
    """
    if request.forced:
        return request
    both = tuple(scopes)
    kept = [key for key in request.keys if _depends(key, proxy, root_namespace, both, own)]
    if not kept:
        return None
    mine = request.copy()
    mine.keys = dict.fromkeys(kept)
    return mine


def _depends(
    key: ConfigKey, proxy: Proxy, root_namespace: str, scopes: tuple[Scope, ...], own: frozenset[str]
) -> bool:
    if proxy.is_router:
        if key.kind == "Sidecar":
            return False
        if key.kind == "ServiceEntry":
            return any(key.name in scope.hosts for scope in scopes)
        return True
    if key.kind == "Gateway":
        return False
    if key.kind in _NAMESPACED:
        return key.namespace in (root_namespace, proxy.namespace)
    if key.kind in _SCOPED:
        if key.kind in ("Endpoints", "ServiceEntry"):
            return key.name in own or any(_sees(key, scope) for scope in scopes)
        if key.kind == "PeerAuthentication":
            return key.namespace == root_namespace or any(key.namespace in scope.namespaces for scope in scopes)
        return any(key in scope.configs for scope in scopes)
    return True


def _sees(key: ConfigKey, scope: Scope) -> bool:
    # A ServiceEntry change is keyed by its object's name by some controllers and by host by others.
    return key.name in scope.hosts or key in scope.configs


def extents(request: PushRequest, proxy: Proxy, root_namespace: str) -> dict[str, Extent]:
    """Types to regenerate for this proxy with how much of each."""
    if request.forced:
        return dict(_EVERYTHING)
    out: dict[str, Extent] = {}
    kinds = request.kinds
    only_headless = set(request.reasons) == {"headlessendpoint"}
    for key in request.keys:
        for type_url, extent in _extents(key, proxy, root_namespace, only_headless).items():
            if out.get(type_url) is not _F:
                out[type_url] = extent
    if out.get(_EDS) is _P and not _partial_endpoints(kinds, request, root_namespace):
        out[_EDS] = _F
    return {t: e for t, e in out.items() if e is not _N}


def _partial_endpoints(kinds: list[str], request: PushRequest, root_namespace: str) -> bool:
    """istio pilot/pkg/xds/eds.go canSendPartialFullPushes."""
    return all(
        kind in ("Endpoints", "ServiceEntry", "DestinationRule", "PeerAuthentication") for kind in kinds
    ) and not any(k.kind == "PeerAuthentication" and k.namespace == root_namespace for k in request.keys)


def _extents(key: ConfigKey, proxy: Proxy, root_namespace: str, only_headless: bool) -> dict[str, Extent]:
    if key.kind == "PeerAuthentication":
        if key.namespace == root_namespace:
            return {_CDS: _F, _EDS: _F, _LDS: _F}
        return {_CDS: _P, _EDS: _P, _LDS: _F if key.namespace == proxy.namespace else _N}
    if key.kind == "Sidecar":
        return {_CDS: _P, _LDS: _F, _RDS: _F, _NDS: _F}
    if key.kind in ("Gateway", "KubernetesGateway"):
        return {_CDS: _F, _LDS: _F, _RDS: _F} if proxy.is_router else {}
    if key.kind == "ServiceEntry" and only_headless:
        kept = {_EDS: _P, _LDS: _F, _NDS: _F}
        if proxy.is_router:
            del kept[_LDS]
        return kept
    return _TABLE.get(key.kind, _EVERYTHING)
