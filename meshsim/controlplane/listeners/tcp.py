"""Network filters of chains that forward connections as they are.

istio pilot/pkg/networking/core/networkfilter.go, tunnelingconfig, listener_builder.go (catch-all), release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane import filters
from meshsim.controlplane.cluster_names import cluster_name, sni_name
from meshsim.controlplane.clusters.outbound import stat_name
from meshsim.controlplane.destination_rules import MergedDestinationRule
from meshsim.controlplane.extensions import Phase
from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.listeners.policies import NO_POLICIES, ChainPolicies
from meshsim.controlplane.listeners.profile import NetworkProfile
from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import Protocol, Resolution, Service, ServicePort
from meshsim.controlplane.protobuf_values import duration
from meshsim.controlplane.routes.destinations import NOTHING, PASSTHROUGH_CLUSTER, Meaning, destination_cluster
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import hash_policy_pb2, listener_components_pb2, tcp_proxy_pb2
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.model import VirtualService
    from meshsim.controlplane.sidecar_scope import SidecarScope

Filters = tuple[listener_components_pb2.Filter, ...]
TcpProxy = tcp_proxy_pb2.TcpProxy
Filter = listener_components_pb2.Filter

BLACK_HOLE_CLUSTER: Final = "BlackHoleCluster"


class Chain(NamedTuple):
    """Where a chain of network filters stands."""

    listener_class: ListenerClass
    port: int
    """Extensions select by it."""
    policies: ChainPolicies = NO_POLICIES
    mutual_tls: bool = False
    """Peers introduce themselves (metadata exchange): inbound, and gateways that terminate Istio's mTLS."""


class _RouteKey(NamedTuple):
    """What the filters of a route are made from."""

    profile: NetworkProfile
    listener_class: ListenerClass
    policies: ChainPolicies
    port: ServicePort
    rule: MergedDestinationRule | None
    services: tuple[Service | None, ...]
    """Behind each destination."""
    virtual_service: VirtualService | None = None
    path: str = ""
    """Of the first destination in the VirtualService."""
    mutual_tls: bool = False


def complete(profile: NetworkProfile, chain: Chain, terminal: Sequence[listener_components_pb2.Filter]) -> Filters:
    """All network filters of a TCP chain around its last ones."""
    out = [filters.tcp_metadata_exchange()] if chain.mutual_tls else []
    out += chain.policies.custom_network
    out += profile.extensions.network_filters(chain.listener_class, chain.port, Phase.AUTHN, Phase.AUTHZ)
    out += chain.policies.local_network
    out += profile.extensions.network_filters(chain.listener_class, chain.port, Phase.STATS, Phase.UNSPECIFIED)
    out += profile.of(chain.listener_class).stats
    return (*out, *terminal)


def catch_all(profile: NetworkProfile, listener_class: ListenerClass, cluster: str, *, logs: bool = True) -> Filters:
    """Everything to one cluster: traffic to hosts nobody declared, or to nowhere."""
    proxy = TcpProxy(stat_prefix=cluster, cluster=cluster)
    if profile.idle_timeout is not None and logs:
        proxy.idle_timeout.CopyFrom(duration(profile.idle_timeout))
    return (*profile.of(listener_class).stats, tcp_filter(profile, listener_class, proxy, logs=logs))


def tcp_filter(
    profile: NetworkProfile, listener_class: ListenerClass, proxy: tcp_proxy_pb2.TcpProxy, *, logs: bool = True
) -> listener_components_pb2.Filter:
    """The terminal filter, with its access logs."""
    if logs:
        proxy.access_log.extend(profile.of(listener_class).tcp_logs)
    return Filter(name=filters.TCP_PROXY, typed_config=pack(proxy))


def resolves_sni(service: Service, port: ServicePort) -> bool:
    """Whether a sidecar finds the address of a connection to a service by its SNI."""
    return service.resolution is Resolution.DYNAMIC_DNS and port.protocol.is_tls


def outbound_policy_cluster(scope: SidecarScope) -> str:
    """Where a sidecar sends what no listener is for."""
    if scope.egress_proxy is not None:
        return destination_cluster(scope.egress_proxy, NOTHING, 0)
    return BLACK_HOLE_CLUSTER if scope.outbound_policy is OutboundPolicy.REGISTRY_ONLY else PASSTHROUGH_CLUSTER


