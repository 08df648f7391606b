"""Log rows of the engine as columns of a recording: every number replaced by the name it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from meshsim.dataplane.engine import Edge, Engine
from meshsim.dataplane.specs import Flag
from meshsim.recording import Coded, RunSink
from meshsim.units import Nanos
from meshsim.world.counting import CountedCluster
from meshsim.world.directory import Directory, Group
from meshsim.world.flows import Flow

Codes = npt.NDArray[np.integer[Any]]


@dataclass(slots=True)
class _Names:
    """A growing list of distinct names."""

    names: list[str] = field(default_factory=list)
    _codes: dict[str, int] = field(default_factory=dict)

    def code(self, name: str) -> int:
        found = self._codes.get(name)
        if found is None:
            found = self._codes[name] = len(self.names)
            self.names.append(name)
        return found


class RequestRecorder:
    """Translates batches of log rows; remembers what it has translated."""

    def __init__(self, engine: Engine, directory: Directory, flows: list[Flow], traffic: list[str]) -> None:
        self._engine = engine
        self._directory = directory
        self._flows = flows
        self._traffic = traffic
        self.clusters: list[CountedCluster] = []
        """By their number in the engine."""
        self._secured: dict[tuple[int, str], list[tuple[Nanos, str]]] = {}
        """How connections to an endpoint of a cluster have been protected, and since when."""

    def note_cluster(self, cluster: CountedCluster) -> None:
        """The next cluster of the engine has these names."""
        self.clusters.append(cluster)

    def note_security(self, cluster: int, endpoint: str, security: str, since: Nanos) -> None:
        """Connections to an endpoint are protected like this from now on."""
        known = self._secured.setdefault((cluster, endpoint), [])
        if not known or known[-1][1] != security:
            known.append((since, security))

    def write(self, rows: npt.NDArray[np.void], sink: RunSink) -> None:
        """Hand a batch of log rows over as columns."""
        if len(rows) == 0:
            return
        log = _columns(rows)
        columns: dict[str, Any] = {name: log[name] for name in ("root", "request", "attempt", "start", "status")}
        for name in ("parent", "attempt_start", "arrived", "served", "done", "end", "request_end"):
            columns[name] = np.where(log[name] == 0, -1, log[name])
        columns["last"] = log["last"] != 0
        columns["mirror"] = log["mirror"] != 0
        columns["traffic"] = _coded(log["source"], [*self._traffic, ""])
        used, flow = _numbered(log["flow"])
        flows = [self._flows[number] for number in used.tolist()]
        columns.update(_of_flow(flow, flows))
        columns.update(self._of_destination(flow, flows, log["pod"]))
        columns["route"] = _routes(flow, flows, log["route_version"])
        columns.update(self._of_host(log["host"], log["attempt_start"]))
        columns["cluster"] = _coded(log["cluster"], [*(cluster.name for cluster in self.clusters), ""])
        columns["flags"] = _flags(log["flags"])
        sink.add_requests(columns)

    def write_series(self, cells: npt.NDArray[np.void], sink: RunSink) -> None:
        """Hand the engine's own counts over as columns, mirrored copies left out."""
        cells = cells[cells["mirror"] == 0]
        if len(cells) == 0:
            return
        flows = {Edge(self._directory.group_number(f.source), f.call, f.traffic): f for f in self._flows}
        edges = [flows[edge] for edge in self._engine.edges]
        groups = list(self._directory.groups)
        edge, workload = cells["edge"], cells["workload"]
        # Requests that reached no pod count for whom they were meant, which their edge tells.
        place = np.where(workload >= 0, workload, len(groups) + edge)
        reached = [*groups, *(f.expected._replace(version="") for f in edges)]
        sink.add_series(
            {
                "second": cells["second"],
                "traffic": _coded(edge, [self._traffic[f.traffic] if f.traffic >= 0 else "" for f in edges]),
                **_coded_groups("source", edge, [f.source for f in edges]),
                **_coded_groups("destination", place, reached),
                "service": _coded(edge, [f.service for f in edges]),
                "status": cells["status"],
                "flags": _flags(cells["flags"]),
                "bucket": cells["bucket"],
                "count": cells["requests"],
                "total": cells["total"],
            }
        )

    def _of_destination(self, flow: Codes, flows: list[Flow], pod: Codes) -> dict[str, Coded]:
        """Groups of the pods reached; of requests that reached none, what their host means."""
        pods = list(self._directory.all)
        place = np.where(pod >= 0, pod, len(pods) + flow)
        wanted = [f.expected._replace(version="") for f in flows]
        return {
            **_coded_groups("destination", place, [*(p.group for p in pods), *wanted]),
            "pod": _coded(pod, [*(p.name for p in pods), ""]),
        }

    def _of_host(self, host: Codes, start: Codes) -> dict[str, Coded]:
        """The endpoint of each attempt, and how the connection to it was protected."""
        used, place = _numbered(host)
        endpoints = [self._endpoint(row) for row in used.tolist()]
        known = [self._secured.get(endpoint, []) for endpoint in endpoints]
        names = _Names()
        last = np.array([names.code(k[-1][1] if k else "") for k in known], np.int32)
        codes = last[place]
        for at, moments in enumerate(known):
            if len(moments) > 1:
                rows = np.flatnonzero(place == at)
                turn = np.searchsorted([since for since, _ in moments], start[rows], side="right") - 1
                codes[rows] = np.array([names.code(security) for _, security in moments])[np.maximum(turn, 0)]
        return {
            "endpoint": _coded(place, [endpoint for _, endpoint in endpoints]),
            "security": Coded(codes, names.names or [""]),
        }

    def _endpoint(self, row: int) -> tuple[int, str]:
        if row < 0:
            return -1, ""
        cluster, endpoint = self._engine.host_name(row)
        return cluster, str(endpoint)


