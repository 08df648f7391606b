"""TCP sessions: what becomes of connections through a real Envoy's tcp_proxy, and what its clusters count, and the same
of the model."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from meshsim.dataplane.active import load_config
from meshsim.dataplane.counters import ALWAYS
from meshsim.dataplane.decide import Connection, decide_direct
from meshsim.dataplane.decide.decision import Policies
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import Flag, FlowSpec, HostSpec, InboundKind
from meshsim.testing.envoy_experiments import measured_again
from meshsim.testing.envoy_process import EnvoyProcess
from meshsim.testing.meshes import HANDLER, POD, PROXY, add_requests, fixed
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.translation import cluster_spec, forward_route, host_place, session_cluster
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import from_json

FIRST_PORT = 26101
LISTENER, HOST = "127.0.0.61", "127.0.0.62"
UP, OTHER, CLOSED = 26201, 26202, 26203
"""Ports of the hosts; nobody listens at the last one."""
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
OUTLIER = {"interval": "5s", "max_ejection_percent": 100}
UNTOLD = re.compile(r"membership|circuit_breakers")


def limits(**most: int) -> dict[str, Any]:
    return {"circuit_breakers": {"thresholds": [most]}}


class Case(NamedTuple):
    """A tcp_proxy with its cluster, and sessions that begin at these instants and last this long."""

    hosts: tuple[int, ...]
    proxy: dict[str, Any]
    cluster: dict[str, Any]
    begin: tuple[int, ...] = (0,)
    lasts: int = 50
    """Milliseconds, as the above."""


CASES = {
    "one after the other": Case((UP, OTHER), {}, {}, (0, 150, 300)),
    "side by side": Case((UP,), {}, {}, (0, 60, 120), 300),
    "one connection": Case((UP,), {}, limits(max_connections=1), (0, 100, 500), 250),
    "no requests": Case((UP,), {}, limits(max_requests=0)),
    "none may wait": Case((UP,), {"max_connect_attempts": 2}, limits(max_pending_requests=0)),
    "refused": Case((CLOSED,), {}, {}),
    "refused three times": Case((CLOSED,), {"max_connect_attempts": 3}, {}),
    "refused with one connection": Case((CLOSED,), {"max_connect_attempts": 2}, limits(max_connections=1)),
    "no host": Case((), {}, {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}),
    "too long": Case((UP,), {"max_downstream_connection_duration": "0.1s"}, {}, (0,), 300),
    "idle": Case((UP,), {"idle_timeout": "0.1s"}, {}, (0,), 300),
    "ejected": Case(
        (CLOSED, UP),
        {"max_connect_attempts": 2},
        {"outlier_detection": {"consecutive_5xx": 2, **OUTLIER}},
        (0, 100, 200, 300, 400),
    ),
    "ejected for local failures": Case(
        (CLOSED, UP),
        {"max_connect_attempts": 2},
        {
            "outlier_detection": {
                "consecutive_local_origin_failure": 2,
                "split_external_local_origin_errors": True,
                **OUTLIER,
            }
        },
        (0, 100, 200, 300, 400),
    ),
}


class Seen(NamedTuple):
    """What came of a case: whether each session had its answer; their flags and counters."""

    answered: list[bool]
    flags: list[str]
    """In no order: which host is the first one is drawn."""
    counters: dict[str, int]


def listener(number: int, case: Case, log: str = "") -> dict[str, Any]:
    proxy = {"@type": TCP, "stat_prefix": "t", "cluster": f"c{number}", **case.proxy}
    if log:
        fields = {"flags": "%RESPONSE_FLAGS%"}
        entry = {"@type": LOG, "path": log, "log_format": {"json_format": fields}}
        proxy["access_log"] = [{"name": "file", "typed_config": entry}]
    return {
        "name": f"l{number}",
        "address": {"socket_address": {"address": LISTENER, "port_value": FIRST_PORT + number}},
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
    }


def cluster(number: int, case: Case) -> dict[str, Any]:
    addresses = [{"socket_address": {"address": HOST, "port_value": port}} for port in case.hosts]
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}]
    return {
        "name": f"c{number}",
        "type": "STATIC",
        "connect_timeout": "0.3s",
        "load_assignment": {"cluster_name": f"c{number}", "endpoints": endpoints},
        **case.cluster,
    }


# ---- the real one ----


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A host: a line says how many milliseconds it is to take."""
    asked = await reader.readline()
    await asyncio.sleep(int(asked or 0) / 1000)
    writer.write(b"done\n")
    writer.close()


async def session(port: int, begin: int, lasts: int) -> bool:
    await asyncio.sleep(begin / 1000)
    try:
        reader, writer = await asyncio.open_connection(LISTENER, port)
        writer.write(f"{lasts}\n".encode())
        answer = await reader.readline()
        writer.close()
    except OSError:
        return False
    return answer == b"done\n"


