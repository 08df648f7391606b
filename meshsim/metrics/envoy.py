"""Envoy's statistics of one proxy at an instant, by their full names: clusters and HTTP connection managers.

Names: Envoy docs/root/configuration/upstream/cluster_manager/cluster_stats.rst and http/http_conn_man/stats.rst (1.40);
labels in Prometheus text as Istio's bootstrap extracts them (istio tools/packaging/common/envoy_bootstrap.json).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow.compute as pc

from meshsim.metrics.requests import Group, Side, request_groups
from meshsim.metrics.rules import ProxyRules
from meshsim.recording import InstanceInfo, Run
from meshsim.units import Nanos

_GAUGE: Final = re.compile(r"(_active|_open|membership_(total|healthy|degraded))$")
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
    found = [*_cluster_stats(run, proxy, rules, at), *_http_stats(run, proxy, rules, at)]
    return sorted(found, key=lambda stat: stat.name)


def _cluster_stats(run: Run, proxy: InstanceInfo, rules: ProxyRules, at: Nanos | None) -> Iterator[Stat]:
    table = run.parts[0].counters()
    table = table.filter(pc.equal(table["proxy"], f"{proxy.pod}.{proxy.namespace}"))
    if at is not None:
        table = table.filter(pc.less_equal(table["time"], at))
    last = {(row["cluster"], row["stat"]): row["value"] for row in table.to_pylist()}
    for (cluster, stat), value in last.items():
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
    """The connection manager that a group of requests came through, nothing for those of other proxies."""
    own = (group.source_namespace, group.source_pod)
    if side is Side.DESTINATION:
        own = (group.destination_namespace, group.pod)
    if own != (proxy.namespace, proxy.pod):
        return ""
    if side is Side.DESTINATION:
        port = int(group.endpoint.rpartition(":")[2] or 0)
        return rules.inbound_prefixes.get(port, rules.inbound_prefixes.get(0, ""))
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
