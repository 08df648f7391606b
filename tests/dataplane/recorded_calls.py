"""Calls that were sent to a real Envoy, and what the model decides for them, field by field.

Layout and meaning of the recordings: the README files beside them. Used by tests, not by the product.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from meshsim.dataplane.active import ActiveConfig, ResourceCache, load_config
from meshsim.dataplane.decide import (
    Connection,
    Decision,
    Disposition,
    PeerCertificate,
    Protocol,
    Request,
    Surroundings,
    Transport,
    decide_direct,
    decide_inbound,
    decide_outbound,
    outcomes,
)
from meshsim.dataplane.decide.strings import StringKind
from meshsim.dataplane.decide.upstreams import hosts, transport_to
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.packing import from_json

KINDS = {
    "cds": (type_urls.CLUSTER, cluster_pb2.Cluster, "name"),
    "eds": (type_urls.ENDPOINT, endpoint_pb2.ClusterLoadAssignment, "cluster_name"),
    "lds": (type_urls.LISTENER, listener_pb2.Listener, "name"),
    "rds": (type_urls.ROUTE, route_pb2.RouteConfiguration, "name"),
}
OUTSIDE = "203.0.113.77"
OUTSIDE_IDENTITY = "spiffe://cluster.local/ns/outside/sa/outside"
DECIDE = {"outbound": decide_outbound, "inbound": decide_inbound, "gateway": decide_direct}
CACHE = ResourceCache()


def read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


@dataclass
class Pod:
    ip: str
    identity: str


@dataclass
class World:
    """A recorded world: pods, proxies, calls and what the real Envoy did with them."""

    folder: Path
    name: str
    pods: dict[str, Pod] = field(default_factory=dict)
    configs: dict[str, ActiveConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trust = "cluster.local"
        meshconfig = self.folder / "worlds" / self.name / "meshconfig.yaml"
        if meshconfig.exists():
            trust = (yaml.safe_load(meshconfig.read_text()) or {}).get("trustDomain", trust)
        text = (self.folder / "worlds" / self.name / "world.yaml").read_text()
        for document in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if document and document["kind"] == "Pod":
                meta = document["metadata"]
                account = document["spec"].get("serviceAccountName", "default")
                identity = f"spiffe://{trust}/ns/{meta['namespace']}/sa/{account}"
                ip = document.get("status", {}).get("podIP", "")
                self.pods[f"{meta['namespace']}/{meta['name']}"] = Pod(ip, identity)

    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "worlds" / self.name / "calls.yaml"
        loaded: list[dict[str, Any]] = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return loaded or []

    def config(self, proxy: str) -> ActiveConfig:
        """The configuration that istiod generated for a proxy."""
        if proxy not in self.configs:
            path = self.folder / "xds" / self.name / f"{proxy.replace('/', '__')}.json.gz"
            self.configs[proxy] = load_proxy(path)
        return self.configs[proxy]

    def surroundings(self, proxy: str) -> Surroundings:
        pod = self.pods.get(proxy)
        return Surroundings(pod.identity, "127.0.0.1", 1_800_000_000) if pod else Surroundings()


def load_proxy(path: Path) -> ActiveConfig:
    recorded = read(path)
    resources = {
        type_url: {r[name]: from_json(r, cls).SerializeToString(deterministic=True) for r in recorded[kind]}
        for kind, (type_url, cls, name) in KINDS.items()
    }
    config, rejected = load_config(resources, CACHE)
    assert not rejected, rejected
    return config


def asked_names(world: World, proxy: str) -> Iterator[str]:
    """Exact names that the proxy's listeners ask of a client: an outside client shows all of them."""
    for listener in world.config(proxy).listeners.values():
        for chain in listener.chains:
            for name in chain.tls.validation.names if chain.tls else ():
                if name.kind is StringKind.EXACT:
                    yield name.value


def connection_of(call: dict[str, Any], world: World, alpn_accepted: str | None) -> Connection:
    pod = world.pods.get(call["from"])
    transport = Transport(call["tls"])
    certificate = None
    if transport is Transport.MTLS:
        names = [pod.identity] if pod else [OUTSIDE_IDENTITY, *asked_names(world, call["proxy"])]
        certificate = PeerCertificate(tuple(n for n in names if "://" in n), tuple(n for n in names if "://" not in n))
    protocol = {"http": Protocol.HTTP11, "http2": Protocol.HTTP2, "tcp": Protocol.TCP}[call["protocol"]]
    if alpn_accepted == "h2" and protocol.is_http:
        protocol = Protocol.HTTP2
    alpn = call.get("alpn")
    return Connection(
        source=pod.ip if pod else OUTSIDE,
        source_port=40000,
        destination=call["address"],
        destination_port=call["port"],
        transport=transport,
        sni=call.get("sni") or "",
        alpn=tuple([alpn] if isinstance(alpn, str) else alpn or ()),
        certificate=certificate,
        protocol=protocol,
    )


