"""The model's part of `envoy_sessions`: the same cases played by the event core."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from meshsim.dataplane import core
from meshsim.dataplane.active import load_config
from meshsim.dataplane.counters import SESSIONS
from meshsim.dataplane.decide import Connection, Decision, decide_direct
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.layout import row_of
from meshsim.dataplane.scripted import HANG, Allowed, Arrival, Ended, Meeting, ScriptedTables
from meshsim.dataplane.specs import Flag, FlowSpec, HostSpec, InboundKind
from meshsim.testing.meshes import HANDLER, POD, PROXY
from meshsim.units import MILLISECOND
from meshsim.world.translation import cluster_spec, forward_route, host_place, session_cluster
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import from_json

CLIENT = "127.0.0.1"
LATENCY = 50_000
_ANSWER = row_of("inbound", kind=core.IN_REPLY, status=200)
_FIN = row_of("inbound", kind=core.IN_RESET, how=core.TERMINATED)
_RESET = row_of("inbound", kind=core.IN_RESET, how=core.TERMINATED, flag=core.UR)
_COUNTED = ("idle_timeout", "max_downstream_connection_duration")


class Told(NamedTuple):
    """What the model says of a session: `Outcome`, less how the connection closed."""

    answered: bool
    after: float
    flags: str
    attempts: int
    host: str


class Played(NamedTuple):
    """What the model says of a case: `Seen`."""

    sessions: list[Told]
    clusters: list[dict[str, int]]
    proxy: dict[str, int]


class Play:
    """One case with one seed."""

    def __init__(self, lab: ModuleType, number: int, case: Any, seed: int) -> None:
        self.lab, self.number, self.case, self.seed = lab, number, case, seed
        self.tables = ScriptedTables(self)
        self.engine = Engine(seed, tables=self.tables, sample_rate=1.0)
        self.proxy = self.engine.add_proxy(PROXY)
        self.handler = self.engine.add_handler(HANDLER)
        self.pod = self.engine.add_pod(POD)
        self.names: dict[str, str] = {f"{lab.HOST}:{port}": name for name, port in lab.PORTS.items()}
        self.sessions: dict[int, int] = {}
        decision = self.decide(case.hosts[0])
        self.clusters = []
        for upstream in decision.upstreams:
            assert upstream.cluster is not None
            spec = session_cluster(cluster_spec(self.proxy, upstream.cluster, False, upstream.assignment))
            self.clusters.append(self.engine.add_cluster(spec))
        weights = [
            (number, upstream.weight) for number, upstream in zip(self.clusters, decision.upstreams, strict=True)
        ]
        for i, upstream in enumerate(decision.upstreams):
            self.engine.set_hosts(self.clusters[i], self.hosts(upstream))
        for update in case.updates:
            later = self.hosts(self.decide(update.hosts).upstreams[0])
            self.engine.set_hosts(self.clusters[0], later, update.at * MILLISECOND)
        flow = FlowSpec(proxy=self.proxy, workload=0, pod=-1, call=-1)
        self.flow = self.engine.add_flow(flow, forward_route(decision, tuple(weights), (), client=CLIENT))

    def decide(self, hosts: tuple[str, ...]) -> Decision:
        """What the proxy does with connections, where the first cluster has these hosts."""
        case = self.case._replace(hosts=(hosts, *self.case.hosts[1:]))
        made = [from_json(body, cluster_pb2.Cluster) for body in self.lab.clusters(self.number, case)]
        heard = from_json(self.lab.listener(self.number, case), listener_pb2.Listener)
        bodies = {
            type_urls.CLUSTER: {body.name: body.SerializeToString() for body in made},
            type_urls.LISTENER: {heard.name: heard.SerializeToString()},
        }
        config, refused = load_config(bodies)
        assert not refused
        port = self.lab.FIRST_PORT + self.number
        connection = Connection(source=CLIENT, destination=self.lab.LISTENER, destination_port=port)
        return decide_direct(config, connection, None, resolve=False)

    def hosts(self, upstream: Any) -> Sequence[tuple[str, HostSpec]]:
        """The hosts of a cluster."""
        tls = "transport_socket" in self.case.cluster
        groups = upstream.assignment.localities if upstream.assignment is not None else ()
        found = []
        for group in groups:
            for endpoint in group.endpoints:
                name = self.names[str(endpoint)]
                silent = name == "full" or (tls and name != "closed" and not name.startswith("tls"))
                spec = HostSpec(
                    pod=self.pod,
                    handler=self.handler,
                    latency=LATENCY,
                    jitter=0,
                    handshake_rtts=2 if tls else 1,
                    inbound=InboundKind.REFUSE if name == "closed" else InboundKind.SERVE,
                    reachable=not silent,
                    **host_place(upstream.cluster, group, endpoint),
                )
                found.append((name, spec))
        return found

    def meet(self, arrival: Arrival) -> Meeting:
        """What a session meets at its host."""
        name = str(self.engine.host_name(arrival.host)[1])
        delay = self.case.sessions[self.sessions[arrival.request]].lasts * MILLISECOND
        if name == "mute":
            return Meeting(HANG, 0)
        row = _RESET if name.endswith("reset") else _FIN if name == "fin" else _ANSWER
        return Meeting(self.engine.met_rows((row,)), delay)

    def ended(self, end: Ended) -> None:
        """The log tells."""

    def check(self, host: int, time: int) -> Meeting:
        """Nobody checks."""
        raise AssertionError(host, time)

    def allows(self, host: int) -> Allowed | None:
        """Nobody announces a limit of streams."""
        return None

    def run(self, until: int) -> Played:
        """What came of it after so many milliseconds."""
        for i, session in enumerate(self.case.sessions):
            identity = core.mix((self.seed << 20) + i)
            self.sessions[identity] = i
            self.tables.at(session.begin * MILLISECOND, functools.partial(self._send, identity))
        self.engine.run_until(until * MILLISECOND)
        rows = self.engine.drain()
        told = [self._told(np.sort(rows[rows["root"] == identity], order="attempt")) for identity in self.sessions]
        counts = self.engine.count_clusters()
        clusters = [counts.of(cluster) for cluster in self.clusters]
        return Played(told, clusters, self._proxy(clusters, told))

    def _send(self, identity: int) -> None:
        self.tables.send(self.flow, identity)

    def _told(self, rows: Any) -> Told:
        last = rows[rows["last"] == 1][0]
        met = [row for row in rows if row["arrived"] > 0 or row["how"] == core.UNCONNECTED]
        flags = ",".join(sorted(str(flag.name) for flag in Flag(int(last["flags"])))) or "-"
        host = str(self.engine.host_name(int(met[-1]["host"]))[1]) if met else ""
        after = (int(last["end"]) - int(last["start"])) / MILLISECOND
        return Told(int(last["status"]) == 200, after, flags, int(rows["attempt"].max()), host)

    def _proxy(self, clusters: list[dict[str, int]], told: list[Told]) -> dict[str, int]:
        own = {name: sum(one.get(f"{SESSIONS}{name}", 0) for one in clusters) for name in _COUNTED}
        return {"downstream_cx_total": len(told), "downstream_cx_no_route": 0, "upstream_flush_total": 0, **own}
