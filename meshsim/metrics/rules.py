"""What a proxy's configuration says about its metrics: the istio.stats filters of its listeners, names of services and
statistics.

istio/proxy source/extensions/filters/http/istio_stats/istio_stats.cc (Config, MetricOverrides), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

from meshsim.recording import ConfigEntry
from meshsim.units import MILLISECOND, SECOND, Nanos
from meshsim.xds import type_urls
from meshsim.xds.istio_messages import StatsPluginConfig
from meshsim.xds.messages import (
    cluster_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    listener_pb2,
    route_pb2,
    tcp_proxy_pb2,
)
from meshsim.xds.packing import unpack

T = TypeVar("T")

TYPES: Final = (type_urls.LISTENER, type_urls.ROUTE, type_urls.CLUSTER)
"""Of the resources that rules are in."""
STATS_FILTER: Final = "istio.stats"
EXCHANGE: Final = "istio.metadata_exchange"
METRICS: Final = (
    *("requests_total", "request_duration_milliseconds"),
    *("tcp_connections_opened_total", "tcp_connections_closed_total"),
)
"""The standard metrics that a run can tell, less their prefix ``istio_``."""
_REPORTS: Final = 5 * SECOND
"""Between two reports of a connection, where nothing else is configured."""
_INBOUND: Final = 1
_TCP: Final = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
_HTTP: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_Filter: TypeAlias = listener_components_pb2.Filter | http_connection_manager_pb2.HttpFilter


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


class TcpFilter(NamedTuple):
    """A TCP proxy, and the filters before it."""

    prefix: str
    """Of its statistics."""
    rules: MetricRules | None
    """`None` where nothing reports its connections."""
    interval: Nanos
    """Between two reports of a connection that lasts; 0 = it is reported when it ends."""
    inbound: bool


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
    tcp: dict[str, TcpFilter] = field(default_factory=dict)
    """TCP proxies by the clusters they lead to."""
    exchanging: dict[str, None] = field(default_factory=dict)
    """Clusters whose connections tell peers who they are."""
    http_clusters: dict[str, None] = field(default_factory=dict)
    """Clusters that routes lead to."""

    def inbound_cluster(self, endpoint: str) -> str:
        """The cluster for what came to an address and port of the pod."""
        port = endpoint.rpartition(":")[2]
        return next((n for n in self.services if n.startswith(f"inbound|{port}|")), "InboundPassthroughCluster")

    def session_filter(self, cluster: str, session: str) -> TcpFilter | None:
        """The TCP proxy of a session to a cluster, or, where it has got none, for a cluster; `None` for requests."""
        return self.tcp.get(cluster, self.tcp.get(session)) if session else None

    def served_filter(self, endpoint: str, session: str) -> TcpFilter | None:
        """The TCP proxy for what came to an address and port of the pod.

        A port may take both, or have changed; then what its caller held for a session is one.
        """
        cluster = self.inbound_cluster(endpoint)
        return self.tcp.get(cluster) if session or cluster not in self.http_clusters else None

    def reports(self, cluster: str, found: TcpFilter) -> Nanos:
        """How often a connection to a cluster is reported while it lasts, 0 = when it ends.

        That needs a peer that has told who it is, or that it will not (`peerInfoRead`).
        """
        return found.interval if found.inbound or cluster in self.exchanging else 0

    def keep(self, former: ProxyRules) -> None:
        """Know besides where clusters led before: what was counted then still is."""
        _add(self.services, former.services)
        _add(self.stat_names, former.stat_names)
        _add(self.tcp, former.tcp)
        _add(self.exchanging, former.exchanging)
        _add(self.http_clusters, former.http_clusters)


def _add(now: dict[str, T], former: dict[str, T]) -> None:
    for name, value in former.items():
        now.setdefault(name, value)


def proxy_rules(entries: Iterable[ConfigEntry], former: Iterable[ConfigEntry] = ()) -> ProxyRules:
    """The rules in a proxy's configuration, and what it had before, latest first (`Run.former_config`)."""
    found = _read(entries)
    for entry in former:
        found.keep(_read((entry,)))
    return found


def _read(entries: Iterable[ConfigEntry]) -> ProxyRules:
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
        _read_tcp(chain, inbound, found)
        for item in chain.filters:
            if not item.typed_config.type_url.endswith(_HTTP):
                continue
            manager = unpack(item.typed_config, http_connection_manager_pb2.HttpConnectionManager)
            _read_routes(manager.route_config, found)
            config = _stats_config(manager.http_filters)
            rules = None if config is None else metric_rules(config)
            if inbound:
                port = chain.filter_chain_match.destination_port.value
                found.inbound_prefixes.setdefault(port, manager.stat_prefix)
                found.destination = found.destination or rules
            else:
                found.outbound_prefixes.setdefault(listener.address.socket_address.port_value, manager.stat_prefix)
                found.source = found.source or rules


def _read_tcp(chain: listener_components_pb2.FilterChain, inbound: bool, found: ProxyRules) -> None:
    """The TCP proxy of a chain, if it ends with one."""
    item = chain.filters[-1] if chain.filters else None
    if item is None or not item.typed_config.type_url.endswith(_TCP):
        return
    proxy = unpack(item.typed_config, tcp_proxy_pb2.TcpProxy)
    config = _stats_config(chain.filters)
    interval = _REPORTS
    if config is not None and config.HasField("tcp_reporting_duration"):
        interval = config.tcp_reporting_duration.ToNanoseconds() // MILLISECOND * MILLISECOND
    if inbound and not any(part.name == EXCHANGE for part in chain.filters):
        interval = 0
    ours = TcpFilter(proxy.stat_prefix, None if config is None else metric_rules(config), interval, inbound)
    for name in (proxy.cluster, *(part.name for part in proxy.weighted_clusters.clusters)):
        if name:
            found.tcp.setdefault(name, ours)


def _stats_config(filters: Iterable[_Filter]) -> StatsPluginConfig | None:
    """The first of the filters that report metrics."""
    return next((unpack(part.typed_config, StatsPluginConfig) for part in filters if part.name == STATS_FILTER), None)


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
    if any(part.name == EXCHANGE for part in cluster.filters):
        found.exchanging[cluster.name] = None
    found.stat_names[cluster.name] = (cluster.alt_stat_name or cluster.name).replace(":", "_")
    services = cluster.metadata.filter_metadata["istio"].fields["services"].list_value.values
    if services:
        fields = services[0].struct_value.fields
        host = fields["host"].string_value
        name = fields["name"].string_value if "name" in fields else host.partition(".")[0]
        found.services[cluster.name] = Service(host, name)
