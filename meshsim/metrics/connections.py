"""Sessions of TCP proxies in a recording, as the proxies on both sides report them: opened and closed.

istio/proxy source/extensions/filters/http/istio_stats/istio_stats.cc (onNewConnection, reportHelper), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meshsim.metrics.requests import Group, Side, grouped, mapped, reported
from meshsim.recording import Run
from meshsim.units import Nanos

OPENED: Final = "tcp_connections_opened_total"
CLOSED: Final = "tcp_connections_closed_total"
NO_SESSION: Final = -1
Reports = Callable[[str, str, str, str], Nanos]
"""How often a proxy (namespace, pod) reports while it lasts what went to a cluster or came to an endpoint, and was a
session for that cluster (empty: none) to its caller; 0 = when it ends; `NO_SESSION` for what no TCP proxy handled."""


def connection_groups(
    run: Run, side: Side, until: Nanos, reports: Reports, step: Nanos = 0
) -> Iterator[tuple[str, Group]]:
    """Sessions with the metric they count into before `until`, in steps of so much time, or 0 for all at once.

    A session counts as opened at the first report after its peer has told who it is, with no flags, or when it closes,
    with those it has then.
    DEVIATION: sessions that have not ended when a run does are not told, neither as opened nor in the statistics of TCP
    proxies.
    """
    table = sessions(run, side, reports)
    if not table.num_rows:
        return
    closed, opened = table["time"].to_numpy(), table["opened"].to_numpy()
    flags = np.where(opened < closed, "", np.array(table["flags"].to_pylist(), object))
    table = _with(table, "flags", pa.array(flags.tolist(), pa.string()))
    for metric, time in ((OPENED, opened), (CLOSED, closed)):
        for group in grouped(_with(table, "time", pa.array(time)), until, step):
            yield metric, group


def sessions(run: Run, side: Side, reports: Reports) -> Any:
    """The rows of sessions alone: when they were reported as `opened` and closed (`time`), and whether they `heard` of
    their host, being connected to it."""
    table = reported(run, side)
    if not table.num_rows:
        return table
    own = ("source_namespace", "source_pod") if side is Side.SOURCE else ("destination_namespace", "pod")
    there = ("cluster" if side is Side.SOURCE else "endpoint", "session")
    keys = pc.binary_join_element_wise(*(table[name] for name in (*own, *there)), "\n")
    interval = mapped(keys, lambda key: reports(*key.split("\n")))
    table = table.append_column("interval", pa.array(interval)).filter(pa.array(interval != NO_SESSION))
    if side is Side.DESTINATION:
        table = _as_server(table)
    closed, interval, met = (table[name].to_numpy() for name in ("time", "interval", "arrived"))
    begun = closed - table["duration"].to_numpy()
    ticks = -(-np.maximum(met - begun, 1) // np.maximum(interval, 1))
    early = np.where((interval > 0) & (met >= 0), begun + ticks * interval, closed)
    table = table.append_column("opened", pa.array(np.minimum(early, closed)))
    table = _with(table, "heard", pa.array(met >= 0))
    return table.append_column("bin", pa.array(np.zeros(len(closed), np.int64)))


def _as_server(table: Any) -> Any:
    """With the flags of the server's own TCP proxy: its application may not have taken the connection, which it then
    resets."""
    untaken = pc.and_(pc.less(table["served"], 0), pc.equal(table["caller_flags"], "UR"))
    return _with(table, "flags", pc.if_else(untaken, "UF,URX", ""))


def _with(table: Any, name: str, values: Any) -> Any:
    return table.set_column(table.schema.get_field_index(name), name, values)
