"""All checks on recorded worlds: what the real istiod counted and what Istio's analyzers said of the same objects."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from meshsim.analysis import Cluster, analyse, workloads_of
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import VirtualService
from meshsim.controlplane.proxies import build_proxy
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.errors import Finding, Severity
from meshsim.world.verify.folder import RecordedProxy, read_proxies, read_world, world_names

pytestmark = pytest.mark.needs_shared

ONE_OF_TWO: Final = ("IST0109", "IST0110", "IST0111", "IST0159", "IST0160", "IST0177")
"""Istio's analyzers report both objects, here the one that is ignored is."""

NOT_TRUE: Final[Mapping[str, str]] = {
    "IST0002": "outboundTrafficPolicy.egressProxy is followed: xds/sidecar-egress-proxy",
    "IST0129": "without caCertificates the system's are taken: 1.31 verifies by default",
    "IST0145": "plain HTTP servers of one port and host are merged",
    "IST0151": "whether a patch applies is tried instead",
    "IST0102": "only where objects are written that sidecars would follow",
    "IST0103": "nobody says that a pod is to be injected",
    "IST0134": "the webhook warns of it too (IST0133)",
    "IST0133": "what the validation webhook warns of is found when an object is read",
}
"""Codes that are not reported, each with the reason."""

EXCEPTIONS: Final[Mapping[tuple[str, str, str], str]] = {
    ("IST0112", "dr-levels", "VirtualService lv/app"): "the port of the request counts, and the service has it",
    ("IST0112", "se-locality-network", "VirtualService ep/multi"): "as above",
    ("IST0112", "sidecar-root", "VirtualService shared/log"): "as above",
    ("IST0112", "vs-cors-hash", "VirtualService co/app"): "as above",
    ("IST0112", "vs-dangling", "VirtualService dg/gwonly"): "its gateway does not exist (IST0101)",
    ("IST0132", "vs-dangling", "VirtualService dg/gwonly"): "its gateway does not exist (IST0101)",
    ("IST0173", "se-locality-network", "DestinationRule ep/multi"): "endpoints of the ServiceEntry have the labels",
    ("IST0173", "se-workloadentry", "DestinationRule vm/mysql"): "WorkloadEntries have the labels",
    ("IST0174", "dr-merge-scope", "DestinationRule istio-system/root"): "a wildcard that services fit",
    ("IST0174", "dr-merge-scope", "DestinationRule m1/wild"): "a wildcard that services fit",
    ("IST0174", "dr-merge-scope", "DestinationRule m2/wild"): "a wildcard that services fit",
    ("IST0174", "dr-pool-outlier", "DestinationRule istio-system/defaults"): "a wildcard that services fit",
}
EXPORTED_ELSEWHERE: Final = "big-tenants-500"
"""Here services are hidden from their own namespace: rules and routes for them count where they are exported to."""


class World(NamedTuple):
    name: str
    push: PushContext
    findings: tuple[Finding, ...]
    text: Mapping[str, list[str]]
    """Lines by file name."""

    def marked(self, finding: Finding) -> str:
        """What stands where a finding points."""
        assert finding.position is not None
        lines = self.text[Path(finding.position.file).name]
        return lines[finding.position.line - 1][finding.position.column - 1 :]


@pytest.fixture(scope="module")
def worlds(oracle: Path) -> list[World]:
    return [_world(oracle, name) for name in world_names(oracle)]


def _world(oracle: Path, name: str) -> World:
    recorded = read_world(oracle, name)
    mesh = build_mesh_config(recorded.mesh_base, recorded.mesh_overrides)
    objects = recorded.store()
    push = build_push_context(objects, mesh)
    proxies = tuple(build_proxy(p.node, objects, mesh) for p in read_proxies(oracle, "xds", name))
    findings = analyse(Cluster(push, workloads_of(objects), proxies))
    folder = oracle / "worlds" / name
    text = {p.name: p.read_text().split("\n") for p in folder.glob("*.yaml")}
    return World(name, push, findings, text)


def _recorded(oracle: Path) -> dict[str, list[dict[str, Any]]]:
    with gzip.open(oracle / "analysis" / "worlds.json.gz") as file:
        return {entry["id"]: entry["cluster_all_namespaces"]["messages"] for entry in json.load(file)}


