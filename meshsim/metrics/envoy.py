"""Envoy's statistics of one proxy at an instant, by their full names: clusters, HTTP connection managers, TCP proxies.

Names: Envoy docs/root/configuration/upstream/cluster_manager/cluster_stats.rst, http/http_conn_man/stats.rst and
listeners/network_filters/tcp_proxy_filter.rst (1.40); labels in Prometheus text as Istio's bootstrap extracts them
(istio tools/packaging/common/envoy_bootstrap.json).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow.compute as pc

from meshsim.metrics.connections import NO_SESSION, sessions
from meshsim.metrics.requests import Group, Side, request_groups
from meshsim.metrics.rules import ProxyRules, TcpFilter
from meshsim.recording import InstanceInfo, Run
from meshsim.units import Nanos

_GAUGE: Final = re.compile(r"(_active|_open|membership_(total|healthy|degraded))$")
_TCP: Final = (
    *("downstream_cx_total", "downstream_cx_no_route", "idle_timeout", "max_downstream_connection_duration"),
    *("upstream_flush_total", "upstream_flush_active"),
)
"""Statistics of TCP proxies that a run can tell."""
_SESSIONS: Final = "tcp."
"""Before the names of those that a proxy counts by the cluster of a session."""
_STATUS: Final = re.compile(r"^(?P<stem>.*_rq)_(?P<status>\d\d\d|\dxx)$")


class Stat(NamedTuple):
    """One statistic."""

    name: str
    """As /stats prints it."""
    value: int
    family: str
    """Its name in Prometheus text."""
    labels: tuple[tuple[str, str], ...]
    gauge: bool = False


def envoy_stats(run: Run, proxy: InstanceInfo, rules: ProxyRules, at: Nanos | None = None) -> list[Stat]:
    """Statistics of a proxy of the first replication by name, as of an instant or the end."""
    counted = _counters(run, proxy, at)
    found = [*_cluster_stats(counted, rules), *_http_stats(run, proxy, rules, at)]
    return sorted([*found, *_tcp_stats(run, proxy, rules, counted, at)], key=lambda stat: stat.name)


def _counters(run: Run, proxy: InstanceInfo, at: Nanos | None) -> dict[tuple[str, str], int]:
    """What the proxy had counted by cluster and name."""
    table = run.parts[0].counters()
    table = table.filter(pc.equal(table["proxy"], f"{proxy.pod}.{proxy.namespace}"))
    if at is not None:
        table = table.filter(pc.less_equal(table["time"], at))
    return {(row["cluster"], row["stat"]): row["value"] for row in table.to_pylist()}


def _cluster_stats(counted: dict[tuple[str, str], int], rules: ProxyRules) -> Iterator[Stat]:
    for (cluster, stat), value in counted.items():
        if not stat.startswith(_SESSIONS):
            name = rules.stat_names.get(cluster, cluster)
            yield named("cluster", name, "cluster_name", stat, value)


def named(root: str, scope: str, label: str, stat: str, value: int) -> Stat:
    """A statistic below a root and a scope, whose name becomes a label."""
    labels: tuple[tuple[str, str], ...] = ((label, scope.removesuffix(";")),)
    stem = stat
    match = _STATUS.match(stat)
    if match is not None:
        status = match["status"]
        code = ("response_code_class", status) if status.endswith("xx") else ("response_code", status)
        stem, labels = match["stem"] + ("_xx" if status.endswith("xx") else ""), (*labels, code)
    family = re.sub(r"[^a-zA-Z0-9_]", "_", f"envoy_{root}_{stem}")
    return Stat(f"{root}.{scope}.{stat}", value, family, labels, bool(_GAUGE.search(stat)))


def _http_stats(run: Run, proxy: InstanceInfo, rules: ProxyRules, at: Nanos | None) -> Iterator[Stat]:
    """What its connection managers took in and answered, from the recorded requests."""
    part = run.parts[0]
    until = part.duration + 1 if at is None else at
    counts: dict[str, Counter[str]] = {}
    for side in Side:
        for group in request_groups(part, side, until):
            prefix = _prefix(group, side, proxy, rules)
            if prefix:
                counts.setdefault(prefix, Counter()).update(dict(_counted(group)))
    weight = 1 / part.manifest.sampling
    for prefix, names in counts.items():
        for stat, value in names.items():
            yield named("http", prefix, "http_conn_manager_prefix", stat, round(value * weight))


def _prefix(group: Group, side: Side, proxy: InstanceInfo, rules: ProxyRules) -> str:
    """The connection manager that a group came through, nothing for those of other proxies and what is no request."""
    own = (group.source_namespace, group.source_pod)
    if side is Side.DESTINATION:
        own = (group.destination_namespace, group.pod)
    if own != (proxy.namespace, proxy.pod):
        return ""
    if side is Side.DESTINATION:
        if rules.served_filter(group.endpoint, group.session) is not None:
            return ""
        port = int(group.endpoint.rpartition(":")[2] or 0)
        return rules.inbound_prefixes.get(port, rules.inbound_prefixes.get(0, ""))
    if not group.routed:
        return ""
    if len(rules.outbound_prefixes) == 1:
        return next(iter(rules.outbound_prefixes.values()))
    port_text = group.cluster.split("|")[1] if group.cluster.startswith("outbound|") else ""
    return rules.outbound_prefixes.get(int(port_text or 0), "")


def _counted(group: Group) -> Iterable[tuple[str, int]]:
    yield "downstream_rq_total", group.requests
    yield "downstream_rq_completed", group.requests
    if group.status:
        yield f"downstream_rq_{group.status // 100}xx", group.requests
    flags = group.flags.split(",")
    if "DC" in flags:
        yield "downstream_rq_rx_reset", group.requests
    if "NR" in flags:
        yield "no_route", group.requests
    if "NC" in flags:
        yield "no_cluster", group.requests


def _tcp_stats(
    run: Run, proxy: InstanceInfo, rules: ProxyRules, counted: dict[tuple[str, str], int], at: Nanos | None
) -> Iterator[Stat]:
    """What its TCP proxies took in, from the recorded requests, and how sessions ended, as the proxy had counted.

    DEVIATION: nothing waits to be written when a client goes, so the upstream_flush statistics of TCP proxies are 0.
    """
    found: dict[str, dict[str, float]] = {}
    part = run.parts[0]
    weight = 1 / part.manifest.sampling
    for side in Side:
        for taker, flags, begun in _sessions(part, side, proxy, rules):
            if at is None or begun <= at:
                stats = found.setdefault(taker.prefix, dict.fromkeys(_TCP, 0.0))
                stats["downstream_cx_total"] += weight
                stats["downstream_cx_no_route"] += weight * ("NC" in flags.split(","))
    for (cluster, stat), value in counted.items():
        if stat.startswith(_SESSIONS) and cluster in rules.tcp:
            stats = found.setdefault(rules.tcp[cluster].prefix, dict.fromkeys(_TCP, 0.0))
            stats[stat.removeprefix(_SESSIONS)] += value
    for prefix, stats in found.items():
        for stat, count in stats.items():
            yield named("tcp", prefix, "tcp_prefix", stat, round(count))


def _sessions(run: Run, side: Side, proxy: InstanceInfo, rules: ProxyRules) -> Iterator[tuple[TcpFilter, str, Nanos]]:
    """The sessions of a proxy: which TCP proxy took them, with which flags they ended, and when they began."""
    inbound = side is Side.DESTINATION
    taker = rules.served_filter if inbound else rules.session_filter

    def reports(namespace: str, pod: str, there: str, session: str) -> Nanos:
        own = (namespace, pod) == (proxy.namespace, proxy.pod)
        return NO_SESSION if not own or taker(there, session) is None else 0

    table = sessions(run, side, reports)
    if not table.num_rows:
        return
    there = "endpoint" if inbound else "cluster"
    for row in table.select([there, "session", "flags", "time", "duration"]).to_pylist():
        found = taker(row[there], row["session"])
        if found is not None:
            yield found, row["flags"], row["time"] - row["duration"]
