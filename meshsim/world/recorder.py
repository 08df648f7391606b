"""Log rows of the engine as columns of a recording: every number replaced by the name it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from meshsim.dataplane.engine import Edge, Engine
from meshsim.dataplane.specs import Flag
from meshsim.recording import Coded, RunSink
from meshsim.world.directory import Directory, Group
from meshsim.world.flows import Flow

Codes = npt.NDArray[np.int64]


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
        self._clusters: list[str] = []

    def note_cluster(self, name: str) -> None:
        """The next cluster number of the engine has this name."""
        self._clusters.append(name)

    def write(self, rows: npt.NDArray[np.void], sink: RunSink) -> None:
        """Hand a batch of log rows over as columns."""
        if len(rows) == 0:
            return
        flow = rows["flow"]
        columns: dict[str, Any] = {name: rows[name] for name in ("root", "request", "attempt", "start", "status")}
        columns["parent"] = np.where(rows["parent"] == 0, -1, rows["parent"])
        for name in ("attempt_start", "arrived", "served", "done", "end", "request_end"):
            columns[name] = np.where(rows[name] == 0, -1, rows[name])
        columns["last"] = rows["last"] != 0
        columns["mirror"] = rows["mirror"] != 0
        columns["traffic"] = _coded(rows["source"], [*self._traffic, ""])
        columns.update(self._of_flow(flow))
        columns.update(self._of_destination(flow, rows["pod"]))
        columns["endpoint"] = self._endpoints(rows["host"])
        columns["cluster"] = _coded(rows["cluster"], [*self._clusters, ""])
        columns["route"] = self._routes(flow, rows["route_version"])
        columns["flags"] = _flags(rows["flags"])
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

    def _of_flow(self, flow: Codes) -> dict[str, Coded]:
        return {
            **_coded_groups("source", flow, [f.source for f in self._flows]),
            "source_pod": _coded(flow, [f.source_pod for f in self._flows]),
            "service": _coded(flow, [f.service for f in self._flows]),
            "call": _coded(flow, [f"{f.method} {f.path}" for f in self._flows]),
        }

    def _of_destination(self, flow: Codes, pod: Codes) -> dict[str, Coded]:
        """Groups of the pods reached; of requests that reached none, what their host means."""
        pods = self._directory.all
        count = len(pods)
        place = np.where(pod >= 0, pod, count + flow)
        wanted = [f.expected._replace(version="") for f in self._flows]
        return {
            **_coded_groups("destination", place, [*(p.group for p in pods), *wanted]),
            "pod": _coded(pod, [*(p.name for p in pods), ""]),
        }

    def _endpoints(self, host: Codes) -> Coded:
        used, inverse = np.unique(host, return_inverse=True)
        names = ["" if row < 0 else str(self._engine.host_name(int(row))[1]) for row in used]
        return _coded(inverse.astype(np.int64), names)

    def _routes(self, flow: Codes, version: Codes) -> Coded:
        key = flow * (1 << 24) + version
        used, inverse = np.unique(key, return_inverse=True)
        names = [self._flows[int(k) >> 24].route_name(int(k) & 0xFFFFFF) for k in used]
        return _coded(inverse.astype(np.int64), names)


def _coded_groups(side: str, codes: Codes, groups: list[Group]) -> dict[str, Coded]:
    """Application, namespace and version of numbered groups."""
    return {
        side: _coded(codes, [group.app for group in groups]),
        f"{side}_namespace": _coded(codes, [group.namespace for group in groups]),
        f"{side}_version": _coded(codes, [group.version for group in groups]),
    }


def _coded(codes: Codes, names: list[str]) -> Coded:
    """Numbers as names, equal names under one code."""
    distinct = _Names()
    table = np.array([distinct.code(name) for name in names] or [0], np.int64)
    picked = table[codes] if len(codes) else codes
    return Coded(picked.astype(np.int32), distinct.names or [""])


def _flags(flags: Codes) -> Coded:
    used, inverse = np.unique(flags, return_inverse=True)
    return _coded(inverse.astype(np.int64), [flag_text(int(value)) for value in used])


def flag_text(value: int) -> str:
    """Response flags as an access log writes them, such as ``URX,UT``."""
    return ",".join(flag.name or "" for flag in Flag if flag and value & flag)
