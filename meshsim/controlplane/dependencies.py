"""Which change makes which type of which proxy regenerate, and how much of it.

The skip sets of istio pilot/pkg/xds/{cds,eds,lds,rds,ecds,nds}.go and the filter of proxy_dependencies.go, 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from meshsim.api import ApiObject
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
    "WasmPlugin": {_LDS: _F},
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


RESCOPING: Final = frozenset(
    {"ServiceEntry", "DestinationRule", "VirtualService", "PeerAuthentication", "Sidecar", "Ingress"}
)
"""Kinds that make Pilot compute anew what a proxy sees (istio pilot/pkg/xds/ads.go computeProxyState)."""


class Scope(NamedTuple):
    """What one proxy's configuration is, or was, made from."""

    sidecar_scope: SidecarScope
    configs: frozenset[ConfigKey]
    """Services it sees (as ServiceEntry keys of host and namespace), their VirtualServices with delegates,
    DestinationRules and PeerAuthentications, and the Sidecar itself."""


class ScopeMemo:
    """Scopes already computed for one push context; proxies of a namespace under one Sidecar share theirs."""

    def __init__(self) -> None:
        self._held: dict[int, Scope] = {}

    def of(self, push: PushContext, proxy: Proxy) -> Scope:
        """What the configuration of a proxy depends on."""
        sidecar_scope = push.scope(proxy)
        found = self._held.get(id(sidecar_scope))
        if found is None:
            found = Scope(sidecar_scope, frozenset(_configs(push, sidecar_scope)))
            self._held[id(sidecar_scope)] = found
        return found


def _configs(push: PushContext, scope: SidecarScope) -> Iterator[ConfigKey]:
    """istio pilot/pkg/model/sidecar.go AddConfigDependencies."""
    if scope.sidecar is not None:
        yield _key_of(scope.sidecar)
    for service in scope.services:
        yield ConfigKey("ServiceEntry", service.hostname, service.namespace)
    for listener in scope.egress_listeners:
        for item in listener.virtual_services:
            yield _key_of(item.source)
            for delegate in item.delegates:
                yield _key_of(delegate)
    for rules in scope.destination_rules.values():
        for rule in rules:
            for source in rule.merged_from:
                yield _key_of(source)
    owners = dict.fromkeys(service.namespace for service in scope.services)
    for namespace in (*owners, scope.namespace, push.mesh.root_namespace):
        for policy in push.peer_policies.effective(namespace):
            yield _key_of(policy)


def _key_of(item: ApiObject) -> ConfigKey:
    return ConfigKey(item.kind, item.name, item.namespace)


def relevant(
    request: PushRequest, proxy: Proxy, root_namespace: str, scopes: Iterable[Scope], own: frozenset[ConfigKey]
) -> PushRequest | None:
    """The part of a request that concerns this proxy, `None` when nothing does (proxy_dependencies.go).

    `scopes` are its scope before and after the change, `own` the services its workload serves.
    """
    if request.forced:
        return request
    both = tuple(scopes)
    kept = [key for key in request.keys if key in own or _depends(key, proxy, root_namespace, both)]
    if not kept:
        return None
    mine = request.copy()
    mine.keys = dict.fromkeys(kept)
    return mine


def _depends(key: ConfigKey, proxy: Proxy, root_namespace: str, scopes: tuple[Scope, ...]) -> bool:
    if proxy.is_router:
        if key.kind == "Sidecar":
            return False
        if key.kind == "ServiceEntry":
            return any(scope.sidecar_scope.service_for_host(key.name) is not None for scope in scopes)
        return True
    if key.kind == "Gateway":
        return False
    if key.kind in _NAMESPACED:
        return key.namespace in (root_namespace, proxy.namespace)
    if key.kind in _SCOPED:
        # Endpoints are those of a service that is seen.
        seen = key._replace(kind="ServiceEntry") if key.kind == "Endpoints" else key
        return any(seen in scope.configs for scope in scopes)
    return True


def extents(request: PushRequest, proxy: Proxy, root_namespace: str) -> dict[str, Extent]:
    """Types to regenerate for this proxy with how much of each."""
    if request.forced:
        return dict(_EVERYTHING)
    out: dict[str, Extent] = {}
    kinds = request.kinds
    only_headless = _only_headless(request)
    for key in request.keys:
        for type_url, extent in _extents(key, proxy, root_namespace, only_headless).items():
            if out.get(type_url) is not _F:
                out[type_url] = extent
    if out.get(_EDS) is _P and not _partial_endpoints(kinds, request, root_namespace):
        out[_EDS] = _F
    return {t: e for t, e in out.items() if e is not _N}


def _only_headless(request: PushRequest) -> bool:
    return set(request.reasons) == {"headlessendpoint"}


def concerns_clusters(key: ConfigKey, request: PushRequest) -> bool:
    """Whether a key takes part in a partial CDS push; endpoints of headless services alone change no cluster."""
    return not (key.kind == "ServiceEntry" and _only_headless(request))


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
    if key.kind == "Gateway":
        return {_CDS: _F, _LDS: _F, _RDS: _F} if proxy.is_router else {}
    if key.kind == "ServiceEntry" and only_headless:
        kept = {_EDS: _P, _LDS: _F, _NDS: _F}
        if proxy.is_router:
            del kept[_LDS]
        return kept
    return _TABLE.get(key.kind, _EVERYTHING)
