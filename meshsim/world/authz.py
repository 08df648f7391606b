"""Who may call whom: every workload's request to every service, as the proxies on both sides decide it.

The caller's proxy says what arrives at the destination (route, endpoint, mutual TLS or plaintext), the destination's
proxy whether it passes. Shown is the rule that decided; where only some requests pass, the rules that let others of the
caller through, or keep them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from meshsim.api import ApiObject
from meshsim.controlplane.push_context import build_push_context
from meshsim.controlplane.resources import generate
from meshsim.dataplane.active import ActiveConfig
from meshsim.dataplane.decide.chains import choose_chain, inspect
from meshsim.dataplane.decide.decide import decide_inbound, decide_outbound
from meshsim.dataplane.decide.decision import Decision, Disposition, Surroundings
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.listeners import FilterChain
from meshsim.dataplane.decide.network_filters import EnforceNetworkRbac
from meshsim.dataplane.decide.rbac import Policy, RbacAction, RbacConfig, RbacEngine, Subject
from meshsim.dataplane.decide.strings import parse_ip
from meshsim.dataplane.decide.upstreams import hosts
from meshsim.dataplane.decide.values import Connection, Request
from meshsim.errors import Position, UsageError
from meshsim.netfilter import INBOUND_PORT, OUTBOUND_PORT
from meshsim.scenario import LoadedScenario
from meshsim.units import Nanos
from meshsim.world.directory import Group, PodEntry
from meshsim.world.explain import POLICY_NAME, PodPlace, connection_to, identity_of
from meshsim.world.explain_scenario import WorldEvidence, place_of, pod_named, quiet_world
from meshsim.world.model import World
from meshsim.world.sources import ConfigName, sources_of
from meshsim.xds import type_urls
from meshsim.xds.messages import listener_pb2

_NO_POLICY: Final = "no AuthorizationPolicy applies"


class Access(Enum):
    """What becomes of a caller's request."""

    YES = "yes"
    SOME = "some"
    """This request is denied, but a rule lets others of this caller through; or the other way round."""
    NO = "no"


class Rule(NamedTuple):
    """A rule of an AuthorizationPolicy, or another object that decided."""

    text: str
    """``ALLOW AuthorizationPolicy shop/stock rule 0``."""
    position: Position | None

    def __str__(self) -> str:
        where = f"  {self.position.file}:{self.position.line}" if self.position else ""
        return f"{self.text}{where}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One caller's request to one workload behind a service."""

    caller: str
    """``workload.namespace``."""
    service: str
    """``service.namespace:port``."""
    destination: str
    """``workload.namespace`` behind the service, empty where nothing is reached."""
    access: Access
    why: str
    rules: tuple[Rule, ...]
    """What decided, and for `SOME` what decides other requests."""