async def measure(folder: Path) -> dict[str, Seen]:
    listeners = [listener(n, case, str(folder / f"log{n}")) for n, case in enumerate(CASES.values())]
    clusters = [cluster(n, case) for n, case in enumerate(CASES.values())]
    bootstrap = {"static_resources": {"listeners": listeners, "clusters": clusters}}
    servers = [await asyncio.start_server(serve, HOST, port) for port in (UP, OTHER)]
    envoy = EnvoyProcess(folder, bootstrap)
    await asyncio.to_thread(envoy.__enter__)
    try:
        await asyncio.to_thread(envoy.wait_live)
        heard = await asyncio.gather(
            *(
                asyncio.gather(*(session(FIRST_PORT + n, begin, case.lasts) for begin in case.begin))
                for n, case in enumerate(CASES.values())
            )
        )
        await asyncio.sleep(0.1)
        stats = await asyncio.to_thread(envoy.get, "/stats?usedonly")
    finally:
        await asyncio.to_thread(envoy.__exit__)
        for server in servers:
            server.close()
    values = dict(line.split(": ", 1) for line in stats.splitlines())
    seen = {}
    for number, (name, answered) in enumerate(zip(CASES, heard, strict=True)):
        lines = [json.loads(line) for line in (folder / f"log{number}").read_text().splitlines()]
        flags = [",".join(sorted(line["flags"].split(","))) for line in lines]
        counters = {n: int(values.get(f"cluster.c{number}.{n}", 0)) for n in ALWAYS if not UNTOLD.search(n)}
        seen[name] = Seen(answered, sorted(flags), counters)
    return seen


# ---- the model ----


def simulate(number: int, case: Case) -> Seen:
    bodies = {
        type_urls.CLUSTER: from_json(cluster(number, case), cluster_pb2.Cluster),
        type_urls.LISTENER: from_json(listener(number, case), listener_pb2.Listener),
    }
    config, refused = load_config({kind: {body.name: body.SerializeToString()} for kind, body in bodies.items()})
    assert not refused
    connection = Connection(source="127.0.0.1", destination=LISTENER, destination_port=FIRST_PORT + number)
    decision = decide_direct(config, connection, None)
    if not case.hosts:
        # Without any the decision closes; a cluster may lose its hosts to outlier detection or health checks later.
        decision = decision._replace(policies=Policies(connect_attempts=1))
    engine = Engine(number + 1, mode="plain", sample_rate=1.0)
    proxy = engine.add_proxy(PROXY)
    upstream = decision.upstreams[0]
    assert upstream.cluster is not None
    target = engine.add_cluster(session_cluster(cluster_spec(proxy, upstream.cluster, False, upstream.assignment)))
    handler = engine.add_handler(replace(HANDLER, service=fixed(case.lasts * MILLISECOND)))
    groups = upstream.assignment.localities if upstream.assignment is not None else ()
    hosts = [
        HostSpec(
            pod=engine.add_pod(POD),
            handler=handler,
            latency=0,
            jitter=0,
            handshake_rtts=1,
            inbound=InboundKind.REFUSE if endpoint.port == CLOSED else InboundKind.SERVE,
            **host_place(upstream.cluster, group, endpoint),
        )
        for group in groups
        for endpoint in group.endpoints
    ]
    engine.set_hosts(target, list(enumerate(hosts)))
    flow = engine.add_flow(
        FlowSpec(proxy=proxy, workload=0, pod=-1, call=-1), forward_route(decision, ((target, 1),), ())
    )
    add_requests(engine, flow, [begin * MILLISECOND for begin in case.begin])
    engine.run_until(3 * SECOND)
    rows = engine.drain()
    last = np.sort(rows[rows["last"] == 1], order="start")
    found = engine.count_clusters().of(target)
    return Seen(
        [int(row["status"]) == 200 for row in last],
        sorted(",".join(sorted(str(flag.name) for flag in Flag(int(row["flags"])))) or "-" for row in last),
        {name: found[name] for name in ALWAYS if not UNTOLD.search(name)},
    )


@pytest.mark.needs_envoy
@measured_again
def test_sessions(tmp_path: Path) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    real = asyncio.run(measure(folder))
    wrong = []
    for number, (name, case) in enumerate(CASES.items()):
        found = simulate(number, case)._asdict()
        for what, value in real[name]._asdict().items():
            if isinstance(value, dict):
                wrong += [f"{name}: {n} {found[what][n]}, real {v}" for n, v in value.items() if found[what][n] != v]
            elif value != found[what]:
                wrong.append(f"{name}: {what} {found[what]}, real {value}")
    assert not wrong