def request_of(call: dict[str, Any]) -> Request | None:
    if call["protocol"] == "tcp":
        return None
    headers = [(k.lower(), str(v)) for k, v in (call.get("headers") or {}).items()]
    if call["method"] in ("POST", "PUT", "PATCH") and call["protocol"] == "http":
        headers.append(("content-length", "0"))
    if any(n == "upgrade" for n, _ in headers):
        headers.append(("connection", "Upgrade"))
    return Request(method=call["method"], authority=call["host"], path=call["path"], headers=tuple(headers))


def decided(call: dict[str, Any], world: World, alpn_accepted: str | None) -> list[tuple[float, Decision]]:
    """Every outcome of a call with its probability."""
    found = outcomes(
        DECIDE[call["mode"]],
        world.config(call["proxy"]),
        connection_of(call, world, alpn_accepted),
        request_of(call),
        resolve=True,
        surroundings=world.surroundings(call["proxy"]),
    )
    return [(float(p), d) for p, d in found]


def differences(call: dict[str, Any], recorded: dict[str, Any], world: World) -> Iterator[str]:
    """What differs between the real Envoy and the model, as text."""
    first = recorded["outcomes"][0]
    model = decided(call, world, (first.get("tls") or {}).get("alpn"))
    matched: set[int] = set()
    for outcome in recorded["outcomes"]:
        tries = [(list(compare(call, outcome, decision, world)), i) for i, (_, decision) in enumerate(model)]
        best, index = min(tries, key=lambda t: len(t[0]))
        matched.add(index)
        yield from best
    runs = recorded["runs"]
    for i, (probability, decision) in enumerate(model):
        if i not in matched and (1 - probability) ** runs < 1e-4:
            yield f"never seen in {runs} runs: p={probability} {decision.disposition} {decision.cluster}"


def compare(call: dict[str, Any], outcome: dict[str, Any], decision: Decision, world: World) -> Iterator[str]:
    """Fields of one outcome against one decision."""
    if not outcome.get("connected", True) or outcome.get("connect_error"):
        if decision.disposition is not Disposition.REFUSED:
            yield f"connection refused, model {decision.disposition}"
        return
    envoy = outcome["envoy"]
    yield from _fields(envoy, decision)
    http = outcome.get("http")
    if http:
        yield from _answer(http, decision)
    if outcome.get("client_error") and decision.disposition is not Disposition.CLOSED:
        yield f"client_error {outcome['client_error']}: model {decision.disposition}"
    upstream = outcome.get("upstream")
    forwarded = decision.disposition is Disposition.FORWARDED
    if bool(upstream) != forwarded and envoy.get("details") != "downstream_remote_disconnect":
        yield f"upstream reached {bool(upstream)}: model {decision.disposition} {decision.details}"
    if upstream and forwarded:
        yield from _upstream(call, outcome, upstream, decision)


def _fields(envoy: dict[str, Any], decision: Decision) -> Iterator[str]:
    want = {
        "listener": envoy.get("listener", ""),
        "filter_chain": envoy.get("filter_chain", ""),
        "flags": envoy.get("flags", "").replace("DC", ""),
    }
    got = {
        "listener": decision.listener,
        "filter_chain": decision.filter_chain,
        "flags": decision.flag_text,
    }
    if envoy["log"] == "connection" and envoy.get("downstream_failure"):
        want.pop("listener"), got.pop("listener"), want.pop("filter_chain"), got.pop("filter_chain")
    if envoy["log"] == "http":
        for name in ("route_config", "virtual_host", "route"):
            want[name], got[name] = envoy.get(name, ""), getattr(decision, name)
        want["route_index"], got["route_index"] = str(envoy.get("route_index", -1)), str(decision.route_index)
    details = envoy.get("termination") or envoy.get("details")
    if details and details != "downstream_remote_disconnect":
        want["details"], got["details"] = details, decision.details
    cluster = envoy.get("cluster") or envoy.get("configured_cluster") or ""
    if cluster:
        got["cluster"] = _cluster(decision)
        want["cluster"] = got["cluster"] if isinstance(cluster, list) and got["cluster"] in cluster else str(cluster)
    for name, value in want.items():
        if value != got[name]:
            yield f"{name}: {value!r}, model {got[name]!r}"


def _cluster(decision: Decision) -> str:
    return decision.cluster or getattr(decision, "route_cluster", "")


