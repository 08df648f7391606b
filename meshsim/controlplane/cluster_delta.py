"""Which clusters and assignments a push rebuilds when only some services are concerned, and which clusters go.

istio pilot/pkg/networking/core/cluster.go (BuildDeltaClusters) and pilot/pkg/xds/eds.go (buildEndpoints), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.cluster_names import ClusterName, parse_cluster_name
from meshsim.controlplane.destination_rules import MergedDestinationRule
from meshsim.controlplane.model import Proxy, Service
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.sidecar_scope import SidecarScope
from meshsim.xds.sharing import ByIdentity

_INBOUND = "inbound|"


class ClusterDelta(NamedTuple):
    """What a partial CDS push holds besides inbound and static clusters."""

    hosts: frozenset[str]
    """Services whose clusters are built."""
    candidates: frozenset[str]
    """Clusters the proxy has that go unless they are built."""


def cluster_delta(
    keys: Iterable[ConfigKey], watched: Iterable[str], scope: SidecarScope, before: SidecarScope | None
) -> ClusterDelta:
    """The delta of changes for a proxy that holds these clusters and sees this scope, and saw the one before.

    Istiod remembers one cluster a port: when a port with subsets is gone, one of its clusters goes with each push.
    DEVIATION: of the clusters of a port that is gone the one that a proxy got last goes first; in istiod it is chance.
    """
    names = tuple(watched)
    gone = dict.fromkeys(name for name in names if name.startswith(_INBOUND))
    hosts: dict[str, None] = {}
    for key in keys:
        if key.kind == "ServiceEntry":
            _of_service(key.name, scope, _clusters_of(key.name, names), hosts, gone)
        elif key.kind == "DestinationRule":
            for service in _ruled(key, scope, before):
                hosts[service.hostname] = None
                gone.update((n, None) for n, c in _clusters_of(service.hostname, names).items() if c.subset)
        elif key.kind == "PeerAuthentication":
            hosts.update((s.hostname, None) for s in scope.services if s.namespace == key.namespace)
        elif key.kind in ("VirtualService", "Sidecar") and before is not None:
            for hostname in _changed_hosts(scope, before):
                _of_service(hostname, scope, _clusters_of(hostname, names), hosts, gone)
    return ClusterDelta(frozenset(hosts), frozenset(gone))


def _clusters_of(hostname: str, names: Iterable[str]) -> dict[str, ClusterName]:
    """The clusters of a service among some names."""
    # Few names end like this, and only they need to be taken apart.
    parsed = {name: parse_cluster_name(name) for name in names if name.endswith(hostname)}
    return {name: cluster for name, cluster in parsed.items() if cluster is not None and cluster.hostname == hostname}


def _of_service(
    hostname: str,
    scope: SidecarScope,
    clusters: Mapping[str, ClusterName],
    hosts: dict[str, None],
    gone: dict[str, None],
) -> None:
    service = scope.service_for_host(hostname)
    if service is None:
        gone.update(dict.fromkeys(clusters))
        return
    hosts[hostname] = None
    last = {cluster.port: name for name, cluster in clusters.items()}
    gone.update((name, None) for port, name in last.items() if service.port(port) is None)


def _ruled(key: ConfigKey, scope: SidecarScope, before: SidecarScope | None) -> list[Service]:
    """Services that a changed DestinationRule is for, or was for."""
    now = _rule_named(key, scope)
    old = _rule_named(key, before) if before is not None else None
    hosts = dict.fromkeys(rule.host for rule in (now, old) if rule is not None)
    return [service for host in hosts for service in scope.services_for_host(host)]


def _rule_named(key: ConfigKey, scope: SidecarScope) -> MergedDestinationRule | None:
    for rules in scope.destination_rules.values():
        for rule in rules:
            if _is_from(rule, (key.name, key.namespace)):
                return rule
    return None


def _changed_hosts(scope: SidecarScope, before: SidecarScope) -> list[str]:
    """Hosts that only one of two scopes sees."""
    if scope.services is before.services:
        return []
    now, old = ({s.hostname: s for s in some.services} for some in (scope, before))
    return [host for host in dict.fromkeys((*old, *now)) if host not in old or host not in now]


class AssignmentFilter:
    """Which of the assignments a proxy asked for a partial EDS push holds."""

    def __init__(self, request: PushRequest, proxy: Proxy, scope: SidecarScope, before: SidecarScope | None) -> None:
        self._proxy = proxy
        self._scope = scope
        self._before = before
        self._hosts = {key.name for key in request.keys if key.kind in ("Endpoints", "ServiceEntry")}
        self._rules = {(key.name, key.namespace) for key in request.keys if key.kind == "DestinationRule"}
        self._policies = {key.namespace for key in request.keys if key.kind == "PeerAuthentication"}

    def choose(self, names: Collection[str], push: PushContext) -> tuple[str, ...]:
        """The clusters whose assignments are sent; who has asked for `names` does not change them afterwards."""
        if not self._rules and not self._policies:
            # Few names end like this, and only they need to be taken apart.
            endings = tuple(self._hosts)
            return tuple(name for name in names if name.endswith(endings) and self.takes(name))
        return push.made("chosen assignments", _memory)(self, ByIdentity(names))

    @cached_property
    def _key(self) -> tuple[object, ...]:
        """Everything that it reads."""
        scopes = [self._scope] if self._before is None else [self._scope, self._before]
        seen = [(ByIdentity(scope), scope.selected_labels(self._proxy.labels)) for scope in scopes]
        return frozenset(self._hosts), frozenset(self._rules), frozenset(self._policies), *seen

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        """Whether the other takes the same."""
        return isinstance(other, AssignmentFilter) and self._key == other._key

    def takes(self, name: str) -> bool:
        """Whether the assignment of a cluster is sent; those of services that are gone come with any policy."""
        parsed = parse_cluster_name(name)
        hostname = parsed.hostname if parsed is not None else ""
        if hostname in self._hosts:
            return True
        if not self._rules and not self._policies:
            return False
        service = self._scope.service_for_host(hostname)
        if service is None or service.namespace in self._policies:
            return True
        return self._ruled(self._scope, hostname) or (self._before is not None and self._ruled(self._before, hostname))

    def _ruled(self, scope: SidecarScope, hostname: str) -> bool:
        rule = scope.destination_rule(hostname, self._proxy.labels)
        return rule is not None and any(_is_from(rule, named) for named in self._rules)


def _chosen(among: AssignmentFilter, names: ByIdentity[Collection[str]]) -> tuple[str, ...]:
    return tuple(name for name in names.value if among.takes(name))


def _memory() -> Callable[[AssignmentFilter, ByIdentity[Collection[str]]], tuple[str, ...]]:
    """A push goes to one proxy after another, and most of them see and watch the same."""
    return lru_cache(maxsize=8)(_chosen)


def _is_from(rule: MergedDestinationRule, named: tuple[str, str]) -> bool:
    return any((source.name, source.namespace) == named for source in rule.merged_from)