@dataclass(frozen=True, slots=True)
class TcpRoutes:
    """Makes the filters of outbound and gateway TCP routes, each once for as long as what it is made from stays."""

    profile: NetworkProfile
    cache: GenerationCache
    scope: SidecarScope
    labels: Mapping[str, str]
    """Of the proxy, for workload selectors of DestinationRules."""
    listener_class: ListenerClass
    policies: ChainPolicies = NO_POLICIES
    sni_policies: ChainPolicies = NO_POLICIES
    """Of the proxy's own workload: they guard the way out to hosts that are resolved by their SNI."""

    def to_service(self, service: Service, port: ServicePort) -> Filters:
        """To a service that no VirtualService is about.

        A listener of a Sidecar on a port that the service does not have leads to its only port.
        """
        rule = self.scope.destination_rule(service.hostname, self.labels)
        key = _RouteKey(self.profile, self.listener_class, self._policies(service, port), port, rule, (service,))

        def make() -> Filters:
            number = service.ports[0].port if len(service.ports) == 1 else port.port
            cluster = cluster_name(number, "", service.hostname)
            unnamed = ServicePort(name="", port=number, protocol=port.protocol)
            proxy = TcpProxy(stat_prefix=self._stat_prefix(service, "", unnamed) or cluster, cluster=cluster)
            _set_hash_policy(proxy, rule, "")
            _set_tunnel(proxy, rule, "")
            return self._finish(proxy, port, service, rule, mutual_tls=False)

        return self.cache.get_or_make(key, make)

    def to_subset(self, service: Service, port: ServicePort, subset: str) -> Filters:
        """To the cluster that keeps the client's mTLS, of a service or one of its subsets (AUTO_PASSTHROUGH)."""
        cluster = sni_name(port.port, subset, service.hostname)
        proxy = TcpProxy(stat_prefix=self._stat_prefix(service, subset, port) or cluster, cluster=cluster)
        rule = self.scope.destination_rule(service.hostname, self.labels)
        _set_hash_policy(proxy, rule, subset)
        return self._finish(proxy, port, service, rule, mutual_tls=False)

    def to_routes(
        self,
        routes: Sequence[Fields],
        port: ServicePort,
        virtual_service: VirtualService,
        *,
        mutual_tls: bool = False,
    ) -> Filters:
        """To the destinations of a route; the DestinationRule of the first counts for all."""
        services = tuple(self.scope.service_for_host(r.fields("destination").text("host")) for r in routes)
        service = services[0]
        rule = self.scope.destination_rule(service.hostname, self.labels) if service is not None else None
        key = _RouteKey(
            self.profile,
            self.listener_class,
            self._policies(service, port),
            port,
            rule,
            services,
            virtual_service,
            routes[0].path,
            mutual_tls,
        )

        def make() -> Filters:
            if len(routes) == 1:
                proxy = self._single(routes[0].fields("destination"), port, service, rule)
            else:
                proxy = self._weighted(routes, services, port, rule)
                proxy.stat_prefix = f"{virtual_service.name}.{virtual_service.namespace}"
            return self._finish(proxy, port, service, rule, mutual_tls=mutual_tls)

        return self.cache.get_or_make(key, make)

    def _stat_prefix(self, service: Service, subset: str, port: ServicePort) -> str:
        """By the mesh's pattern; empty without one."""
        pattern = self.profile.mesh.fields.text("outboundClusterStatName")
        return stat_name(pattern, service, subset, port, 0) if pattern else ""

    def _finish(
        self,
        proxy: tcp_proxy_pb2.TcpProxy,
        port: ServicePort,
        service: Service | None,
        rule: MergedDestinationRule | None,
        *,
        mutual_tls: bool,
    ) -> Filters:
        self._apply_pool(proxy, rule)
        terminal = [tcp_filter(self.profile, self.listener_class, proxy)]
        if port.protocol is Protocol.MONGO:
            terminal.insert(0, filters.mongo(proxy.stat_prefix))
        elif service is not None and resolves_sni(service, port) and self._is_sidecar:
            cache = f"{service.hostname}_dfp_dns_cache"
            terminal.insert(0, filters.sni_dynamic_forward_proxy(cache, port.port, ipv6=self.profile.ipv6))
        chain = Chain(self.listener_class, port.port, self._policies(service, port), mutual_tls)
        return complete(self.profile, chain, terminal)

    @property
    def _is_sidecar(self) -> bool:
        return self.listener_class is ListenerClass.SIDECAR_OUTBOUND

    def _policies(self, service: Service | None, port: ServicePort) -> ChainPolicies:
        """Recorded from istiod 1.31: an AuthorizationPolicy changes the outbound listener of such a host."""
        guarded = service is not None and resolves_sni(service, port) and self._is_sidecar
        return self.sni_policies if guarded else self.policies

    def _single(
        self, destination: Fields, port: ServicePort, service: Service | None, rule: MergedDestinationRule | None
    ) -> tcp_proxy_pb2.TcpProxy:
        cluster = destination_cluster(destination, Meaning.of(service), port.port)
        subset = destination.text("subset")
        prefix = self._stat_prefix(service, subset, port) if service is not None else ""
        proxy = TcpProxy(stat_prefix=prefix or cluster, cluster=cluster)
        _set_hash_policy(proxy, rule, subset)
        _set_tunnel(proxy, rule, subset)
        return proxy

    def _weighted(
        self,
        routes: Sequence[Fields],
        services: Sequence[Service | None],
        port: ServicePort,
        rule: MergedDestinationRule | None,
    ) -> tcp_proxy_pb2.TcpProxy:
        proxy = TcpProxy()
        proxy.weighted_clusters.SetInParent()
        for route, service in zip(routes, services, strict=True):
            weight = route.integer("weight")
            if weight > 0:
                cluster = destination_cluster(route.fields("destination"), Meaning.of(service), port.port)
                proxy.weighted_clusters.clusters.add(name=cluster, weight=weight)
        # A subset's tunnel belongs to the listener and cannot differ between weighted clusters.
        _set_hash_policy(proxy, rule, "")
        _set_tunnel(proxy, rule, "")
        return proxy

    def _apply_pool(self, proxy: tcp_proxy_pb2.TcpProxy, rule: MergedDestinationRule | None) -> None:
        policy = rule.traffic_policy if rule is not None else None
        tcp = policy.fields("connectionPool").fields("tcp") if policy is not None else Fields(None)
        idle = tcp.duration("idleTimeout")
        idle = idle if idle is not None else self.profile.idle_timeout
        if idle is not None:
            proxy.idle_timeout.CopyFrom(duration(idle))
        longest = tcp.duration("maxConnectionDuration")
        if longest is not None:
            proxy.max_downstream_connection_duration.CopyFrom(duration(longest))