def _answer(http: dict[str, Any], decision: Decision) -> Iterator[str]:
    if decision.disposition is Disposition.FORWARDED:
        if http["status"] not in (200, 101):
            yield f"status {http['status']}, model forwards"
    elif decision.disposition is not Disposition.REPLIED:
        yield f"status {http['status']}, model {decision.disposition}"
        return
    elif http["status"] != decision.status:
        yield f"status {http['status']}, model {decision.status}"
    got: dict[str, str] = {}
    for name, value in decision.response_headers:
        got[name] = f"{got[name]}, {value}" if name in got else value
    want = dict(http.get("headers", {}))
    if http.get("body_of") == "upstream" or decision.disposition is Disposition.FORWARDED:
        want.pop("content-type", None), want.pop("upgrade", None)
    elif http.get("body", "") != decision.body and "grpc-status" not in want:
        yield f"body {http.get('body')!r}, model {decision.body!r}"
    if http.get("location"):
        want["location"] = http["location"]
    if "set-cookie" in got:
        got["set-cookie"] = got["set-cookie"].replace('"-"', "<generated>")
    for name in sorted(set(want) | set(got)):
        value = want.get(name)
        value = ", ".join(value) if isinstance(value, list) else value
        if value != got.get(name):
            yield f"response header {name}: {value!r}, model {got.get(name)!r}"


def _upstream(
    call: dict[str, Any], outcome: dict[str, Any], upstream: dict[str, Any], decision: Decision
) -> Iterator[str]:
    chosen = decision.upstreams[0]
    assert chosen.cluster is not None
    usable = {str(e): e for e in hosts(chosen)}
    seen = list(outcome.get("upstream_hosts", {}))
    if all(not e.address[0].isdigit() and not e.address.startswith("/") for e in usable.values()):
        endpoint = next(iter(usable.values()))
    else:
        strange = [h for h in seen if h not in usable]
        if strange:
            yield f"hosts {strange} are not among {sorted(usable)}"
            return
        endpoint = usable[seen[0]]
    transport = transport_to(chosen.cluster, endpoint)
    tls = upstream.get("tls") or {}
    if bool(tls) != transport.tls and "tunnel" not in upstream:
        passed_on = call["tls"] != "plaintext" and not transport.tls
        if not passed_on:
            yield f"upstream TLS {bool(tls)}, model {transport.tls}"
    elif tls and transport.tls:
        if (tls.get("sni") or "") != (transport.sni or "") and transport.sni:
            yield f"upstream SNI {tls.get('sni')}, model {transport.sni}"
        if (tls.get("client_cert") is not None) != transport.mutual:
            yield f"client certificate {tls.get('client_cert')}, model {transport.mutual}"
        if list(tls.get("alpn_offered") or []) != list(transport.alpn) and transport.alpn:
            yield f"ALPN {tls.get('alpn_offered')}, model {transport.alpn}"
    if bool(transport.proxy_protocol) != bool(upstream.get("proxy_protocol")):
        yield f"proxy protocol {upstream.get('proxy_protocol')}, model {transport.proxy_protocol}"
    request = upstream.get("request")
    if request and outcome["envoy"]["log"] == "http":
        yield from _sent(call, upstream, request, decision)
    want = sorted(
        json.dumps([m["request"]["authority"], m["request"]["path"], (m.get("tls") or {}).get("sni")])
        for m in outcome.get("mirrors", [])
    )
    got = sorted(
        json.dumps([m.authority, decision.path, m.upstream.transports[0].sni if m.upstream.transports else None])
        for m in decision.policies.mirrors
    )
    if want != got:
        yield f"mirrors {want}, model {got}"


def _sent(call: dict[str, Any], upstream: dict[str, Any], request: dict[str, Any], decision: Decision) -> Iterator[str]:
    http2 = upstream["protocol"] == "http2"
    if http2 != decision.upstreams[0].http2:
        yield f"upstream protocol {upstream['protocol']}, model http2={decision.upstreams[0].http2}"
    for name, got in (("method", decision.method), ("path", decision.path), ("authority", decision.authority)):
        if request[name] != got:
            yield f"{name} {request[name]!r}, model {got!r}"
    before = dict(request_of(call).headers)  # type: ignore[union-attr]
    after: dict[str, str] = {}
    for name, value in decision.headers:
        after[name] = f"{after[name]},{value}" if name in after else value
    xfcc = after.get("x-forwarded-client-cert")
    if xfcc:
        after["x-forwarded-client-cert"] = xfcc.replace("Hash=-", "Hash=<hash>").replace(
            'Cert="-"', "Cert=<certificate>"
        )
    want_added = dict(request.get("headers_added", {}))
    want_added.pop("transfer-encoding", None)
    got_added = {n: v for n, v in after.items() if n not in before}
    if want_added.get("connection") == "Upgrade":
        want_added.pop("connection"), got_added.pop("connection", None)
    changed = {n: v for n, v in after.items() if n in before and before[n] != v}
    removed = sorted(n for n in before if n not in after)
    for what, want, got in (
        ("added", want_added, got_added),
        ("changed", request.get("headers_changed", {}), changed),
        ("removed", sorted(request.get("headers_removed", [])), removed),
    ):
        if want != got:
            yield f"headers {what} {want}, model {got}"