_BLOCK: Final = 2048
"""Rows that a processor keeps close while they are taken apart."""


def _columns(rows: npt.NDArray[np.void]) -> dict[str, Codes]:
    """Rows taken apart, some at a time: all rows are read once, not once for each column."""
    found = {name: np.empty(len(rows), rows.dtype[name]) for name in rows.dtype.names or ()}
    for at in range(0, len(rows), _BLOCK):
        block = rows[at : at + _BLOCK]
        for name, column in found.items():
            column[at : at + _BLOCK] = block[name]
    return found


def _numbered(values: Codes) -> tuple[Codes, Codes]:
    """The different numbers, of -1 and above, in order, and the place of each value among them."""
    shifted = values + 1
    seen = np.zeros(int(shifted.max()) + 1, bool)
    seen[shifted] = True
    used = np.flatnonzero(seen)
    place = np.zeros(len(seen), np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return used - 1, place[shifted]


def _of_flow(flow: Codes, flows: list[Flow]) -> dict[str, Coded]:
    return {
        **_coded_groups("source", flow, [f.source for f in flows]),
        "source_pod": _coded(flow, [f.source_pod for f in flows]),
        "service": _coded(flow, [f.service for f in flows]),
        "call": _coded(flow, [f"{f.method} {f.path}" for f in flows]),
    }


def _routes(flow: Codes, flows: list[Flow], version: Codes) -> Coded:
    """Names of the routes in force under the versions of each flow."""
    names = [["", *f.routes] for f in flows]
    first = np.cumsum([0, *(len(known) for known in names)])
    return _coded(first[flow] + version, [name for known in names for name in known])


def _coded_groups(side: str, codes: Codes, groups: list[Group]) -> dict[str, Coded]:
    """Application, namespace and version of numbered groups."""
    distinct: dict[Group, int] = {}
    table = np.array([distinct.setdefault(group, len(distinct)) for group in groups] or [0], np.int32)
    place = table[codes]
    return {
        side: _coded(place, [group.app for group in distinct]),
        f"{side}_namespace": _coded(place, [group.namespace for group in distinct]),
        f"{side}_version": _coded(place, [group.version for group in distinct]),
    }


def _coded(codes: Codes, names: list[str]) -> Coded:
    """Numbers as names, equal names under one code."""
    distinct = _Names()
    table = np.array([distinct.code(name) for name in names] or [0], np.int32)
    return Coded(table[codes], distinct.names or [""])


def _flags(flags: Codes) -> Coded:
    used, place = _numbered(flags)
    return _coded(place, [flag_text(value) for value in used.tolist()])


def flag_text(value: int) -> str:
    """Response flags as an access log writes them, such as ``URX,UT``."""
    return ",".join(flag.name or "" for flag in Flag if flag and value & flag)
