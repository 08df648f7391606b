"""What a proxy's configuration says about its metrics: the istio.stats filters of its listeners, names of services and
statistics.

istio/proxy source/extensions/filters/http/istio_stats/istio_stats.cc (Config, MetricOverrides), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.recording import ConfigEntry
from meshsim.xds import type_urls
from meshsim.xds.istio_messages import StatsPluginConfig
from meshsim.xds.messages import cluster_pb2, http_connection_manager_pb2, listener_pb2, route_pb2, tcp_proxy_pb2
from meshsim.xds.packing import unpack

STATS_FILTER: Final = "istio.stats"
METRICS: Final = ("requests_total", "request_duration_milliseconds")
"""The standard metrics of requests that a run can tell, less their prefix ``istio_``."""
_INBOUND: Final = 1
_CATCHING: Final = ("PassthroughCluster", "BlackHoleCluster")
_TCP: Final = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_HTTP: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


@dataclass(frozen=True, slots=True)
class MetricRules:
    """Overrides of one side: the Telemetry API as the filter gets it."""

    dropped: frozenset[str] = frozenset()
    removed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Labels by metric."""
    changed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """CEL expressions by metric and label, in the order of the labels."""


class Service(NamedTuple):
    """A service as a cluster's metadata names it."""

    host: str
    name: str


@dataclass(slots=True)
class ProxyRules:
    """All of a proxy."""

    source: MetricRules | None = None
    """Of its outbound listeners; `None` where it reports no requests as their source."""
    destination: MetricRules | None = None
    services: dict[str, Service] = field(default_factory=dict)
    """By cluster."""
    stat_names: dict[str, str] = field(default_factory=dict)
    """Names of clusters in statistics, by cluster."""
    inbound_prefixes: dict[int, str] = field(default_factory=dict)
    """Statistics prefixes of its HTTP connection managers, by the port they are for."""
    outbound_prefixes: dict[int, str] = field(default_factory=dict)
    tcp_clusters: dict[str, None] = field(default_factory=dict)
    """Clusters that TCP proxies lead to."""
    http_clusters: dict[str, None] = field(default_factory=dict)
    """Clusters that routes lead to."""

    def is_tcp(self, cluster: str, route: str) -> bool:
        """Whether a TCP proxy led there: nothing else does, or what is for everything did, whose routes have names."""
        if cluster not in self.tcp_clusters:
            return False
        return cluster not in self.http_clusters or (cluster in _CATCHING and not route)


def proxy_rules(entries: Iterable[ConfigEntry]) -> ProxyRules:
    """The rules in a proxy's configuration."""
    found = ProxyRules()
    for entry in entries:
        if entry.type_url == type_urls.LISTENER:
            _read_listener(listener_pb2.Listener.FromString(entry.body), found)
        elif entry.type_url == type_urls.ROUTE:
            _read_routes(route_pb2.RouteConfiguration.FromString(entry.body), found)
        elif entry.type_url == type_urls.CLUSTER:
            _read_cluster(cluster_pb2.Cluster.FromString(entry.body), found)
    return found


def _read_listener(listener: listener_pb2.Listener, found: ProxyRules) -> None:
    inbound = listener.traffic_direction == _INBOUND
    chains = [
        *listener.filter_chains,
        *([listener.default_filter_chain] if listener.default_filter_chain.filters else []),
    ]
    for chain in chains:
        for item in chain.filters:
            if item.typed_config.type_url.endswith(_TCP):
                proxy = unpack(item.typed_config, tcp_proxy_pb2.TcpProxy)
                names = [proxy.cluster, *(part.name for part in proxy.weighted_clusters.clusters)]
                found.tcp_clusters.update(dict.fromkeys(name for name in names if name))
            if not item.typed_config.type_url.endswith(_HTTP):
                continue
            manager = unpack(item.typed_config, http_connection_manager_pb2.HttpConnectionManager)
            _read_routes(manager.route_config, found)
            rules = next(
                (
                    metric_rules(unpack(part.typed_config, StatsPluginConfig))
                    for part in manager.http_filters
                    if part.name == STATS_FILTER
                ),
                None,
            )
            if inbound:
                port = chain.filter_chain_match.destination_port.value
                found.inbound_prefixes.setdefault(port, manager.stat_prefix)
                found.destination = found.destination or rules
            else:
                found.outbound_prefixes.setdefault(listener.address.socket_address.port_value, manager.stat_prefix)
                found.source = found.source or rules


def _read_routes(table: route_pb2.RouteConfiguration, found: ProxyRules) -> None:
    for host in table.virtual_hosts:
        for route in host.routes:
            names = [route.route.cluster, *(part.name for part in route.route.weighted_clusters.clusters)]
            found.http_clusters.update(dict.fromkeys(name for name in names if name))


def metric_rules(config: StatsPluginConfig) -> MetricRules:
    """The overrides of a filter; those without a metric's name are for all."""
    dropped: set[str] = set()
    removed: dict[str, frozenset[str]] = {}
    changed: dict[str, dict[str, str]] = {}
    for item in config.metrics:
        if item.drop:
            dropped.add(item.name)
            continue
        for name in (item.name,) if item.name else METRICS:
            removed[name] = removed.get(name, frozenset()) | frozenset(item.tags_to_remove)
            changed.setdefault(name, {}).update({tag: item.dimensions[tag] for tag in sorted(item.dimensions)})
    return MetricRules(frozenset(dropped), removed, changed)


def _read_cluster(cluster: cluster_pb2.Cluster, found: ProxyRules) -> None:
    found.stat_names[cluster.name] = (cluster.alt_stat_name or cluster.name).replace(":", "_")
    services = cluster.metadata.filter_metadata["istio"].fields["services"].list_value.values
    if services:
        fields = services[0].struct_value.fields
        host = fields["host"].string_value
        name = fields["name"].string_value if "name" in fields else host.partition(".")[0]
        found.services[cluster.name] = Service(host, name)
