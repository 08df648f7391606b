"""Outbound route configurations of sidecars.

Modelled on istio pilot/pkg/networking/core/httproute.go (buildSidecarOutboundHTTPRouteConfig,
BuildSidecarOutboundVirtualHosts) and route/route.go (BuildSidecarVirtualHostWrapper), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from operator import is_
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.destination_rules import MergedDestinationRule
from meshsim.controlplane.envoy_filters import PatchContext, PatchSet
from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Proxy, Service
from meshsim.controlplane.routes.actions import set_timeout
from meshsim.controlplane.routes.destinations import NOTHING, PASSTHROUGH_CLUSTER, destination_cluster
from meshsim.controlplane.routes.domains import Viewpoint
from meshsim.controlplane.routes.groups import GroupBuilder, HostGroups
from meshsim.controlplane.routes.hosts import (
    BuiltRoute,
    HostEntry,
    HostHead,
    HostRoutes,
    encode_configuration,
    encode_empty_configuration,
    encode_host,
)
from meshsim.controlplane.routes.naming import Named, Names, give_names, own_heads, places_by_ending
from meshsim.controlplane.routes.patches import patched_body
from meshsim.controlplane.routes.selection import services_of_port
from meshsim.controlplane.routes.sharing import RouteSharing
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import EgressListener, SidecarScope

HTTP_PROXY_ROUTE: Final = "http_proxy"
UNIX_PREFIX: Final = "unix://"

_DYNAMIC_DNS_CLUSTER: Final = "AllowAnyDynamicDNSCluster"


class RouteName(NamedTuple):
    """A sidecar's route configuration name: ``80``, ``host:port`` (protocol detected), `http_proxy`, a unix path."""

    port: int
    sniffed: bool

    @classmethod
    def parse(cls, name: str) -> RouteName | None:
        """The parts of a name, `None` for one that Pilot never gives."""
        if name == HTTP_PROXY_ROUTE or name.startswith(UNIX_PREFIX):
            return cls(0, False)
        _, colon, port = name.partition(":")
        text = port if colon else name
        return cls(int(text), bool(colon)) if text.isdecimal() else None


class SidecarView(NamedTuple):
    """Everything of a proxy, beside its scope, that its outbound routes depend on."""

    dns_domain: str
    attempt_count: bool
    forwarded_host: bool
    labels: tuple[tuple[str, str | None], ...]
    """Values of the labels that source conditions and workload selectors in its scope ask for."""
    patches: PatchSet
    """EnvoyFilter patches; compared by identity."""


def sidecar_view(push: PushContext, proxy: Proxy, label_keys: tuple[str, ...]) -> SidecarView:
    """The view of a proxy."""
    patches = push.envoy_filters(proxy)

    def make(_: SidecarView | None) -> SidecarView:
        headers = push.proxy_config(proxy).fields("proxyHeaders")
        return SidecarView(
            dns_domain=proxy.dns_domain,
            attempt_count=not headers.fields("attemptCount").flag("disabled"),
            forwarded_host=headers.fields("xForwardedHost").flag("enabled"),
            labels=tuple((key, proxy.labels.get(key)) for key in label_keys),
            patches=patches,
        )

    return push.cache.latest(("sidecar view", proxy), (label_keys, patches), make)


def label_keys(scope: SidecarScope, sharing: RouteSharing, cache: GenerationCache) -> tuple[str, ...]:
    """Labels of a proxy that decide anything about the routes of a scope."""
    keys = dict.fromkeys(scope.selector_labels)
    for listener in scope.egress_listeners:
        virtual_services = listener.virtual_services
        found = cache.get_or_make(
            ("source labels", ByIdentity(virtual_services)), partial(sharing.source_labels, virtual_services)
        )
        keys.update(dict.fromkeys(found))
    return tuple(keys)


class _Setting(NamedTuple):
    """Whose virtual hosts they are: everything that they depend on besides names and VirtualServices."""

    services: ByIdentity[tuple[Service, ...]]
    rules: ByIdentity[Mapping[str, tuple[MergedDestinationRule, ...]]]
    rules_namespace: str
    namespace: str
    """Set where some VirtualService tells clients apart by it."""
    labels: tuple[tuple[str, str | None], ...]
    attempt_count: bool
    port: int
    """0 for listeners of every port."""


