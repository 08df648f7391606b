"""The tables of Envoy's documentation and of its measured rules, row by row: on a real Envoy and in the event core.

Priorities, panic, degraded hosts, localities, zones, and how many hosts outlier detection may eject. All hosts are one
listener of the Envoy itself: every address of the loopback network reaches it, and it says which one was meant.
"""

from __future__ import annotations

import http.client
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from meshsim.dataplane.decide.clusters import decode_cluster
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import FlowSpec, HostSpec, InboundKind, ProxySpec, RouteKind, RouteSpec
from meshsim.testing.envoy_process import EnvoyProcess
from meshsim.testing.meshes import HANDLER, INSTANT, POD, add_requests
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.translation import cluster_spec, host_place
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json

PORT = 25971
REQUESTS = 2000
SIGMAS = 5.0
"""Of some two hundred counts one is further off than this once in ten thousand runs."""
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
REGION, ZONE = "r", "a"
OUT = "503"

pytestmark = pytest.mark.needs_envoy


class Group(NamedTuple):
    """Hosts of one priority and zone: how many there are of each health."""

    healthy: int
    unhealthy: int = 0
    degraded: int = 0
    priority: int = 0
    zone: str = ZONE
    weight: int | None = None


class Row(NamedTuple):
    """One row of a table: a cluster, and the share in percent of each of its groups; `None`: nobody answers."""

    name: str
    groups: tuple[Group, ...]
    shares: tuple[float, ...] | None
    common: dict[str, Any] | None = None
    policy: str = "ROUND_ROBIN"
    exact: bool = False
    """Whether the counts are no chance."""


def levels(*healthy: int) -> tuple[Group, ...]:
    """Priorities of a hundred hosts with so many healthy ones."""
    return tuple(Group(n, 100 - n, priority=priority) for priority, n in enumerate(healthy))


def zones(*hosts: int) -> tuple[Group, ...]:
    return tuple(Group(n, zone=zone) for zone, n in zip("abc", hosts, strict=False))


WEIGHTED: dict[str, Any] = {"locality_weighted_lb_config": {}}
FAILS: dict[str, Any] = {"zone_aware_lb_config": {"fail_traffic_on_panic": True}}
ROWS = (
    # docs/root/intro/arch_overview/upstream/load_balancing/priority.rst and panic_threshold.rst
    Row("72-100", levels(72, 100), (100, 0)),
    Row("71-71", levels(71, 71), (99, 1)),
    Row("50-60", levels(50, 60), (70, 30)),
    Row("25-100", levels(25, 100), (35, 65)),
    Row("25-25", levels(25, 25), (50, 50)),
    Row("5-65", levels(5, 65), (7, 93)),
    Row("0-100", levels(0, 100), (0, 100)),
    Row("25-25-20", levels(25, 25, 20), (37, 35, 28), {"healthy_panic_threshold": {"value": 0}}),
    Row("all in panic", levels(25, 25, 20), (100 / 3, 100 / 3, 100 / 3)),
    Row("one healthy, three degraded", (Group(1), Group(0, degraded=3, zone="b")), (35, 65), policy="RANDOM"),
    # Panic: all hosts alike, unless the threshold forbids it or traffic is to fail.
    Row("panic", (Group(1), Group(0, 3, zone="b")), (25, 75), policy="RANDOM"),
    Row("panic threshold 0", (Group(0, 4),), None, {"healthy_panic_threshold": {"value": 0}}),
    Row("panic threshold 20", (Group(1), Group(0, 3, zone="b")), (100, 0), {"healthy_panic_threshold": {"value": 20}}),
    Row("fail on panic", (Group(1, 3),), None, FAILS),
    # Localities by their weight; a locality half down counts seven tenths.
    Row("localities", (Group(2, weight=1), Group(2, zone="b", weight=3)), (25, 75), WEIGHTED, exact=True),
    Row("no weights", (Group(2, weight=1), Group(2, zone="b", weight=3)), (50, 50), policy="RANDOM"),
    Row(
        "a locality half down",
        (Group(2, 2, weight=1), Group(4, zone="b", weight=3)),
        (70 / 3.7, 300 / 3.7),
        WEIGHTED,
    ),
    Row("a locality without weight", (Group(2), Group(2, zone="b", weight=1)), (0, 100), WEIGHTED, exact=True),
    # Zones, seen from zone a with 4 of 10 hosts of the proxies' own cluster, 4 in b and 2 in c.
    Row("zones 2-4-2", zones(2, 4, 2), (62.5, 25, 12.5)),
    Row("zones 4-3-1", zones(4, 3, 1), (100, 0, 0), exact=True),
    Row("zones of five", zones(1, 2, 2), (20, 40, 40), policy="RANDOM"),
    Row("zones 1-5", zones(1, 5), (41.65, 58.35)),
)
LOCAL = zones(4, 4, 2)


