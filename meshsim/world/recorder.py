"""Log rows of the engine as columns of a recording: every number replaced by the name it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.dataplane.engine import Edge, Engine
from meshsim.dataplane.specs import Flag
from meshsim.recording import Coded, Names, RunSink
from meshsim.units import SECOND, Nanos
from meshsim.world.counting import CountedCluster
from meshsim.world.directory import Directory, Group
from meshsim.world.flows import Flow
from meshsim.world.naming import Moments, NumberedNames

Codes = npt.NDArray[np.integer[Any]]
Endpoint = tuple[int, str]
"""A cluster of the engine, and an address with port."""


class Meaning(NamedTuple):
    """Whom the requests of a flow are for."""

    service: str
    group: Group
    """What its host means, for requests that reach no pod."""


class RequestRecorder:
    """Translates batches of log rows; remembers what it has translated."""

    def __init__(self, engine: Engine, directory: Directory, flows: list[Flow], traffic: list[str]) -> None:
        self._engine = engine
        self._directory = directory
        self._flows = flows
        self._traffic = traffic
        self.clusters: list[CountedCluster] = []
        """By their number in the engine."""
        self._parting = _Parting()
        self._security = _Security()
        self._of_source = NumberedNames(["traffic"], lambda source: ["" if source == 0 else traffic[source - 1]])
        self._of_flow = NumberedNames(_FLOW, self._flow_names)
        self._meanings: Moments[Meaning] = Moments()
        self._turns = 1
        """Meanings of a flow that have numbers."""
        self._number_meanings()
        self._of_route = NumberedNames(["route", "session"], self._way)
        self._of_host = NumberedNames(["endpoint", "security"], self._host_names)
        self._of_cluster = NumberedNames(["cluster"], lambda n: ["" if n == 0 else self.clusters[n - 1].name])
        self._of_flags = NumberedNames(["flags"], lambda flags: [flag_text(flags)])
        # Counts are handed over by another thread than rows.
        self._of_counted_flags = NumberedNames(["flags"], lambda flags: [flag_text(flags)])
        self._versions = 2
        """Versions of a flow's route that have numbers."""

    def note_cluster(self, cluster: CountedCluster) -> None:
        """The next cluster of the engine has these names."""
        self.clusters.append(cluster)

    def note_security(self, cluster: int, endpoint: str, security: str, since: Nanos) -> None:
        """Connections to an endpoint are protected like this from now on."""
        self._security.note((cluster, endpoint), security, since)

    def note_meaning(self, flow: Flow, since: Nanos) -> None:
        """Requests of a flow are for this service from now on."""
        self._meanings.note(flow.number, since, Meaning(flow.service, flow.expected._replace(version="")))

    def write(self, rows: npt.NDArray[np.void], sink: RunSink) -> None:
        """Hand a batch of log rows over as columns."""
        if len(rows) == 0:
            return
        log = self._parting.columns(rows)
        columns: dict[str, Any] = {name: log[name] for name in _AS_THEY_ARE}
        columns["last"] = log["last"].view(bool)
        columns["mirror"] = log["mirror"].view(bool)
        columns.update(self._of_source.columns(log["source"] + 1))
        columns.update(self._of_flow.columns(log["flow"]))
        meant = self._meant(log["flow"], log["start"])
        columns.update(self._of_service.columns(meant))
        columns.update(self._of_place.columns(_places(log["pod"], meant)))
        columns.update(self._routes(log["flow"], log["route_version"]))
        columns.update(self._of_host.columns(log["host"] + 1))
        if self._security.changed:
            columns["security"] = self._security.turned(columns["security"], self._of_host.names("security"), log)
        columns.update(self._of_cluster.columns(log["cluster"] + 1))
        columns.update(self._of_flags.columns(log["flags"]))
        sink.add_requests(columns)

    def _flow_names(self, number: int) -> list[str]:
        flow = self._flows[number]
        return [*flow.source, flow.source_pod, f"{flow.method} {flow.path}"]

    def _meant(self, flow: Codes, start: Codes) -> Codes:
        """A number for each meaning of each flow: that in force when the request was sent."""
        turn = self._meanings.turns(flow, start)
        most = int(turn.max())
        if most >= self._turns:
            self._turns = 1 << most.bit_length()
            self._number_meanings()
        return flow.astype(np.intp) * self._turns + turn

    def _number_meanings(self) -> None:
        self._of_service = NumberedNames(["service"], lambda meant: [self._meaning(meant).service])
        self._of_place = NumberedNames(_PLACE, self._place_names)

    def _meaning(self, meant: int) -> Meaning:
        flow, turn = divmod(meant, self._turns)
        return self._all_meanings(self._flows[flow])[turn]

    def _all_meanings(self, flow: Flow) -> list[Meaning]:
        return self._meanings.of(flow.number) or [Meaning(flow.service, flow.expected._replace(version=""))]

    def _place_names(self, place: int) -> list[str]:
        """Group and name of a pod; of what a flow's host means, without a pod."""
        number, unreached = divmod(place, 2)
        if unreached:
            return [*self._meaning(number).group, ""]
        pod = self._directory.all[number]
        return [*pod.group, pod.name]

    def _routes(self, flow: Codes, version: Codes) -> dict[str, Coded | str]:
        """Names of the routes in force, or of TCP proxies' clusters: each version of each flow's route has a number."""
        most = int(version.max())
        if most >= self._versions:
            self._versions = 1 << most.bit_length()
            self._of_route = NumberedNames(["route", "session"], self._way)
        return self._of_route.columns(flow.astype(np.intp) * self._versions + version)

    def _way(self, number: int) -> Sequence[str]:
        flow, version = divmod(number, self._versions)
        return self._flows[flow].way(version)

    def _host_names(self, number: int) -> list[str]:
        """Address of an endpoint, and how connections to it have been protected first."""
        if number == 0:
            return ["", ""]
        cluster, key = self._engine.host_name(number - 1)
        return [str(key), self._security.first(number - 1, (cluster, str(key)))]

    def write_series(self, cells: npt.NDArray[np.void], sink: RunSink) -> None:
        """Hand the engine's own counts over as columns, mirrored copies left out."""
        cells = cells[cells["mirror"] == 0]
        if len(cells) == 0:
            return
        flows = {Edge(self._directory.group_number(f.source), f.call, f.traffic): f for f in self._flows}
        edges = [flows[edge] for edge in self._engine.edges]
        groups = list(self._directory.groups)
        edge, workload = cells["edge"], cells["workload"]
        meanings = [self._all_meanings(f) for f in edges]
        first = np.cumsum([0, *map(len, meanings)])
        number = np.array([f.number for f in edges])
        meant = first[edge] + self._meanings.turns(number[edge], cells["second"] * SECOND)
        # Requests that reached no pod count for whom they were meant, which their flow tells.
        place = np.where(workload >= 0, workload, len(groups) + meant)
        reached = [*groups, *(meaning.group for known in meanings for meaning in known)]
        sink.add_series(
            {
                "second": cells["second"],
                "traffic": _coded(edge, [self._traffic[f.traffic] if f.traffic >= 0 else "" for f in edges]),
                **_coded_groups("source", edge, [f.source for f in edges]),
                **_coded_groups("destination", place, reached),
                "service": _coded(meant, [meaning.service for known in meanings for meaning in known]),
                "status": cells["status"],
                **self._of_counted_flags.columns(cells["flags"]),
                "bucket": cells["bucket"],
                "count": cells["requests"],
                "total": cells["total"],
            }
        )