@dataclass(frozen=True, eq=False)
class _Hosts:
    """The virtual hosts of a port as one namespace names them."""

    groups: HostGroups
    names: tuple[Named, ...]
    encoded: Sequence[bytes]
    """Each of them as a field of the configuration."""
    duplicates: tuple[tuple[str, str], ...]

    @cached_property
    def _by_domain(self) -> Mapping[str, Sequence[int]]:
        """Places of the virtual hosts with a domain."""
        found: dict[str, list[int]] = {}
        for place, named in enumerate(self.names):
            for domain in named.head.domains:
                found.setdefault(domain, []).append(place)
        return found

    def for_sniffed(self, name: str) -> list[HostEntry]:
        """The virtual host a ``host:port`` configuration is about; alone in it, it takes every Host header."""
        host = name.rpartition(":")[0].strip("[]")
        places = sorted({*self._by_domain.get(name, ()), *self._by_domain.get(host, ())})
        found = [self.names[place] for place in places]
        routes = self.groups.routes
        if len(found) != 1:
            return [HostEntry(named.head, routes[named.at]) for named in found]
        return [HostEntry(HostHead.of(found[0].head.name, "*"), routes[found[0].at])]


class _Body(NamedTuple):
    """A route configuration, and what Pilot says of names in it."""

    encoded: bytes
    duplicates: tuple[tuple[str, str], ...] = ()


class SidecarRoutes:
    """The outbound route configurations that all proxies with one scope and view share, for as long as they see it."""

    def __init__(self, cache: GenerationCache, scope: SidecarScope, view: SidecarView, sharing: RouteSharing) -> None:
        self._cache = cache
        self._scope = scope
        self._view = view
        self._sharing = sharing
        self._labels: Mapping[str, str] = {key: value for key, value in view.labels if value is not None}
        self._viewpoint = Viewpoint(view.dns_domain, cache)
        self._by_port: dict[int, _Hosts] = {}
        self._bodies: dict[str, _Body] = {}

    def body(self, name: str) -> bytes:
        """The serialized RouteConfiguration of this name."""
        return self._body(name).encoded

    def duplicates(self, name: str) -> tuple[tuple[str, str], ...]:
        """Virtual hosts of a configuration whose name or domains another has, with what Pilot says of it."""
        return self._body(name).duplicates

    def _body(self, name: str) -> _Body:
        body = self._bodies.get(name)
        if body is None:
            parsed = RouteName.parse(name)
            body = _Body(encode_empty_configuration(name)) if parsed is None else self._build(name, parsed)
            self._bodies[name] = body
        return body

    def _build(self, name: str, parsed: RouteName) -> _Body:
        hosts = self._hosts(parsed.port, name)
        if parsed.sniffed:
            encoded = [encode_host(entry) for entry in hosts.for_sniffed(name)] if hosts is not None else []
        else:
            encoded = [*(hosts.encoded if hosts is not None else ()), encode_host(self._catch_all())]
        body = encode_configuration(name, encoded)
        patched = patched_body(body, self._view.patches, PatchContext.SIDECAR_OUTBOUND, {})
        return _Body(patched, hosts.duplicates if hosts is not None else ())

    # --- virtual hosts ----------------------------------------------------------------------------------------

    def _hosts(self, port: int, name: str) -> _Hosts | None:
        """Virtual hosts of a port, by name; those of a unix socket or the HTTP proxy are of every port."""
        if not port:
            return self._build_hosts(port, name)
        found = self._by_port.get(port)
        if found is None:
            made = self._build_hosts(port, name)
            if made is None:
                return None
            found = self._by_port[port] = made
        return found

    def _build_hosts(self, port: int, name: str) -> _Hosts | None:
        listener = self._scope.egress_listener_for(port, name)
        if listener is None:
            return None
        if listener.has_port and listener.protocol is Protocol.HTTP_PROXY:
            port = 0
        cache, scope = self._cache, self._scope
        services = cache.get_or_make(
            ("services of a port", ByIdentity(listener.services), port),
            lambda: services_of_port(listener.services, port, cache),
        )
        setting = _Setting(
            services=ByIdentity(listener.services),
            rules=ByIdentity(scope.destination_rules),
            rules_namespace=scope.rules_namespace,
            namespace=scope.namespace if self._tells_namespaces_apart(listener) else "",
            labels=self._view.labels,
            attempt_count=self._view.attempt_count,
            port=port,
        )
        builder = GroupBuilder(self._sharing, scope, self._labels, self._view.attempt_count, listener, services, port)
        groups = cache.latest(("host groups", setting), listener.virtual_services, builder.build)
        return self._named(setting, groups)

    def _tells_namespaces_apart(self, listener: EgressListener) -> bool:
        """Whether what a VirtualService of the listener does depends on the namespace of the client."""
        virtual_services = listener.virtual_services

        def find() -> bool:
            return any(v.gateway_semantics or self._sharing.facts(v).source_namespace for v in virtual_services)

        return self._cache.get_or_make(("namespaces told apart", ByIdentity(virtual_services)), find)

    def _named(self, setting: _Setting, groups: HostGroups) -> _Hosts:
        """The groups with the names that a proxy here writes: those of a stranger, and some for its own services."""
        cache, port, here = self._cache, setting.port, self._viewpoint
        stranger = here.stranger
        common = cache.latest(
            ("strangers' hosts", setting, stranger.place),
            (groups,),
            lambda before: _strangers(before, groups, stranger, port),
        )
        if here.own_ending and here.own_ending not in common.by_ending:
            return common.hosts
        return cache.latest(
            ("own hosts", setting, here.place), (common,), lambda before: _own_hosts(before, common, here, port)
        ).hosts

    def _catch_all(self) -> HostEntry:
        """The virtual host for hosts nobody declared, by the outbound traffic policy."""
        route = route_components_pb2.Route(match=route_components_pb2.RouteMatch(prefix="/"))
        policy = self._scope.outbound_policy
        if policy is OutboundPolicy.REGISTRY_ONLY:
            route.name = "block_all"
            route.direct_response.status = 502
        else:
            egress_proxy = self._scope.egress_proxy
            if policy is OutboundPolicy.ALLOW_ANY_DYNAMIC_DNS:
                route.name, route.route.cluster = "allow_any_dynamic_dns", _DYNAMIC_DNS_CLUSTER
            elif egress_proxy is not None:
                route.name, route.route.cluster = "allow_any", destination_cluster(egress_proxy, NOTHING, 0)
            else:
                route.name, route.route.cluster = "allow_any", PASSTHROUGH_CLUSTER
            set_timeout(route.route, None)
            route.route.append_x_forwarded_host = self._view.forwarded_host
        return HostEntry(HostHead.of(route.name, "*"), HostRoutes.of([BuiltRoute.of(route)], self._view.attempt_count))