@dataclass(frozen=True, slots=True)
class Question:
    """The request that everybody is taken to send."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()


def who_may_call_whom(
    loaded: LoadedScenario, question: Question, *, caller: str = "", service: str = "", at: Nanos = 0
) -> list[Answer]:
    """The answers at an instant, by service and caller; `caller` and `service` (``name`` or ``name.namespace``) narrow
    them. Raises `UsageError`.
    """
    world = quiet_world(loaded, at)
    judge = _Judge(WorldEvidence(world, at, sources_of(loaded)), world, question)
    only = pod_named(world, caller).group if caller else None
    answers: list[Answer] = []
    for item in sorted(world.kube.server.objects.select("Service", ""), key=lambda s: (s.namespace, s.name)):
        if service in ("", item.name, f"{item.name}.{item.namespace}") and item.spec.text_map("selector"):
            for port in item.spec.items("ports"):
                if port.text("protocol", "TCP") == "TCP":
                    for entry in callers(world):
                        if only in (None, entry.group):
                            answers += judge.answers(entry, item, port.integer("port"))
    return answers


def callers(world: World) -> list[PodEntry]:
    """One living pod of each workload, by name."""
    found: dict[tuple[Group, str], PodEntry] = {}
    for entry in sorted(world.directory, key=lambda e: e.id):
        if entry.alive and entry.reachable:
            found.setdefault((entry.group, entry.service_account), entry)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Judge:
    """Follows requests through the proxies of a world."""

    evidence: WorldEvidence
    world: World
    question: Question

    def answers(self, entry: PodEntry, service: ApiObject, port: int) -> Iterator[Answer]:
        """One answer for each workload that the request may reach."""
        caller, name = place_of(entry), f"{service.name}.{service.namespace}:{port}"
        who = _workload(entry)
        seen: set[str] = set()
        for connection, request, refused in self._sent(caller, service, port):
            if connection is None:
                yield Answer(who, name, "", Access.NO, refused, ())
                continue
            target = self.world.directory.at(connection.destination)
            whom = _workload(target) if target else connection.destination
            if whom not in seen:
                seen.add(whom)
                access, why, rules = self._arrived(caller, target, connection, request)
                yield Answer(who, name, whom, access, why, rules)

    def _sent(
        self, caller: PodPlace, service: ApiObject, port: int
    ) -> Iterator[tuple[Connection | None, Request, str]]:
        """What reaches endpoints of the service: connection and request, or no connection and why."""
        host = f"{service.name}.{service.namespace}.svc.{self.world.mesh.domain}"
        asked = self.question
        request = Request(method=asked.method, authority=f"{host}:{port}", path=asked.path, headers=asked.headers)
        named = self.evidence.resolve(host, caller.namespace)
        if named is None or not named.addresses:
            yield None, request, "no endpoint is ready"
            return
        address = named.addresses[0]
        verdict = self.evidence.walk_outbound(caller.id, address, port)
        config = self.evidence.config(caller.id)
        if verdict is None or verdict.redirected_to != OUTBOUND_PORT or config is None:
            for backend, number in self.evidence.backends(address, port):
                yield Connection(source=caller.address, destination=backend, destination_port=number), request, ""
            return
        connection = Connection(source=caller.address, destination=address, destination_port=port)
        surroundings = Surroundings(identity_of(self.evidence, caller), caller.address)
        decision = decide_outbound(config, connection, request, surroundings=surroundings)
        if decision.disposition is not Disposition.FORWARDED:
            yield None, request, f"the caller's proxy: {decision.details or decision.flag_text or 'refused'}"
            return
        changed = Request(
            method=decision.method or request.method,
            authority=decision.authority or request.authority,
            path=decision.path or request.path,
            headers=decision.headers or request.headers,
        )
        for upstream in decision.upstreams:
            for endpoint in hosts(upstream) if upstream.cluster else ():
                yield connection_to(self.evidence, caller, upstream, endpoint), changed, ""

    def _arrived(
        self, caller: PodPlace, target: PodEntry | None, connection: Connection, request: Request
    ) -> tuple[Access, str, tuple[Rule, ...]]:
        if target is None:
            return Access.YES, "outside of the mesh", ()
        verdict = self.evidence.walk_inbound(
            target.id, caller.address, connection.destination, connection.destination_port
        )
        config = self.evidence.config(target.id)
        if verdict is None or verdict.redirected_to != INBOUND_PORT or config is None:
            if connection.uses_tls:
                return Access.NO, "the application does not speak TLS", ()
            return Access.YES, "no proxy guards it", ()
        surroundings = Surroundings(identity_of(self.evidence, place_of(target)), connection.destination)
        decision = decide_inbound(config, connection, request, surroundings=surroundings)
        return self._judged(config, target, connection, request, decision)

    def _judged(
        self, config: ActiveConfig, target: PodEntry, connection: Connection, request: Request, decision: Decision
    ) -> tuple[Access, str, tuple[Rule, ...]]:
        chain = _chain(config, connection)
        engines = list(_engines(chain)) if chain else []
        denied = decision.details.startswith("rbac_access_denied")
        if decision.disposition is not Disposition.FORWARDED and not denied:
            return Access.NO, _refused(decision, connection), tuple(self._peer_policies(target))
        subject = _subject(connection, request, decision)
        asks = f", if {', '.join(decision.asked)} agrees" if decision.asked else ""
        denying = [p for e in engines if e.action is RbacAction.DENY for p in e.policies]
        allowing = [p for e in engines if e.action is RbacAction.ALLOW for p in e.policies]
        if denied:
            matched = self._rules("DENY", [p for p in denying if p.matches(subject)])
            if matched:
                return Access.NO, "a DENY rule matches", matched
            others = self._rules("ALLOW", [p for p in allowing if _admits(p, subject)])
            if others:
                return Access.SOME, "no ALLOW rule matches this request, but others of this caller", others
            return Access.NO, "no ALLOW rule matches", self._rules("ALLOW", allowing)
        kept_out = self._rules("DENY", [p for p in denying if _admits(p, subject)])
        matched = self._rules("ALLOW", [p for p in allowing if p.matches(subject)][:1])
        if kept_out:
            return Access.SOME, f"this request passes{asks}, but others of this caller do not", (*matched, *kept_out)
        return Access.YES, (("an ALLOW rule matches" if matched else _NO_POLICY) + asks), matched

    def _rules(self, action: str, policies: Sequence[Policy]) -> tuple[Rule, ...]:
        """The rules behind RBAC policies, with the place of each in its file."""
        found: dict[Rule, None] = {}
        for policy in policies:
            match = POLICY_NAME.fullmatch(policy.name)
            if match is None:
                found[Rule(f"{action} {policy.name}", None)] = None
                continue
            name = ConfigName("authorizationpolicy", match[1], match[2])
            text = f"{action} AuthorizationPolicy {match[1]}/{match[2]} rule {match[3]}"
            found[Rule(text, self._position(name, f"spec.rules[{match[3]}]"))] = None
        return tuple(found)

    def _position(self, name: ConfigName, path: str = "") -> Position | None:
        written = self.evidence.sources.at(name, self.evidence.time)
        if written is None:
            return None
        inside = written.item.position(path) if path and written.item is not None else None
        return inside or written.position

    def _peer_policies(self, target: PodEntry) -> Iterator[Rule]:
        for name in self.evidence.peer_policies(target.id):
            yield Rule(f"PeerAuthentication {name.namespace}/{name.name}", self._position(name))


def _workload(entry: PodEntry) -> str:
    version = f" {entry.group.version}" if entry.group.version not in ("", "latest") else ""
    return f"{entry.group.app}.{entry.namespace}{version}"


def _refused(decision: Decision, connection: Connection) -> str:
    kind = "mutual TLS" if connection.certificate else "TLS" if connection.uses_tls else "plaintext"
    if decision.details == "filter_chain_not_found":
        return f"{kind} is not accepted"
    return decision.handshake.failure or decision.details or decision.flag_text or decision.disposition.value


def _chain(config: ActiveConfig, connection: Connection) -> FilterChain | None:
    entry = config.index.inbound
    if entry is None:
        return None
    listener = config.index.hand_off(entry, connection).listener
    return choose_chain(listener, connection, inspect(listener, connection)).chain


def _engines(chain: FilterChain) -> Iterator[RbacEngine]:
    """Enforced rules of the chain and of its connection manager, in their order."""
    for network_filter in chain.filters:
        if isinstance(network_filter, EnforceNetworkRbac) and isinstance(network_filter.config.rules, RbacEngine):
            yield network_filter.config.rules
    for http_filter in chain.connection_manager.filters if chain.connection_manager else ():
        if isinstance(http_filter.config, RbacConfig) and isinstance(http_filter.config.rules, RbacEngine):
            yield http_filter.config.rules


def _subject(connection: Connection, request: Request, decision: Decision) -> Subject:
    """The request as access rules see it, without what tokens would add."""
    headers = HeaderMap(((":method", request.method), (":authority", request.authority or ""), (":path", request.path)))
    headers.add_all(request.headers)
    source = parse_ip(connection.source)
    return Subject(
        headers,
        request.path.partition("?")[0],
        parse_ip(connection.destination),
        connection.destination_port,
        source,
        source,
        decision.sni,
        decision.handshake.terminated,
        decision.handshake.certificate,
        {},
    )


def _admits(policy: Policy, subject: Subject) -> bool:
    """Whether the policy speaks of the caller, whatever is asked for."""
    return any(principal.matches(subject) for principal in policy.principals)


def listeners_of(loaded: LoadedScenario, pod: str, at: Nanos = 0) -> list[listener_pb2.Listener]:
    """The listeners that Pilot generates for the proxy of a pod at an instant; raises `UsageError`."""
    world = quiet_world(loaded, at)
    entry = pod_named(world, pod)
    running = world.fleet.proxies.get(entry.id)
    if running is None:
        raise UsageError(f"the pod {entry.id} has no proxy", None, "name a pod with a sidecar, or a gateway")
    push = build_push_context(world.kube.server.objects, world.mesh)
    resources = generate(push, running.proxy, type_urls.LISTENER, ())
    return [listener_pb2.Listener.FromString(resource.body) for resource in resources]
