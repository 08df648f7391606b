"""Istio's own traffic simulation (its simulation tests as data), and what the model decides for the same calls.

The simulation looks at listener, chain, TLS kind, host and path alone; what a proxy decides beyond that (access rules,
headers, whether a cluster exists) is left out of the comparison. Where a recording says that an Envoy does something
else, the fields that may differ for that reason are explained, not equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from meshsim.api import Fields
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
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InputError, Position
from meshsim.world.verify.call_worlds import TYPES, encoded
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.folder import read_recording
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.tally import Tally

KIND: Final = "simulation"
ERRORS: Final = {
    "no filter chains matched": "filter_chain_not_found",
    "invalid TLS": "plaintext on a TLS filter chain",
    "invalid mTLS": "peer did not return a certificate",
    "protocol error": "http1.codec_error",
    "no virtual host matched": "route_not_found",
    "no route matched": "route_not_found",
    "tls required, sending 301": "direct_response",
}
"""Errors of the simulation as response code details."""
_PROTOCOLS: Final = {"http": Protocol.HTTP11, "http2": Protocol.HTTP2, "tcp": Protocol.TCP, "": Protocol.TCP}
_CERTIFICATE: Final = PeerCertificate(("spiffe://cluster.local/ns/default/sa/simulated",))
_CLIENT: Final = "10.9.9.9"
_PLACES: Final = ("listener", "filter_chain", "route_config", "virtual_host", "route", "cluster")
_NOT_ALWAYS_NAMED: Final = ("route_config",)
"""Empty for an inline route table, whose name the simulation does not tell."""
_GROUPS: Final = {"clusters": "cds", "endpoints": "eds", "listeners": "lds", "routes": "rds"}


class Reason(NamedTuple):
    """Why a real Envoy answers differently: in words, and in which fields it may show."""

    text: str
    fields: frozenset[str]


def _reason(text: str, *fields: str) -> Reason:
    return Reason(text, frozenset(fields))


_FROM_CHAIN: Final = ("error", "filter_chain", "route_config", "virtual_host", "route", "cluster")
REASONS: Final[Mapping[str, Reason]] = {
    "route_conditions_ignored": _reason(
        "the simulation ignores conditions of a route besides its path, an Envoy does not", "route", "cluster", "error"
    ),
    "path_matching": _reason("the simulation matches paths in another way than an Envoy", "route", "cluster", "error"),
    "virtual_host_selection": _reason(
        "the simulation searches domains in another order than an Envoy", "virtual_host", "route", "cluster", "error"
    ),
    "source_match_ignored": _reason("the simulation ignores source criteria of filter chains", *_FROM_CHAIN),
    "zero_length_prefix_never_matches": _reason(
        "in the simulation a prefix range of length 0 matches nothing, in an Envoy everything", *_FROM_CHAIN
    ),
    "duplicate_chain_match": _reason(
        "an Envoy refuses a listener with two filter chains of one match as a whole", "listener", *_FROM_CHAIN
    ),
    "client_certificate_not_enforced": _reason(
        "an Envoy closes a connection whose client does not show the certificate that the chain requires", "error"
    ),
    "secret_name_heuristic": _reason(
        "an Envoy takes a client certificate whatever the name of its own secret is", "error"
    ),
    "client_certificate_offered_but_not_requested": _reason(
        "an Envoy does not ask for the client certificate, so the client does not show it", "error"
    ),
    "route_config_missing": _reason(
        "the route configuration was not generated", "route_config", "virtual_host", "route", "cluster", "error"
    ),
}
"""By the name that a recording gives the reason (``envoy_may_differ``)."""


def verify_file(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Compare every call of one file of the simulation; raises `InputError` for a file of another layout."""
    recorded = read_recording(folder, KIND, name)
    if not isinstance(recorded, dict):
        raise InputError("a recording of simulations is a JSON object", Position(f"{folder / KIND / name}.json.gz"))
    body = Fields(recorded)
    resources = body.fields("resources")
    tally = Tally(KIND, WorldOutcome(name), deviations)
    cache = ResourceCache()
    for case in body.items("cases"):
        if not case.items("calls"):
            continue
        config, refused = case_config(case, resources, cache)
        router = case.fields("proxy").text("type") == "router"
        for entry in case.items("calls"):
            call = entry.fields("call")
            decision = decide_call(config, call, router)
            found = list(compare_result(entry.fields("actual"), decision))
            kind = call.text("call_mode") or ("gateway" if router else "outbound")
            tally.add(case.text("id"), kind, entry.text("test"), found, explained(entry, found, refused))
    return tally.outcome