def _set_hash_policy(proxy: tcp_proxy_pb2.TcpProxy, rule: MergedDestinationRule | None, subset: str) -> None:
    """Consistent hashing by the client's address; a subset with a load balancer of its own decides for itself."""
    if rule is None:
        return
    balancer = rule.traffic_policy.fields("loadBalancer") if rule.traffic_policy is not None else Fields(None)
    found = rule.subset(subset) if subset else None
    if found is not None and found.traffic_policy is not None and "loadBalancer" in found.traffic_policy:
        balancer = found.traffic_policy.fields("loadBalancer")
    if balancer.fields("consistentHash").flag("useSourceIp"):
        proxy.hash_policy.add(source_ip=hash_policy_pb2.HashPolicy.SourceIp())


def _set_tunnel(proxy: tcp_proxy_pb2.TcpProxy, rule: MergedDestinationRule | None, subset: str) -> None:
    """Tunnel through a forward proxy with CONNECT or POST; a subset has its own tunnel or none."""
    if rule is None:
        return
    found = rule.subset(subset) if subset else rule
    if found is None or found.traffic_policy is None or "tunnel" not in found.traffic_policy:
        return
    tunnel = found.traffic_policy.fields("tunnel")
    host = tunnel.text("targetHost")
    target = f"[{host}]" if ":" in host else host
    proxy.tunneling_config.hostname = f"{target}:{tunnel.integer('targetPort')}"
    if tunnel.text("protocol") == "POST":
        proxy.tunneling_config.use_post = True