def test_what_istios_analyzers_say_is_said(worlds: list[World], oracle: Path) -> None:
    recorded = _recorded(oracle)
    missing = []
    for world in worlds:
        got = {(f.code, f.subject) for f in world.findings}
        covered = {f.subject for f in world.findings if f.code == "IST0130"}
        for message in recorded[world.name]:
            code, origin = message["code"], message["origin"]
            if (code, origin) in got or code in NOT_TRUE or (code, world.name, origin) in EXCEPTIONS:
                continue
            if code in ONE_OF_TWO and any(c == code and origin.split()[1] in f.message for c, f in _by_code(world)):
                continue
            if code == "IST0131" and origin in covered:
                continue
            if world.name == EXPORTED_ELSEWHERE and code in ("IST0101", "IST0174"):
                continue
            missing.append((world.name, message["text"]))
    assert missing == []


def _by_code(world: World) -> list[tuple[str, Finding]]:
    return [(finding.code, finding) for finding in world.findings]


def test_exceptions_are_needed(worlds: list[World], oracle: Path) -> None:
    recorded = _recorded(oracle)
    said = {(m["code"], name, m["origin"]) for name, messages in recorded.items() for m in messages}
    assert set(EXCEPTIONS) <= said
    got = {(f.code, world.name, f.subject) for world in worlds for f in world.findings}
    assert not got & set(EXCEPTIONS)
    assert {code for code, _, _ in said} >= set(NOT_TRUE)


EXTRA: Final[Mapping[str, list[tuple[str, str, str]]]] = {
    "dr-merge-scope": [
        ("MSH0513", "host: app", "DestinationRule m1/first"),
        ("MSH0513", "host: app.m1.svc.cluster.local", "DestinationRule m1/second"),
        ("MSH0511", "name: v1", "DestinationRule m1/second"),
        ("MSH0512", "trafficPolicy:", "DestinationRule m1/second"),
        ("IST0101", "subset: v1", "VirtualService m2/app"),
        ("IST0101", "subset: mine", "VirtualService m2/app"),
    ],
    "ef-scope-priority": [
        ("MSH0572", "applyTo: CLUSTER", "EnvoyFilter istio-system/gold"),
        ("MSH0572", "applyTo: CLUSTER", "EnvoyFilter x2/low"),
        ("MSH0572", "applyTo: CLUSTER", "EnvoyFilter istio-system/version"),
        ("MSH0572", "applyTo: CLUSTER", "EnvoyFilter istio-system/version"),
    ],
    "gw-http": [
        ("IST0130", "name: catch", "VirtualService web/shop1"),
        ("IST0130", "name: catch2", "VirtualService web/shop2"),
        ("IST0132", "other.example.org", "VirtualService web/org"),
    ],
    "gw-many": [
        ("MSH0521", "port:", "Gateway mg/conflict"),
    ],
    "kgw-grpc-tcp-tls": [
        ("IST0171", "name: db", "TCPRoute rp/db"),
        ("IST0171", "name: db", "HTTPRoute rp/cross"),
    ],
    "kgw-httproute": [
        ("IST0171", "name: nosuch", "HTTPRoute apps/web"),
        ("IST0171", "name: gw", "HTTPRoute priv/app"),
    ],
    "mesh-defaults-discovery": [
        ("MSH0583", "port: 82", "Service seen/two"),
    ],
    "pa-levels": [
        ("IST0127", "version: v9", "PeerAuthentication p1/b"),
    ],
    "pa-ports": [
        ("MSH0542", "selector:", "PeerAuthentication po/app-late"),
    ],
    "se-locality-network": [
        ("MSH0563", "dup.example.com", "ServiceEntry istio-system/dup"),
    ],
    "se-resolutions": [
        ("MSH0583", "number: 8080", "ServiceEntry se/static"),
    ],
    "sidecar-scope": [
        ("MSH0506", "host: f.s3.svc.cluster.local", "VirtualService s2/c"),
    ],
    "svc-external-types": [
        ("MSH0583", "port: 80", "Service ext/real"),
        ("MSH0561", "app: nobody", "Service ext/empty"),
    ],
    "svc-port-conflicts": [
        ("MSH0581", "port: 82", "Service mix/front-grpc"),
    ],
    "svc-same-names": [
        ("IST0101", "host: store", "VirtualService blue/store"),
    ],
    "vs-dangling": [
        ("MSH0504", "db", "VirtualService dg/db"),
    ],
    "vs-delegate": [
        ("MSH0503", "delegate:", "VirtualService edge/root"),
        ("MSH0503", "delegate:", "VirtualService edge/root"),
    ],
    "vs-query-method": [
        ("MSH0506", "host: yes-app", "VirtualService web/front"),
        ("MSH0506", "host: ex", "VirtualService web/front"),
        ("MSH0506", "host: yes-app", "VirtualService web/front"),
        ("MSH0506", "host: ex", "VirtualService web/front"),
        ("MSH0506", "host: ex", "VirtualService web/front"),
    ],
    "vs-source": [
        ("IST0127", "version: v9", "VirtualService sh/api"),
    ],
    "vs-tcp-tls": [
        ("MSH0582", "number: 443", "ServiceEntry nt/ext"),
    ],
}
"""What is said beyond Istio's analyzers; each line was compared with the world's description and recorded answers."""


