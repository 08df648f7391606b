"""One outcome that a real Envoy had with a call, field by field against one decision of the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from meshsim.api import Fields
from meshsim.dataplane.decide import Decision, Disposition, Upstream, UpstreamTls
from meshsim.dataplane.decide.endpoints import Endpoint
from meshsim.dataplane.decide.transport_sockets import ClientTls, ProxyProtocol, TlsVersion
from meshsim.dataplane.decide.upstreams import hosts, transport_to
from meshsim.units import SECOND, Nanos
from meshsim.world.verify.call_worlds import Call, recorded_address
from meshsim.world.verify.canonical import Mismatch

_CLIENT_LEFT: Final = "downstream_remote_disconnect"
_VERSIONS: Final = {TlsVersion.TLS13: "TLSv1.3", TlsVersion.TLS12: "TLSv1.2"}
_ANSWERED: Final = frozenset({200, 101})
"""What the recording's upstream answers."""
_WORKLOAD: Final = "default"
_DELAY_SLACK_S: Final = 0.5


def compare_outcome(call: Call, outcome: Fields, decision: Decision, identity: str) -> Iterator[Mismatch]:
    """Where the recorded outcome and the decision differ; `identity` is the proxy's own."""
    if not outcome.flag("connected", True) or "connect_error" in outcome:
        yield from _differ("connected", "refused", decision.disposition.value)
        return
    if decision.disposition is Disposition.REFUSED:
        yield Mismatch("connected", "accepted", decision.disposition.value)
        return
    envoy = outcome.fields("envoy")
    yield from _log(envoy, decision)
    if "tls" in outcome:
        yield from _client_tls(outcome.fields("tls"), decision, identity)
    yield from _seen_by_client(outcome, decision)
    if "http" in outcome:
        yield from _answer(outcome.fields("http"), decision)
    reached, forwarded = "upstream" in outcome, decision.disposition is Disposition.FORWARDED
    if reached != forwarded and envoy.text("details") != _CLIENT_LEFT:
        yield Mismatch("upstream", _yes(reached), f"{decision.disposition.value} {decision.details}".strip())
    if reached and forwarded:
        yield from _upstream(call, outcome, decision, identity)
    yield from _services(outcome, decision)
    if decision.delay:
        yield from _delay(outcome, decision.delay)


def _delay(outcome: Fields, delay: Nanos) -> Iterator[Mismatch]:
    """The injected delay is the least that the call took; the recording tells times over half a second."""
    seconds = outcome.value("seconds")
    shortest = float(seconds[0]) if isinstance(seconds, list) and seconds else 0.0
    if delay > SECOND // 2 and abs(shortest - delay / SECOND) > _DELAY_SLACK_S:
        yield Mismatch("delay", f"{shortest} s", f"{delay / SECOND} s")


def _differ(path: str, want: object, got: object) -> Iterator[Mismatch]:
    if want != got:
        yield Mismatch(path, want, got)


def _yes(value: bool) -> str:
    return "reached" if value else "not reached"


def _log(envoy: Fields, decision: Decision) -> Iterator[Mismatch]:
    """Envoy's own account of the call."""
    log = envoy.text("log")
    failed_tls = log == "connection" and "downstream_failure" in envoy
    if not failed_tls:
        yield from _differ("listener", envoy.text("listener"), decision.listener)
        yield from _differ("filter_chain", envoy.text("filter_chain"), decision.filter_chain)
    flags = [flag for flag in envoy.text("flags").split(",") if flag not in ("", "DC")]
    yield from _differ("flags", ",".join(flags), decision.flag_text)
    yield from _differ("sni", envoy.text("sni"), decision.sni)
    if log == "http":
        for name in ("route_config", "virtual_host", "route"):
            yield from _differ(name, envoy.text(name), getattr(decision, name))
        yield from _differ("route_index", envoy.integer("route_index", -1), decision.route_index)
    details = envoy.text("termination") or envoy.text("details")
    if details and details != _CLIENT_LEFT:
        yield from _differ("details", details, decision.details)
    clusters = envoy.texts("configured_cluster") or (envoy.text("cluster") or envoy.text("configured_cluster"),)
    if clusters[0] and decision.cluster not in clusters:
        yield Mismatch("cluster", " or ".join(clusters), decision.cluster)


