"""Why a request goes where it goes: name, nat rules, the caller's proxy, the destination's proxy, and the objects that
made each of their resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from meshsim.dataplane.active import ActiveConfig
from meshsim.dataplane.decide.clusters import Endpoint
from meshsim.dataplane.decide.decide import Decider, decide_direct, decide_inbound, decide_outbound
from meshsim.dataplane.decide.decision import Decision, Disposition, Surroundings, Upstream, UpstreamTls
from meshsim.dataplane.decide.explain import explain as decision_lines
from meshsim.dataplane.decide.rbac import RbacAction, RbacConfig
from meshsim.dataplane.decide.upstreams import hosts
from meshsim.dataplane.decide.values import Connection, PeerCertificate, Request, Transport
from meshsim.dataplane.decide.values import Protocol as Spoken
from meshsim.netfilter import INBOUND_PORT, OUTBOUND_PORT, Outcome, Verdict
from meshsim.units import Nanos, format_duration
from meshsim.world.sources import ConfigName, Sources, config_name

CLIENT_ADDRESS: Final = "203.0.113.10"
"""A client outside (documentation range, RFC 5737)."""
UNKNOWN_ADDRESS: Final = "0.0.0.0"
"""Of a recorded caller without proxy, whose address no recording keeps."""
POLICY_NAME: Final = re.compile(r"(?:istio-ext-authz-)?ns\[([^]]*)\]-policy\[([^]]*)\]-rule\[(\d+)\]")
"""Name of an RBAC policy (istio pilot/pkg/security/authz/builder, 1.31)."""
_KINDS: Final = {
    "authorizationpolicy": "AuthorizationPolicy",
    "service": "Service",
    "peerauthentication": "PeerAuthentication",
}
_BECAUSE: Final = "because of "
_PARTS: Final = 4


class PodPlace(NamedTuple):
    """A pod as an explanation needs it."""

    id: str
    """``pod.namespace``."""
    namespace: str
    address: str
    service_account: str
    has_proxy: bool


class Named(NamedTuple):
    """A host name resolved."""

    host: str
    addresses: tuple[str, ...]
    service: str = ""
    """Name of the Service behind it."""
    namespace: str = ""


class Evidence(Protocol):
    """One instant of a run: what an explanation looks at."""

    @property
    def time(self) -> Nanos:
        """Since the start of the run."""
        ...

    @property
    def trust_domain(self) -> str:
        """The mesh's trust domain."""
        ...

    @property
    def sources(self) -> Sources:
        """Where objects were written."""
        ...

    def config(self, pod_id: str) -> ActiveConfig | None:
        """What a pod's proxy follows; `None` while it has none."""
        ...

    def resolve(self, host: str, namespace: str) -> Named | None:
        """What a name means to a pod of a namespace."""
        ...

    def walk_outbound(self, pod_id: str, address: str, port: int) -> Verdict | None:
        """The way of an application's connection through its pod's nat rules."""
        ...

    def walk_inbound(self, pod_id: str, source: str, address: str, port: int) -> Verdict | None:
        """The way of a peer's connection through its destination's nat rules."""
        ...

    def pod_at(self, address: str) -> PodPlace | None:
        """The pod with an address."""
        ...

    def backends(self, address: str, port: int) -> tuple[tuple[str, int], ...]:
        """Where the kube sends packets to an address and port."""
        ...

    def peer_policies(self, pod_id: str) -> tuple[ConfigName, ...]:
        """The PeerAuthentications that count for a pod, the most specific first; none where labels are not known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request to be explained."""

    caller: PodPlace
    from_outside: bool = False
    """Whether a client outside sends it to the caller, a gateway."""
    host: str
    port: int
    """For a client outside the port of the gateway's pod."""
    request: Request
    reached: str = ""
    """The endpoint it went to, where that is known; else one of each cluster is followed."""


class Section(NamedTuple):
    """One stage of the way."""

    title: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class Explanation:
    """The way of a request."""

    title: str
    sections: list[Section] = field(default_factory=list)

    def add(self, title: str, lines: Iterator[str] | list[str]) -> None:
        """Another stage."""
        self.sections.append(Section(title, tuple(lines)))

    def lines(self) -> Iterator[str]:
        """The explanation as text."""
        yield self.title
        for section in self.sections:
            yield ""
            yield section.title
            yield from (f"  {line}" for line in section.lines)