def case_config(case: Fields, resources: Fields, cache: ResourceCache) -> tuple[ActiveConfig, tuple[str, ...]]:
    """The configuration of a case, and the names of resources that an Envoy refuses."""
    packed = {
        TYPES[short][0]: encoded(short, [resources.fields(group).value(d) for d in case.texts(group)], case.text("id"))
        for group, short in _GROUPS.items()
    }
    config, rejected = load_config(packed, cache)
    return config, tuple(r.name for r in rejected)


def decide_call(config: ActiveConfig, call: Fields, router: bool) -> Decision:
    """The model's decision on a simulated call."""
    protocol = _PROTOCOLS.get(call.text("protocol"))
    if protocol is None:
        raise InputError(f"protocol '{call.text('protocol')}' of a simulated call is not known")
    connection = _connection(call, protocol)
    request = _request(call) if protocol.is_http else None
    if call.text("call_mode") == "inbound":
        return decide_inbound(config, connection, request)
    return decide_direct(config, connection, request) if router else decide_outbound(config, connection, request)


def _connection(call: Fields, protocol: Protocol) -> Connection:
    """A server name that the test gives itself is sent, so what carries it is TLS."""
    named = "sni" in call.texts("explicit") and call.text("sni")
    transport = Transport(call.text("tls", "plaintext"))
    if named and transport is Transport.PLAINTEXT:
        transport = Transport.TLS
    alpn = call.text("alpn")
    return Connection(
        source=_CLIENT,
        destination=call.text("address"),
        destination_port=call.integer("port"),
        transport=transport,
        sni=call.text("sni"),
        alpn=(alpn,) if alpn else (),
        certificate=_CERTIFICATE if transport is Transport.MTLS else None,
        protocol=protocol,
    )


def _request(call: Fields) -> Request:
    headers = [
        (name.lower(), str(value))
        for name, values in call.fields("headers").body.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    host = call.text("host_header") or dict(headers).get("host", "unset")
    plain = tuple((name, value) for name, value in headers if name != "host")
    return Request(authority=host, path=call.text("path", "/"), headers=plain)


def compare_result(actual: Fields, decision: Decision) -> Iterator[Mismatch]:
    """Where a decision says something else than the simulation; fields reached before an error count too."""
    error = actual.text("error")
    if error == "no listener matched":
        if decision.disposition is not Disposition.REFUSED:
            yield Mismatch("error", error, decision.disposition.value)
        return
    if error and decision.details != ERRORS.get(error, error):
        yield Mismatch("error", error, _ended(decision))
    if not error and (decision.disposition in (Disposition.REFUSED, Disposition.STALLED) or _fails(decision)):
        yield Mismatch("error", None, _ended(decision))
    for name in _PLACES:
        want, got = actual.text(name), getattr(decision, name)
        unnamed = name in _NOT_ALWAYS_NAMED and not want
        if want != got and not unnamed and not (error and not want):
            yield Mismatch(name, want, got)


def _fails(decision: Decision) -> bool:
    """Whether the decision is one of those that are errors of the simulation."""
    return decision.details in ERRORS.values() and decision.details != "direct_response"


def _ended(decision: Decision) -> str:
    return decision.details or f"{decision.disposition.value} {decision.cluster}".strip()


def explained(entry: Fields, found: Sequence[Mismatch], refused: Sequence[str]) -> str:
    """Why an Envoy answers differently, when the recording gives reasons that cover every field that differs."""
    reasons = [REASONS[name] for name in entry.texts("envoy_may_differ") if name in REASONS]
    if "duplicate_chain_match" in entry.texts("envoy_may_differ") and not refused:
        return ""
    allowed = frozenset().union(*(reason.fields for reason in reasons))
    covered = bool(found) and all(mismatch.path in allowed for mismatch in found)
    return "; ".join(reason.text for reason in reasons) if covered else ""