def _client_tls(tls: Fields, decision: Decision, identity: str) -> Iterator[Mismatch]:
    """The client's handshake, where it is with the proxy and not with something behind it."""
    handshake = decision.handshake
    if tls.text("handshake") != "ok":
        if handshake.terminated or handshake.late:
            yield Mismatch("tls/handshake", tls.text("handshake"), "ok")
        return
    if not handshake.terminated and not handshake.late:
        if decision.disposition is not Disposition.FORWARDED:
            yield Mismatch("tls/handshake", "ok", handshake.failure or decision.disposition.value)
        return
    yield from _differ("tls/alpn", tls.text("alpn"), handshake.alpn)
    yield from _differ("tls/version", tls.text("version"), _VERSIONS.get(handshake.version, handshake.version.name))
    shown = f"URI:{identity}" if handshake.secret == _WORKLOAD else f"CN:{handshake.secret}"
    if shown not in tls.texts("server_certificate"):
        yield Mismatch("tls/server_certificate", ", ".join(tls.texts("server_certificate")), shown)


def _seen_by_client(outcome: Fields, decision: Decision) -> Iterator[Mismatch]:
    """An answer, an end without one, or bytes that came back."""
    end = decision.disposition
    if "client_error" in outcome and end not in (Disposition.CLOSED, Disposition.STALLED):
        yield Mismatch("client_error", outcome.text("client_error"), end.value)
    if "http" in outcome and end not in (Disposition.FORWARDED, Disposition.REPLIED):
        yield Mismatch("status", outcome.fields("http").integer("status"), end.value)
    if "tcp" in outcome:
        forwarded = outcome.fields("tcp").flag("forwarded")
        yield from _differ("tcp/forwarded", forwarded, end is Disposition.FORWARDED)


def _answer(http: Fields, decision: Decision) -> Iterator[Mismatch]:
    status = http.integer("status")
    replied = decision.disposition is Disposition.REPLIED
    if replied:
        yield from _differ("status", status, decision.status)
    elif decision.disposition is not Disposition.FORWARDED:
        return
    elif status not in _ANSWERED:
        yield Mismatch("status", status, "forwarded")
    want = {name: _joined(value) for name, value in http.fields("headers").body.items()}
    if http.text("body_of") == "upstream" or not replied:
        want.pop("content-type", None)
        want.pop("upgrade", None)
    elif "grpc-status" not in want:
        yield from _differ("body", http.text("body"), decision.body)
    if "location" in http:
        want["location"] = http.text("location")
    got: dict[str, str] = {}
    for name, value in decision.response_headers:
        got[name] = f"{got[name]}, {value}" if name in got else value
    if "set-cookie" in got:
        got["set-cookie"] = got["set-cookie"].replace('"-"', "<generated>")
    yield from _mappings("response", want, got)


def _joined(value: object) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _mappings(path: str, want: Mapping[str, str], got: Mapping[str, str]) -> Iterator[Mismatch]:
    for name in sorted({*want, *got}):
        yield from _differ(f"{path}/{name}", want.get(name), got.get(name))


def _services(outcome: Fields, decision: Decision) -> Iterator[Mismatch]:
    """External services that were asked on the way."""
    asked = any("Authorization/Check" in c.text("path") for c in outcome.items("service_calls"))
    other = "other_upstream_requests" in outcome
    if decision.asked and not asked and not other:
        yield Mismatch("service_calls", None, ", ".join(decision.asked))
    if asked and not decision.asked and outcome.fields("envoy").text("log") == "http":
        yield Mismatch("service_calls", "external authorization", None)


def _upstream(call: Call, outcome: Fields, decision: Decision, identity: str) -> Iterator[Mismatch]:
    """What arrived behind the proxy."""
    chosen = decision.upstreams[0]
    usable = {_address(e): e for e in hosts(chosen)}
    seen = list(outcome.fields("upstream_hosts"))
    strange = [host for host in seen if host not in usable]
    if strange or not usable:
        yield Mismatch("upstream/hosts", ", ".join(strange), ", ".join(sorted(usable)))
        return
    endpoint = usable[seen[0]] if seen else next(iter(usable.values()))
    upstream = outcome.fields("upstream")
    yield from _upstream_tls(call, upstream, chosen, endpoint, decision, identity)
    if "request" in upstream and outcome.fields("envoy").text("log") == "http":
        yield from _request(call, upstream, decision)
    yield from _mirrors(outcome, decision)


