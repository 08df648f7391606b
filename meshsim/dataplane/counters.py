"""Envoy's statistics of clusters by the names a user reads, from the columns and rare counts of the event core.

Names and what they count: Envoy 1.40, docs/root/configuration/upstream/cluster_manager/cluster_stats.rst, and the
sources that `core.note_end` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.dataplane import core
from meshsim.dataplane.storage import Tables

Ints = npt.NDArray[np.int64]

COLUMNS: Final[Mapping[str, str]] = {
    "upstream_cx_total": "cx_total",
    "upstream_cx_active": "connections",
    "upstream_cx_connect_fail": "cx_connect_fail",
    "upstream_cx_overflow": "cx_overflow",
    "upstream_rq_total": "rq_total",
    "upstream_rq_active": "active",
    "upstream_rq_pending_total": "rq_pending_total",
    "upstream_rq_pending_active": "pending",
    "upstream_rq_pending_overflow": "rq_pending_overflow",
    "upstream_rq_active_overflow": "rq_active_overflow",
    "upstream_rq_timeout": "rq_timeout",
    "upstream_rq_per_try_timeout": "rq_per_try_timeout",
    "upstream_rq_max_duration_reached": "rq_duration",
    "upstream_rq_retry": "rq_retry",
    "upstream_rq_retry_limit_exceeded": "rq_retry_limit",
    "upstream_rq_retry_overflow": "rq_retry_overflow",
    "lb_healthy_panic": "lb_panic",
    "outlier_detection.ejections_active": "ejected",
    "outlier_detection.ejections_enforced_total": "ejections",
    "outlier_detection.ejections_overflow": "ejections_overflow",
    "membership_total": "host_n",
}
"""Columns of a cluster by Envoy's names."""
GAUGES: Final = frozenset(
    {
        "upstream_cx_active",
        "upstream_rq_active",
        "upstream_rq_pending_active",
        "outlier_detection.ejections_active",
        "membership_total",
        "membership_healthy",
        "membership_degraded",
        "circuit_breakers.default.cx_open",
        "circuit_breakers.default.rq_open",
        "circuit_breakers.default.rq_pending_open",
        "circuit_breakers.default.rq_retry_open",
    }
)
"""Statistics that may fall, and that every cluster has."""
_OPEN: Final[Mapping[str, tuple[str, str]]] = {
    "circuit_breakers.default.cx_open": ("connections", "max_connections"),
    "circuit_breakers.default.rq_open": ("active", "max_requests"),
    "circuit_breakers.default.rq_pending_open": ("pending", "max_pending"),
    "circuit_breakers.default.rq_retry_open": ("retrying", "max_retries"),
}
_DETECTORS: Final = (
    "consecutive_5xx",
    "consecutive_gateway_failure",
    "consecutive_local_origin_failure",
    "success_rate",
    "failure_percentage",
    "local_origin_success_rate",
    "local_origin_failure_percentage",
)
_RARE: Final[Mapping[int, str]] = {
    core.CONNECT_TIMEOUT: "upstream_cx_connect_timeout",
    core.NONE_HEALTHY: "upstream_cx_none_healthy",
    core.PENDING_EJECT: "upstream_rq_pending_failure_eject",
    core.CANCELLED: "upstream_rq_cancelled",
    core.RX_RESET: "upstream_rq_rx_reset",
    core.TX_RESET: "upstream_rq_tx_reset",
    core.RETRY_SUCCESS: "upstream_rq_retry_success",
    core.BACKOFF_LIMITED: "upstream_rq_retry_backoff_ratelimited",
    core.CX_IDLE: "upstream_cx_idle_timeout",
    core.CX_LIFE: "upstream_cx_max_duration_reached",
    core.CX_POOLS: "upstream_cx_pool_overflow",
    core.CX_ATTEMPTS: "upstream_cx_connect_attempts_exceeded",
    core.FOLLOWED: "upstream_internal_redirect_succeeded_total",
    core.UNFOLLOWED: "upstream_internal_redirect_failed_total",
    **{core.DETECTED + i: f"outlier_detection.ejections_detected_{name}" for i, name in enumerate(_DETECTORS)},
    **{core.ENFORCED + i: f"outlier_detection.ejections_enforced_{name}" for i, name in enumerate(_DETECTORS)},
}
SESSIONS: Final = "tcp."
"""Before the names of statistics that are a TCP proxy's, of its sessions to a cluster; there once they were seen."""
_OF_SESSIONS: Final[Mapping[int, str]] = {
    core.SESSION_IDLE: f"{SESSIONS}idle_timeout",
    core.SESSION_LONG: f"{SESSIONS}max_downstream_connection_duration",
}
DERIVED: Final = (
    "upstream_cx_http1_total",
    "upstream_cx_http2_total",
    "upstream_cx_destroy",
    "upstream_rq_retry_backoff_exponential",
    "upstream_rq_completed",
    "upstream_rq_200",
    "upstream_rq_2xx",
    "upstream_rq_3xx",
    "upstream_rq_4xx",
    "upstream_rq_5xx",
)
"""Computed from others; a status but 200, and what was retried, has a name of its own once it has been seen."""
_UNNAMED: Final = 600
ALWAYS: Final = (*COLUMNS, "membership_healthy", "membership_degraded", *_OPEN, *_RARE.values(), *DERIVED)
"""Statistics that every cluster has, be they 0."""