def test_nothing_else_is_said_of_the_small_worlds(worlds: list[World], oracle: Path) -> None:
    recorded = _recorded(oracle)
    for world in worlds:
        if world.name.startswith("big-"):
            continue
        said = {(m["code"], m["origin"]) for m in recorded[world.name]}
        extra = [f for f in world.findings if (f.code, f.subject) not in said]
        seen = [(f.code, world.marked(f), f.subject) for f in extra]
        expected = EXTRA.get(world.name, [])
        assert [(code, subject) for code, _, subject in seen] == [(code, subject) for code, _, subject in expected]
        for (_, marked, subject), (_, place, _) in zip(seen, expected, strict=True):
            assert marked.startswith(place), f"{world.name} {subject}: {marked}"


def test_every_counted_conflict_has_its_finding(worlds: list[World], oracle: Path) -> None:
    codes = {
        "pilot_vservice_dup_domain": ("IST0109", "MSH0583"),
        "pilot_destrule_subsets": ("MSH0511",),
        "pilot_conflict_inbound_listener": ("MSH0581",),
        "pilot_conflict_outbound_listener_tcp_over_current_tcp": ("MSH0582",),
        "pilot_eds_no_instances": ("IST0173", "MSH0561", "MSH0562"),
    }
    counted = 0
    for world in worlds:
        path = oracle / "xds" / world.name / "push_status.json.gz"
        for metric, entries in json.loads(gzip.decompress(path.read_bytes())).items():
            found = [f for f in world.findings if f.code in codes[metric]]
            for key in entries:
                counted += 1
                if metric == "pilot_eds_no_instances" and _goes_where_asked(world, key):
                    continue
                assert found, f"{world.name}: {metric} {key}"
    assert counted == 30


def _goes_where_asked(world: World, cluster: str) -> bool:
    """Whether it is an entry without endpoints of its own, which only a gateway asks for."""
    services = world.push.registry.by_host[cluster.rpartition("|")[2]].values()
    return all(s.source is not None and s.source.spec.text("resolution", "NONE") == "NONE" for s in services)


def test_positions_are_those_of_the_recorded_lines(worlds: list[World], oracle: Path) -> None:
    """Istio's analyzers know the line of a destination's host."""
    recorded = _recorded(oracle)
    compared = 0
    for world in worlds:
        ours = {(f.code, f.subject, f.position.line) for f in world.findings if f.position is not None}
        theirs = {(m["code"], m["origin"], m["line"]) for m in recorded[world.name]}
        assert {item for item in ours if item[0] == "IST0112"} <= theirs
        for message in recorded[world.name]:
            item = (message["code"], message["origin"], message["line"])
            if message["message"].startswith("Referenced host not found") and world.name != EXPORTED_ELSEWHERE:
                assert item in ours
                compared += 1
        compared += sum(item[0] == "IST0112" for item in ours)
    assert compared >= 3