def _address(endpoint: Endpoint) -> str:
    host = recorded_address(endpoint.address)
    return f"{host}:{endpoint.port}" if endpoint.port else host


def _upstream_tls(
    call: Call, upstream: Fields, chosen: Upstream, endpoint: Endpoint, decision: Decision, identity: str
) -> Iterator[Mismatch]:
    """TLS between proxy and upstream; the client's own may pass through instead."""
    assert chosen.cluster is not None
    transport = transport_to(chosen.cluster, endpoint)
    seen = "tls" in upstream
    passed_on = call.transport.value != "plaintext" and not decision.handshake.terminated and not transport.tls
    if seen != transport.tls and not passed_on and "tunnel" not in upstream:
        yield Mismatch("upstream/tls", _tls(seen), _tls(transport.tls))
    elif seen and transport.tls:
        _, socket = chosen.cluster.socket_for(endpoint)
        inner = socket.inner if isinstance(socket, ProxyProtocol) else socket
        certificate = inner.certificate if isinstance(inner, ClientTls) else ""
        yield from _offered(upstream.fields("tls"), transport, certificate, identity)
    header = "proxy_protocol" in upstream
    yield from _differ("upstream/proxy_protocol", header, bool(transport.proxy_protocol))


def _tls(value: bool) -> str:
    return "TLS" if value else "plaintext"


def _offered(tls: Fields, transport: UpstreamTls, certificate: str, identity: str) -> Iterator[Mismatch]:
    if transport.sni:
        yield from _differ("upstream/sni", tls.text("sni"), transport.sni)
    if transport.alpn:
        yield from _differ("upstream/alpn", ",".join(tls.texts("alpn_offered")), ",".join(transport.alpn))
    shown = tls.texts("client_cert")
    if ("client_cert" in tls) != transport.mutual:
        yield Mismatch("upstream/client_certificate", ", ".join(shown) or None, transport.mutual)
    elif shown and certificate == _WORKLOAD and f"URI:{identity}" not in shown:
        yield Mismatch("upstream/client_certificate", ", ".join(shown), f"URI:{identity}")


def _request(call: Call, upstream: Fields, decision: Decision) -> Iterator[Mismatch]:
    """The request as the proxy rewrote it."""
    request, sent = upstream.fields("request"), call.request
    assert sent is not None
    yield from _differ("upstream/http2", upstream.text("protocol") == "http2", decision.upstreams[0].http2)
    for name in ("method", "path", "authority"):
        yield from _differ(f"request/{name}", request.text(name), getattr(decision, name))
    before, after = dict(sent.headers), _after(decision)
    added = request.text_map("headers_added")
    added.pop("transfer-encoding", None)
    got = {name: value for name, value in after.items() if name not in before}
    if added.get("connection") == "Upgrade":
        del added["connection"]
        got.pop("connection", None)
    yield from _mappings("request/added", added, got)
    changed = {name: value for name, value in after.items() if name in before and before[name] != value}
    yield from _mappings("request/changed", request.text_map("headers_changed"), changed)
    removed = sorted(name for name in before if name not in after)
    yield from _differ("request/removed", sorted(request.texts("headers_removed")), removed)


def _after(decision: Decision) -> dict[str, str]:
    after: dict[str, str] = {}
    for name, value in decision.headers:
        after[name] = f"{after[name]},{value}" if name in after else value
    if "x-forwarded-client-cert" in after:
        plain = after["x-forwarded-client-cert"].replace("Hash=-", "Hash=<hash>")
        after["x-forwarded-client-cert"] = plain.replace('Cert="-"', "Cert=<certificate>")
    return after


def _mirrors(outcome: Fields, decision: Decision) -> Iterator[Mismatch]:
    want = sorted(
        json.dumps(
            [m.fields("request").text("authority"), m.fields("request").text("path"), m.fields("tls").text("sni")]
        )
        for m in outcome.items("mirrors")
    )
    got = sorted(
        json.dumps([m.authority, decision.path, m.upstream.transports[0].sni if m.upstream.transports else ""])
        for m in decision.policies.mirrors
    )
    yield from _differ("mirrors", want, got)