class ClusterCounts(NamedTuple):
    """Statistics of all clusters at one instant: names, and a row of values for each cluster."""

    names: tuple[str, ...]
    values: Ints
    """Clusters by names."""

    def of(self, cluster: int) -> dict[str, int]:
        """Those of one cluster."""
        return dict(zip(self.names, self.values[cluster].tolist()))


def count_clusters(tables: Tables, cluster_of: Sequence[int], clusters: int) -> ClusterCounts:
    """The statistics of clusters, whose rows `cluster_of` names in order."""
    owner = np.array(cluster_of, np.int64)
    rows = len(owner)

    def column(name: str) -> Ints:
        return tables.field("cluster", name)[:rows]

    replaced = not np.array_equal(owner, np.arange(clusters))

    def by_cluster(values: Ints) -> Ints:
        if not replaced:
            return values
        total = np.zeros(clusters, np.int64)
        np.add.at(total, owner, values)
        return total

    found = {name: by_cluster(column(ours)) for name, ours in COLUMNS.items()}
    found["membership_total"] = by_cluster(np.where(column("owner") == 0, column("host_n"), 0))
    live, high = column("retired") == 0, column("pools") & core.BY_PRIORITY > 0
    for name, (used, most) in _OPEN.items():
        now = column(used)
        # Envoy looks whether one is open when what it counts changes: one that allows nothing stays closed.
        opened = live & (now > 0) & (now >= column(most))
        found[name] = by_cluster((opened & ~high).astype(np.int64))
        if high.any():
            found[name.replace("default", "high")] = by_cluster((opened & high).astype(np.int64))
    found |= _membership(tables, owner, clusters)
    http2, tcp = column("http2") == 1, column("drops") & core.SESSIONS > 0
    found["upstream_cx_http1_total"] = by_cluster(np.where(http2 | tcp, 0, column("cx_total")))
    found["upstream_cx_http2_total"] = by_cluster(np.where(http2, column("cx_total"), 0))
    found["upstream_cx_destroy"] = found["upstream_cx_total"] - found["upstream_cx_active"]
    rare = _rare(tables, owner, clusters)
    found |= {name: rare.get(what, np.zeros(clusters, np.int64)) for what, name in _RARE.items()}
    found |= {name: rare[what] for what, name in _OF_SESSIONS.items() if what in rare}
    limited = found["upstream_rq_retry_backoff_ratelimited"]
    found["upstream_rq_retry_backoff_exponential"] = found["upstream_rq_retry"] - limited
    sessions = by_cluster(np.where(tcp, column("rq_total") - column("active"), 0))
    found |= _answers(found, rare, sessions, clusters)
    return ClusterCounts(tuple(found), np.stack(list(found.values()), axis=1))