class _Security:
    """How connections to endpoints have been protected, and since when."""

    def __init__(self) -> None:
        self._known: dict[Endpoint, list[tuple[Nanos, str]]] = {}
        self.changed: list[Endpoint] = []
        """Endpoints whose connections have been protected differently."""
        self._hosts: dict[Endpoint, list[int]] = {}
        """Hosts of the engine that were met, by endpoint."""

    def note(self, endpoint: Endpoint, security: str, since: Nanos) -> None:
        """It is like this from now on."""
        known = self._known.setdefault(endpoint, [])
        if known and known[-1][1] == security:
            return
        known.append((since, security))
        if len(known) == 2:
            self.changed.append(endpoint)

    def first(self, host: int, endpoint: Endpoint) -> str:
        """How it was at first; empty where nobody said."""
        self._hosts.setdefault(endpoint, []).append(host)
        known = self._known.get(endpoint)
        return known[0][1] if known else ""

    def turned(self, first: Coded | str, names: Names, log: Mapping[str, Codes]) -> Coded:
        """How it was when each attempt began, given how it was at first."""
        codes = first.codes if isinstance(first, Coded) else np.zeros(len(log["host"]), np.uint8)
        for endpoint in self.changed:
            since = [moment for moment, _ in self._known[endpoint]]
            known = np.array([names.code(security) for _, security in self._known[endpoint]])
            for host in self._hosts.get(endpoint, ()):
                rows = np.flatnonzero(log["host"] == host)
                turn = np.searchsorted(since, log["attempt_start"][rows], side="right") - 1
                codes[rows] = known[np.maximum(turn, 0)]
        return Coded(codes, names)