def test_routes_behind_another_catch_all_are_those_that_istiod_put_there(worlds: list[World], oracle: Path) -> None:
    """In the recorded routes of gateways such a route never comes first, and every other one does somewhere."""
    compared = 0
    for world in worlds:
        behind = {
            f.subject.removeprefix("VirtualService ")
            for f in world.findings
            if f.code == "IST0130" and "on Gateway" in f.message and f.severity is Severity.WARNING
        }
        first: set[str] = set()
        later: set[str] = set()
        for recorded in read_proxies(oracle, "xds", world.name):
            if str(recorded.node["id"]).startswith("router"):
                for names in _catch_alls(recorded):
                    first.update(names[:1])
                    later.update(names[1:])
        assert behind == later - first, world.name
        compared += len(behind)
    assert compared >= 10


def _catch_alls(recorded: RecordedProxy) -> Iterator[list[str]]:
    """VirtualServices of the routes that take every request, by virtual host in their order."""
    for configuration in recorded.resources.get("rds", []):
        for host in _list(configuration.get("virtual_hosts")):
            names: dict[str, None] = {}
            for route in _list(host.get("routes")):
                if set(route["match"]) <= {"prefix", "case_sensitive"} and route["match"].get("prefix") == "/":
                    config = route.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
                    found = re.search(r"namespaces/(.*)/virtual-service/(.*)", config)
                    if found is not None:
                        names.setdefault(f"{found[1]}/{found[2]}")
            yield list(names)


def _list(value: object) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else []


def test_routes_lead_nowhere_where_istiod_made_no_cluster(worlds: list[World], oracle: Path) -> None:
    """Every route of a VirtualService to a cluster that its proxy was not sent has its finding, and the other way round
    for the namespaces of recorded proxies."""
    compared = 0
    for world in worlds:
        proxies = read_proxies(oracle, "xds", world.name)
        recorded = {f"VirtualService {name}" for proxy in proxies for name in _dangling(world, proxy)}
        told = {
            f.subject
            for f in world.findings
            if f.code in ("IST0101", "IST0112", "MSH0506") and ("flag NC" in f.message or "mirrored" in f.message)
        }
        converted = {name for name in recorded if "istio-autogenerated" in name}
        assert recorded - converted <= told, world.name
        viewers = {proxy.id.partition("/")[0] for proxy in proxies}
        assert {name for name in told if name.split()[1].partition("/")[0] in viewers} <= recorded, world.name
        compared += len(recorded)
    assert compared >= 10


def _dangling(world: World, proxy: RecordedProxy) -> Iterator[str]:
    """VirtualServices with a route to a cluster that the proxy does not have, on a port of one of their hosts."""
    known = {cluster["name"] for cluster in proxy.resources.get("cds", [])}
    by_name = {f"{item.namespace}/{item.name}": item for item in world.push.virtual_services}
    for configuration in proxy.resources.get("rds", []):
        for host in _list(configuration.get("virtual_hosts")):
            for route in _list(host.get("routes")):
                config = route.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
                found = re.search(r"namespaces/(.*)/virtual-service/(.*)", config)
                if found is None or all(name in known for name in _clusters(route)):
                    continue
                name = f"{found[1]}/{found[2]}"
                if _is_of_port(world, by_name.get(name), str(configuration["name"])):
                    yield name


def _is_of_port(world: World, item: VirtualService | None, configuration: str) -> bool:
    """Whether a route configuration is for a port that the hosts of a VirtualService have: istiod writes its routes for
    other ports too, where nobody sends requests for them."""
    if item is None or not configuration.isdigit():
        return True
    services = [s for host in item.hosts for s in world.push.registry.by_host.get(host, {}).values()]
    return not services or any(service.port(int(configuration)) is not None for service in services)


def _clusters(value: object) -> Iterator[str]:
    """Every cluster that a route names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "cluster" and isinstance(inner, str):
                yield inner
            elif key == "weighted_clusters":
                yield from (entry["name"] for entry in inner["clusters"])
            elif key != "metadata":
                yield from _clusters(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _clusters(inner)