class Rule(NamedTuple):
    """A cluster whose hosts all fail, and how many of them may be ejected."""

    hosts: int
    percent: int | None
    ejected: int
    one: bool = False


RULES = (
    Rule(3, None, 0),
    Rule(3, 33, 0),
    Rule(3, 34, 1),
    Rule(3, 66, 1),
    Rule(3, 67, 2),
    Rule(3, 100, 3),
    Rule(3, None, 1, one=True),
    Rule(9, None, 0),
    Rule(10, None, 1),
    Rule(10, 19, 1),
    Rule(10, 20, 2),
    Rule(10, 33, 3),
    Rule(10, 34, 3),
    Rule(11, None, 1),
    Rule(1, 99, 0),
    Rule(1, 100, 1),
)


def assignment(name: str, number: int, groups: Sequence[Group]) -> dict[str, Any]:
    """Endpoints of a cluster; the address tells its group: 127.<cluster>.<group>.<host>."""
    found = []
    for index, group in enumerate(groups):
        health = ["HEALTHY"] * group.healthy + ["UNHEALTHY"] * group.unhealthy + ["DEGRADED"] * group.degraded
        endpoints = [
            {
                "endpoint": {"address": address(f"127.{number}.{index}.{host}")},
                "health_status": status,
            }
            for host, status in enumerate(health, 1)
        ]
        weight = {} if group.weight is None else {"load_balancing_weight": group.weight}
        place = {"locality": {"region": REGION, "zone": group.zone}, "priority": group.priority}
        found.append({**place, **weight, "lb_endpoints": endpoints})
    return {"cluster_name": name, "endpoints": found}


def address(host: str) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": PORT}}


def table_cluster(number: int, row: Row) -> dict[str, Any]:
    name = f"t{number}"
    return {
        "name": name,
        "type": "STATIC",
        "lb_policy": row.policy,
        "common_lb_config": row.common or {},
        "load_assignment": assignment(name, number, row.groups),
    }


def rule_cluster(number: int, rule: Rule) -> dict[str, Any]:
    name = f"r{number}"
    outlier: dict[str, Any] = {"interval": "60s", "base_ejection_time": "60s", "always_eject_one_host": rule.one}
    if rule.percent is not None:
        outlier["max_ejection_percent"] = rule.percent
    return {
        "name": name,
        "type": "STATIC",
        "common_lb_config": {"update_merge_window": "0s"},
        "outlier_detection": outlier,
        "load_assignment": assignment(name, 100 + number, [Group(rule.hosts)]),
    }


TABLES = [table_cluster(number, row) for number, row in enumerate(ROWS, 1)]
LIMITED = [rule_cluster(number, rule) for number, rule in enumerate(RULES)]
OWN: dict[str, Any] = {"name": "own", "type": "STATIC", "load_assignment": assignment("own", 99, LOCAL)}