_FLOW: Final = ("source_namespace", "source", "source_version", "source_pod", "call")
_PLACE: Final = ("destination_namespace", "destination", "destination_version", "pod")
_NEVER: Final = ("parent", "attempt_start", "arrived", "served", "done", "end", "request_end")
"""What the engine writes as 0 where it did not happen, and a recording as -1."""
_AS_THEY_ARE: Final = ("root", "request", "attempt", "start", "status", *_NEVER)
_WORD: Final = 8
_BLOCK: Final = 1024
"""Rows that a processor keeps close while they are taken apart."""


class _Parting:
    """Takes rows apart in memory of its own, which the next rows overwrite."""

    def __init__(self) -> None:
        self._words = np.zeros((0, 0), np.int64)
        self._near = np.zeros((_BLOCK, 0), np.int64)

    def columns(self, rows: npt.NDArray[np.void]) -> dict[str, Codes]:
        """The fields of rows; what did not happen is at -1."""
        words = self._turned(rows)
        found = {}
        for name, (dtype, offset, *_) in (rows.dtype.fields or {}).items():
            word, rest = divmod(offset, _WORD)
            found[name] = words[word].view(dtype)[rest // dtype.itemsize :: _WORD // dtype.itemsize]
        for name in _NEVER:
            np.putmask(found[name], found[name] == 0, -1)
        return found

    def _turned(self, rows: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        """All first words of eight bytes, all second ones, and so on."""
        width = rows.dtype.itemsize // _WORD
        if len(rows) > self._words.shape[1] or width != len(self._words):
            self._words = np.zeros((width, len(rows)), np.int64)
            self._near = np.zeros((_BLOCK, width), np.int64)
        table = np.ascontiguousarray(rows).view(np.int64).reshape(-1, width)
        for at in range(0, len(rows), _BLOCK):
            # The copy reads memory in order, which is faster than to read a word of each row.
            near = self._near[: len(rows) - at]
            near[:] = table[at : at + _BLOCK]
            self._words[:, at : at + len(near)] = near.T
        return self._words[:, : len(rows)]


def _places(pod: Codes, meant: Codes) -> Codes:
    """A number for each pod that was reached, and for each meaning of a flow where none was."""
    places = pod.astype(np.intp) * 2
    unreached = np.flatnonzero(pod < 0)
    places[unreached] = meant[unreached] * 2 + 1
    return places


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
    distinct = Names()
    table = np.array([distinct.code(name) for name in names] or [0], np.int32)
    return Coded(table[codes], distinct)


def flag_text(value: int) -> str:
    """Response flags as an access log writes them, such as ``URX,UT``."""
    return ",".join(flag.name or "" for flag in Flag if flag and value & flag)