def explain_request(evidence: Evidence, ask: Ask) -> Explanation:
    """Follow a request from the caller's socket to the application that answers it."""
    request = ask.request
    who = f"a client outside, through {ask.caller.id}" if ask.from_outside else ask.caller.id
    where = f" ({ask.caller.address})" if ask.caller.address != UNKNOWN_ADDRESS else ""
    title = f"{request.method} http://{request.authority}{request.path} from {who}{where}"
    explanation = Explanation(f"{title} at {format_duration(evidence.time)}")
    if ask.from_outside:
        _through_gateway(evidence, ask, explanation)
        return explanation
    name = evidence.resolve(ask.host, ask.caller.namespace)
    explanation.add("name", _name_lines(evidence, ask.host, name))
    if name is None or not name.addresses:
        return explanation
    address = name.addresses[0]
    verdict = evidence.walk_outbound(ask.caller.id, address, ask.port)
    explanation.add(f"nat rules of {ask.caller.id}", _nat_lines(verdict, address, ask.port))
    if not ask.caller.has_proxy or verdict is None or verdict.redirected_to != OUTBOUND_PORT:
        _without_proxy(evidence, ask, address, explanation)
        return explanation
    connection = Connection(source=ask.caller.address, destination=address, destination_port=ask.port)
    _through_proxy(evidence, ask, connection, decide_outbound, "outbound", explanation)
    return explanation


# ---- the caller's side ----------------------------------------------------------------------------------------------


def _name_lines(evidence: Evidence, host: str, name: Named | None) -> Iterator[str]:
    if name is None:
        yield f"{host} is unknown: the application has nowhere to connect to"
        return
    where = ", ".join(name.addresses) or "no address: no endpoint is ready"
    yield f"{host} is {name.host} at {where}"
    if name.service:
        yield from _object_lines(evidence, ConfigName("service", name.namespace, name.service), "name")


def _nat_lines(verdict: Verdict | None, address: str, port: int) -> Iterator[str]:
    if verdict is None:
        yield f"none: {address}:{port} is reached as it is"
        return
    decider = verdict.deciding_rule
    for step in verdict.path:
        mark = "  <- decides" if step is decider else ""
        where = f"{step.table} {step.chain} {step.number}" if step.number else f"{step.table} {step.chain}"
        yield f"{where}: {step.rule}{mark}"
    yield f"=> {_outcome_text(verdict, address, port)}"


def _outcome_text(verdict: Verdict, address: str, port: int) -> str:
    if verdict.redirected_to:
        names = {OUTBOUND_PORT: ", the proxy's outbound listener", INBOUND_PORT: ", the proxy's inbound listener"}
        how = "by TPROXY " if verdict.outcome is Outcome.TRANSPARENT else ""
        return f"redirected {how}to port {verdict.redirected_to}{names.get(verdict.redirected_to, '')}"
    if verdict.outcome is Outcome.DIRECT:
        return f"not captured, {address}:{port} is reached as it is"
    return f"{verdict.outcome.value}"


def _through_gateway(evidence: Evidence, ask: Ask, explanation: Explanation) -> None:
    connection = Connection(source=CLIENT_ADDRESS, destination=ask.caller.address, destination_port=ask.port)
    _through_proxy(evidence, ask, connection, decide_direct, "gateway", explanation)


def _through_proxy(
    evidence: Evidence, ask: Ask, connection: Connection, decide: Decider, how: str, explanation: Explanation
) -> None:
    config = evidence.config(ask.caller.id)
    title = f"{how}: the proxy of {ask.caller.id}"
    if config is None:
        explanation.add(title, ["it does not run: connections are refused"])
        return
    identity = identity_of(evidence, ask.caller)
    decision = decide(config, connection, ask.request, True, surroundings=Surroundings(identity, ask.caller.address))
    explanation.add(title, _decision_lines(evidence, config, decision))
    if decision.disposition is Disposition.FORWARDED:
        _destinations(evidence, ask, decision, explanation)