def listener(where: dict[str, Any], routes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    manager = {
        "@type": MANAGER,
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": list(routes)}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"address": where, "filter_chains": [{"filters": filters}]}


@pytest.fixture(name="envoy", scope="module")
def _envoy() -> Iterator[tuple[EnvoyProcess, Path]]:
    with tempfile.TemporaryDirectory(prefix="tb", dir="/tmp") as name:
        entry = Path(name) / "in"
        mine = {"header": {"key": "x-host", "value": "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"}}
        hosts = [
            {
                "match": {"prefix": f"/{kind}"},
                "direct_response": {"status": status},
                "response_headers_to_add": [mine],
            }
            for kind, status in (("t", 200), ("r", 503))
        ]
        routes = [{"match": {"prefix": f"/{c['name']}/"}, "route": {"cluster": c["name"]}} for c in (*TABLES, *LIMITED)]
        bootstrap = {
            "node": {"id": "n", "cluster": "own", "locality": {"region": REGION, "zone": ZONE}},
            "cluster_manager": {"local_cluster_name": "own"},
            "static_resources": {
                "listeners": [
                    {"name": "hosts", **listener(address("0.0.0.0"), hosts)},
                    {"name": "in", **listener({"pipe": {"path": str(entry)}}, routes)},
                ],
                "clusters": [OWN, *TABLES, *LIMITED],
            },
        }
        with EnvoyProcess(Path(name), bootstrap) as envoy:
            envoy.wait_live()
            yield envoy, entry


def asked(entry: Path, name: str, requests: int) -> Counter[str]:
    """Which groups of a cluster answered."""
    connection = http.client.HTTPConnection("envoy")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(entry))
    found: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("GET", f"/{name}/")
        answer = connection.getresponse()
        answer.read()
        host = answer.headers.get("x-host")
        found[OUT if host is None else host.split(".")[2]] += 1
    connection.close()
    return found


class Model:
    """The event core with the proxy's own cluster and one other."""

    def __init__(self, body: dict[str, Any], seed: int, inbound: InboundKind) -> None:
        self.engine = Engine(seed, sample_rate=1.0)
        handler = self.engine.add_handler(HANDLER)
        self.pod = self.engine.add_pod(replace(POD, proxy=-1))
        assert handler == 0
        self.proxy = self.engine.add_proxy(ProxySpec(workers=1, outbound=INSTANT, inbound=INSTANT))
        own = self._add(OWN, InboundKind.SERVE, None)
        self.cluster = self._add(body, inbound, own)

    def _add(self, body: dict[str, Any], inbound: InboundKind, own: int | None) -> int:
        cluster = decode_cluster(from_json(body, cluster_pb2.Cluster))
        assert cluster.assignment is not None
        where = (REGION, ZONE, "")
        spec = cluster_spec(self.proxy, cluster, False, cluster.assignment, locality=where, local=own)
        number = self.engine.add_cluster(replace(spec, local=own is None))
        hosts = [
            (
                str(endpoint),
                HostSpec(
                    pod=self.pod,
                    handler=0,
                    latency=0,
                    jitter=0,
                    handshake_rtts=0,
                    inbound=inbound,
                    inbound_status=503,
                    **host_place(cluster, group, endpoint),
                ),
            )
            for group in cluster.assignment.localities
            for endpoint in group.endpoints
        ]
        self.engine.set_hosts(number, hosts)
        return number

    def asked(self, requests: int) -> Counter[str]:
        """Which groups answered."""
        spec = RouteSpec(kind=RouteKind.FORWARD, clusters=((self.cluster, 1),))
        flow = self.engine.add_flow(FlowSpec(proxy=self.proxy, workload=0, pod=-1, call=-1), spec)
        add_requests(self.engine, flow, [SECOND + turn * MILLISECOND for turn in range(requests)])
        self.engine.run_until(30 * SECOND)
        rows = self.engine.drain()["host"].tolist()
        return Counter(OUT if row < 0 else str(self.engine.host_name(row)[1]).split(".")[2] for row in rows)


@pytest.mark.parametrize("number", range(1, len(ROWS) + 1), ids=[row.name for row in ROWS])
def test_a_row_of_the_tables(envoy: tuple[EnvoyProcess, Path], number: int) -> None:
    row, body = ROWS[number - 1], TABLES[number - 1]
    for found in (asked(envoy[1], body["name"], REQUESTS), Model(body, number, InboundKind.SERVE).asked(REQUESTS)):
        if row.shares is None:
            assert found == {OUT: REQUESTS}
            continue
        for group, share in enumerate(row.shares):
            expected = REQUESTS * share / 100
            slack = 1.0 if row.exact else SIGMAS * (expected * (1 - share / 100)) ** 0.5
            assert abs(found[str(group)] - expected) <= slack, found


@pytest.mark.parametrize("number", range(len(RULES)), ids=[f"{r.hosts}-{r.percent}-{r.one}" for r in RULES])
def test_how_many_may_be_ejected(envoy: tuple[EnvoyProcess, Path], number: int) -> None:
    rule, body = RULES[number], LIMITED[number]
    requests = 8 * rule.hosts
    assert asked(envoy[1], body["name"], requests).total() == requests
    detected = f"cluster.{body['name']}.outlier_detection"
    process = envoy[0]
    process.wait(lambda: process.stat(f"{detected}.ejections_enforced_total") >= rule.ejected, 5)
    model = Model(body, number, InboundKind.REPLY)
    model.asked(requests)
    stats = model.engine.cluster_stats(model.cluster)
    assert process.stat(f"{detected}.ejections_enforced_total") == stats.ejections == rule.ejected
    overflows = process.stat(f"{detected}.ejections_overflow") > 0
    assert overflows == (stats.ejections_overflow > 0) == (rule.ejected < rule.hosts)