@dataclass(frozen=True, slots=True, eq=False)
class _Strangers:
    """The virtual hosts of a port as a proxy without services of its own names them."""

    names: Names
    hosts: _Hosts
    places: Mapping[int, int]
    """Of each host among those who wanted a name, its place among those who have one."""
    by_ending: Mapping[str, Sequence[int]]
    """Services by the endings of their hosts."""


def _strangers(before: _Strangers | None, groups: HostGroups, stranger: Viewpoint, port: int) -> _Strangers:
    if before is None or before.hosts.groups.wanted != groups.wanted:
        names = give_names(groups.wanted, stranger, port)
        places = {named.at: place for place, named in enumerate(names.hosts)}
        hosts = _Hosts(groups, names.hosts, _encoded(names.hosts, groups), names.duplicates)
        return _Strangers(names, hosts, places, places_by_ending(groups.wanted))
    encoded = list(before.hosts.encoded)
    now, then = groups.routes, before.hosts.groups.routes
    for at, same in enumerate(map(is_, now, then)):
        if not same and at in before.places:
            encoded[before.places[at]] = encode_host(HostEntry(before.names.heads[at], now[at]))
    hosts = replace(before.hosts, groups=groups, encoded=encoded)
    return _Strangers(before.names, hosts, before.places, before.by_ending)


@dataclass(frozen=True, slots=True, eq=False)
class _OwnHosts:
    """The virtual hosts of a port in a namespace that has services of its own."""

    strangers: Names
    """What they were made of."""
    heads: Mapping[int, HostHead] | None
    """Those of the own services; `None` when all names were given anew."""
    encoded: Mapping[int, bytes]
    """The own services as fields of the configuration."""
    hosts: _Hosts


def _own_hosts(before: _OwnHosts | None, common: _Strangers, here: Viewpoint, port: int) -> _OwnHosts:
    groups, names = common.hosts.groups, common.names
    if before is not None and before.strangers is names:
        heads, then = before.heads, before.hosts.groups.routes
    else:
        own = common.by_ending.get(here.own_ending, ())
        heads, then = own_heads(names, groups.wanted, own, here, port) if own else None, ()
    if heads is None:
        anew = give_names(groups.wanted, here, port)
        return _OwnHosts(names, None, {}, _Hosts(groups, anew.hosts, _encoded(anew.hosts, groups), anew.duplicates))
    hosts, encoded = list(common.hosts.names), list(common.hosts.encoded)
    made: dict[int, bytes] = {}
    for at, head in heads.items():
        place, routes = common.places[at], groups.routes[at]
        known = before is not None and then and then[at] is routes
        made[at] = before.encoded[at] if before and known else encode_host(HostEntry(head, routes))
        hosts[place], encoded[place] = Named(head, at), made[at]
    return _OwnHosts(names, heads, made, _Hosts(groups, tuple(hosts), encoded, common.hosts.duplicates))


def _encoded(names: Iterable[Named], groups: HostGroups) -> list[bytes]:
    routes = groups.routes
    return [encode_host(HostEntry(named.head, routes[named.at])) for named in names]