def _without_proxy(evidence: Evidence, ask: Ask, address: str, explanation: Explanation) -> None:
    """Kube-proxy chooses the backend; the peer sees plaintext."""
    backends = evidence.backends(address, ask.port)
    shown = ", ".join(f"{host}:{port}" for host, port in backends) or "nothing: no endpoint is ready"
    explanation.add("no proxy", [f"kube-proxy sends it to {shown}"])
    chosen = [item for item in backends if not ask.reached or f"{item[0]}:{item[1]}" == ask.reached][:1]
    for host, port in chosen:
        connection = Connection(source=ask.caller.address, destination=host, destination_port=port)
        _arrive(evidence, ask, connection, ask.request, explanation)


# ---- the destination's side -----------------------------------------------------------------------------------------


def _destinations(evidence: Evidence, ask: Ask, decision: Decision, explanation: Explanation) -> None:
    """Follow the request to the endpoint it reached, or to the first one of each cluster."""
    request = Request(
        method=decision.method or ask.request.method,
        authority=decision.authority or ask.request.authority,
        path=decision.path or ask.request.path,
        headers=decision.headers or ask.request.headers,
    )
    for upstream in decision.upstreams:
        connection = _first_connection(evidence, ask, upstream)
        if connection is not None:
            _arrive(evidence, ask, connection, request, explanation)


def _first_connection(evidence: Evidence, ask: Ask, upstream: Upstream) -> Connection | None:
    if upstream.cluster is None:
        return None
    endpoints = hosts(upstream)
    if ask.reached:
        endpoints = tuple(item for item in endpoints if str(item) == ask.reached)
    return connection_to(evidence, ask.caller, upstream, endpoints[0]) if endpoints else None


def connection_to(evidence: Evidence, caller: PodPlace, upstream: Upstream, endpoint: Endpoint) -> Connection:
    """The connection that the caller's proxy opens to an endpoint of a cluster."""
    assert upstream.cluster is not None
    socket, _ = upstream.cluster.socket_for(endpoint)
    transport = next((item for item in upstream.transports if item.match == socket), UpstreamTls("", False, False))
    kind = Transport.MTLS if transport.mutual else Transport.TLS if transport.tls else Transport.PLAINTEXT
    certificate = PeerCertificate((identity_of(evidence, caller),)) if kind is Transport.MTLS else None
    address, port = endpoint.address, endpoint.port
    if upstream.destination is not None:
        backends = evidence.backends(address, port)
        address, port = backends[0] if backends else (address, port)
    return Connection(
        source=caller.address,
        destination=address,
        destination_port=port,
        transport=kind,
        sni=transport.sni,
        alpn=transport.alpn,
        certificate=certificate,
        protocol=Spoken.HTTP2 if upstream.http2 else Spoken.HTTP11,
    )


def _arrive(evidence: Evidence, ask: Ask, connection: Connection, request: Request, explanation: Explanation) -> None:
    address, port = connection.destination, connection.destination_port
    target = evidence.pod_at(address)
    if target is None:
        explanation.add(f"destination {address}:{port}", ["no pod of the mesh has this address"])
        return
    verdict = evidence.walk_inbound(target.id, ask.caller.address, address, port)
    explanation.add(f"nat rules of {target.id}", _nat_lines(verdict, address, port))
    if not target.has_proxy or verdict is None or verdict.redirected_to != INBOUND_PORT:
        said = "the application hangs up: it does not speak TLS" if connection.uses_tls else "the application answers"
        explanation.add(f"destination {target.id}", [said])
        return
    config = evidence.config(target.id)
    title = f"inbound: the proxy of {target.id}"
    if config is None:
        explanation.add(title, ["it does not run: connections are refused"])
        return
    surroundings = Surroundings(identity_of(evidence, target), address)
    decision = decide_inbound(config, connection, request, True, surroundings=surroundings)
    lines = list(_decision_lines(evidence, config, decision))
    for name in evidence.peer_policies(target.id):
        lines += _object_lines(evidence, name, "filter chain")
    explanation.add(title, lines)


