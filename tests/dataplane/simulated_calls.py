"""Calls of Istio's own traffic simulation, and the model's decisions in its words.

The simulation looks at listener, chain, TLS kind, host and path alone; what a proxy decides beyond that (access rules,
headers, whether a cluster exists) is left out here. Where it knowingly differs from an Envoy, see `KNOWN`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recorded_calls import CACHE, KINDS, read

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import (
    Connection,
    Decision,
    Disposition,
    PeerCertificate,
    Protocol,
    Request,
    Transport,
    decide_direct,
    decide_inbound,
    decide_outbound,
)
from meshsim.xds.packing import from_json

ERRORS = {
    "no filter chains matched": "filter_chain_not_found",
    "invalid TLS": "plaintext on a TLS filter chain",
    "invalid mTLS": "peer did not return a certificate",
    "protocol error": "http1.codec_error",
    "no virtual host matched": "route_not_found",
    "no route matched": "route_not_found",
    "tls required, sending 301": "direct_response",
}
HTTP = {"http": Protocol.HTTP11, "http2": Protocol.HTTP2, "tcp": Protocol.TCP, "": Protocol.TCP}
CERTIFICATE = PeerCertificate(("spiffe://cluster.local/ns/default/sa/simulated",))


def case_config(case: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]) -> tuple[ActiveConfig, list[str]]:
    """The configuration of a case, and the resources that an Envoy refuses."""
    kinds = {"clusters": "cds", "endpoints": "eds", "listeners": "lds", "routes": "rds"}
    packed: dict[str, dict[str, bytes]] = {}
    for group, kind in kinds.items():
        type_url, cls, name = KINDS[kind]
        bodies = [resources[group][h] for h in case[group]]
        packed[type_url] = {b[name]: from_json(b, cls).SerializeToString(deterministic=True) for b in bodies}
    config, rejected = load_config(packed, CACHE)
    return config, [r.name for r in rejected]


def decide_call(config: ActiveConfig, call: Mapping[str, Any], router: bool) -> Decision:
    transport = (
        Transport(call["tls"])
        if not ("sni" in call["explicit"] and call["sni"]) or call["tls"] != "plaintext"
        else Transport.TLS
    )
    protocol = HTTP[call["protocol"]]
    connection = Connection(
        source="10.9.9.9",
        destination=call["address"],
        destination_port=call["port"],
        transport=transport,
        sni=call["sni"],
        alpn=(call["alpn"],) if call["alpn"] else (),
        certificate=CERTIFICATE if transport is Transport.MTLS else None,
        protocol=protocol,
    )
    headers = tuple(
        (k.lower(), v) for k, vs in (call["headers"] or {}).items() for v in ([vs] if isinstance(vs, str) else vs)
    )
    host = call["host_header"] or dict(headers).get("host", "unset")
    headers = tuple((n, v) for n, v in headers if n != "host")
    request = Request(authority=host, path=call["path"], headers=headers) if protocol.is_http else None
    if call["call_mode"] == "inbound":
        return decide_inbound(config, connection, request)
    return decide_direct(config, connection, request) if router else decide_outbound(config, connection, request)


def compare(actual: Mapping[str, Any], decision: Decision) -> Iterator[str]:
    """Where a decision says something else than the simulation."""
    error = actual["error"]
    if error == "no listener matched":
        if decision.disposition is not Disposition.REFUSED:
            yield f"no listener matched, model {decision.disposition}"
        return
    if error is None and decision.disposition in (Disposition.REFUSED, Disposition.STALLED):
        yield f"reached, model {decision.disposition}"
        return
    if error is not None and decision.details != ERRORS.get(error, error):
        yield f"error {error!r}, model {decision.details!r}"
    if error is None and decision.details in ERRORS.values() and decision.details != "direct_response":
        yield f"no error, model {decision.details!r}"
    for name in ("listener", "filter_chain", "virtual_host", "route", "cluster"):
        want = actual[name] or ""
        if error is None and want != getattr(decision, name) and want:
            yield f"{name} {want!r}, model {getattr(decision, name)!r}"
    if actual["route_config"] and error is None and actual["route_config"] != decision.route_config:
        yield f"route_config {actual['route_config']!r}, model {decision.route_config!r}"


def cases(folder: Path) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for path in sorted(folder.glob("*.json.gz")):
        recorded = read(path)
        for case in recorded["cases"]:
            yield path.name, case, recorded["resources"]