def grow_rare(tables: Tables) -> None:
    """Double the table of rare counts, whose places depend on its length."""
    size = tables.length("rare")
    kept = [row for row in tables.read_rows("rare", 0, size) if row[0]]
    tables.reserve("rare", 2 * size)
    places: dict[int, tuple[int, ...]] = {}
    for row in kept:
        at = core.mix(row[0]) & (2 * size - 1)
        while at in places:
            at = (at + 1) & (2 * size - 1)
        places[at] = row
    tables.write_rows("rare", 0, [places.get(at, (0, 0)) for at in range(2 * size)])
    tables.set("ctl", 0, "rare_full", 0)


def _membership(tables: Tables, owner: Ints, clusters: int) -> dict[str, Ints]:
    """Healthy and degraded hosts, as health and outlier detection have them."""
    row = tables.field("host", "cluster")
    used = tables.length("host") and (tables.field("host", "removed") == 0) & (tables.field("host", "weight") > 0)
    health = tables.field("host", "healthy")
    well = used & (tables.field("host", "ejected") == 0)
    kinds = {"membership_healthy": core.HEALTHY, "membership_degraded": core.DEGRADED}
    return {
        name: np.bincount(owner[row[well & (health == kind)]], minlength=clusters).astype(np.int64)
        for name, kind in kinds.items()
    }


def _rare(tables: Tables, owner: Ints, clusters: int) -> dict[int, Ints]:
    """Rare counts by what they count."""
    key = tables.field("rare", "key")
    taken = key > 0
    key, count = key[taken], tables.field("rare", "count")[taken]
    cluster, what = owner[(key >> 11) - 1], key & 2047
    found: dict[int, Ints] = {}
    for kind in np.unique(what):
        values = np.zeros(clusters, np.int64)
        np.add.at(values, cluster[what == kind], count[what == kind])
        found[int(kind)] = values
    return found


def _answers(found: Mapping[str, Ints], rare: Mapping[int, Ints], sessions: Ints, clusters: int) -> dict[str, Ints]:
    """Final answers by status and class, and those that were retried.

    Attempts end once each, most of them with 200: what is not noted otherwise is one. Sessions have no status.
    """
    none = np.zeros(clusters, np.int64)
    ended = found["upstream_rq_total"] - found["upstream_rq_active"] - sessions + rare.get(core.UNATTACHED, none)
    final = ended - found["upstream_rq_retry"] - rare.get(core.UNCHARGED, none)
    noted = {status: values for status, values in rare.items() if status < core.FOLLOWED}
    retried = {what - core.RETRIED: v for what, v in rare.items() if core.RETRIED <= what < core.UNATTACHED}
    statuses = {200: final - sum(noted.values(), none), **noted}
    names = {"upstream_rq_completed": final, **_by_status("", statuses, none)}
    if retried:
        names["retry.upstream_rq_completed"] = sum(retried.values(), none)
        names |= _by_status("retry.", retried, none)
    return names


def _by_status(prefix: str, statuses: Mapping[int, Ints], none: Ints) -> dict[str, Ints]:
    """Counters of answers by status and class; Envoy has names for statuses below 600 alone (source/common/http/
    codes.cc, upstreamRqStatName)."""
    known = {status: values for status, values in statuses.items() if status < _UNNAMED}
    names = {f"{prefix}upstream_rq_{status}": values for status, values in sorted(known.items())}
    if len(known) < len(statuses):
        names[f"{prefix}upstream_rq_unknown"] = sum((v for s, v in statuses.items() if s >= _UNNAMED), none)
    classes = sorted({2, 3, 4, 5, *(status // 100 for status in known)})
    for n in classes:
        of_class = (values for status, values in known.items() if status // 100 == n)
        names[f"{prefix}upstream_rq_{n}xx"] = sum(of_class, none)
    return names