def identity_of(evidence: Evidence, pod: PodPlace) -> str:
    """The name in the certificate of a pod's proxy."""
    return f"spiffe://{evidence.trust_domain}/ns/{pod.namespace}/sa/{pod.service_account}"


# ---- what made it ---------------------------------------------------------------------------------------------------


def _decision_lines(evidence: Evidence, config: ActiveConfig, decision: Decision) -> Iterator[str]:
    """The decision in words, and the objects behind it with file and line."""
    for line in decision_lines(decision, ""):
        if not line.removeprefix("=> ").startswith(_BECAUSE):
            yield line
    made: dict[str, None] = {}
    listener = config.listeners.get(decision.listener)
    if listener is not None and listener.config:
        made.update(dict.fromkeys(_config_lines(evidence, listener.config, "", "listener")))
    if decision.config:
        made.update(dict.fromkeys(_config_lines(evidence, decision.config, decision.route, "route")))
    for upstream in decision.upstreams:
        if upstream.cluster is not None and upstream.cluster.config:
            made.update(dict.fromkeys(_config_lines(evidence, upstream.cluster.config, "", "cluster")))
        made.update(dict.fromkeys(_service_lines(evidence, upstream)))
    for policy in _policies(config, decision):
        match = POLICY_NAME.fullmatch(policy)
        if match:
            name = ConfigName("authorizationpolicy", match[1], match[2])
            made.update(dict.fromkeys(_object_lines(evidence, name, "rbac", f"spec.rules[{match[3]}]")))
    yield from made


def _policies(config: ActiveConfig, decision: Decision) -> list[str]:
    """RBAC policies that decided: those that matched; where none did and that meant denial, all that could have."""
    asked = [step for step in decision.steps if step.stage in ("rbac", "network rbac")]
    matched = [step.chosen for step in asked if step.chosen != "none"]
    if not asked or asked[-1].chosen != "none" or decision.disposition is Disposition.FORWARDED:
        return matched
    listener = config.listeners.get(decision.listener)
    chains = (*listener.chains, listener.default_chain) if listener is not None else ()
    chain = next((item for item in chains if item is not None and item.name == decision.filter_chain), None)
    manager = chain.connection_manager if chain is not None else None
    engines = [item.config.rules for item in manager.filters if isinstance(item.config, RbacConfig)] if manager else []
    allowing = [engine for engine in engines if engine is not None and engine.action is RbacAction.ALLOW]
    return [*matched, *(policy.name for engine in allowing for policy in engine.policies)]


def _config_lines(evidence: Evidence, config: str, route: str, what: str) -> Iterator[str]:
    name = config_name(config)
    if name is None:
        yield f"{what} made by {config}"
        return
    yield from _object_lines(evidence, name, what, _route_path(evidence, name, route))


def _route_path(evidence: Evidence, name: ConfigName, route: str) -> str:
    """Where the HTTP route of this name stands in its VirtualService; empty when it cannot be told."""
    written = evidence.sources.at(name, evidence.time)
    if written is None or written.item is None or not route:
        return ""
    names = [item.text("name") for item in written.item.spec.items("http")]
    return f"spec.http[{names.index(route)}]" if names.count(route) == 1 else ""


def _service_lines(evidence: Evidence, upstream: Upstream) -> Iterator[str]:
    """The Service or ServiceEntry that a cluster is named after."""
    parts = upstream.name.split("|")
    if len(parts) != _PARTS or parts[0] != "outbound":
        return
    labels = parts[3].split(".")
    if len(labels) > 2 and labels[2] == "svc":
        yield from _object_lines(evidence, ConfigName("service", labels[1], labels[0]), "cluster")


def _object_lines(evidence: Evidence, name: ConfigName, what: str, path: str = "") -> Iterator[str]:
    written = evidence.sources.at(name, evidence.time)
    if written is None:
        yield f"{what} made by {_KINDS.get(name.kind, name.kind)} {name.namespace}/{name.name}"
        return
    position = written.position
    if path and written.item is not None:
        position = written.item.position(path) or position
    where = f"{position.file}:{position.line}"
    yield f"{what} made by {written.kind} {name.namespace}/{name.name}  {where}"
