"""One packet through the tables: which rules it meets, where it ends up, what conntrack remembers.

Order of hooks and tables: kernel net/ipv4/netfilter. NAT is asked once a connection, for its first packet: what leaves
by ``lo`` and comes in again has its connection already and does not meet the nat table of PREROUTING.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

from meshsim.netfilter.packet import LOOPBACK, Connection, Endpoint, Flow, Host, Packet, State, localhost
from meshsim.netfilter.parser import Chain, Rule, Ruleset
from meshsim.netfilter.targets import (
    ConnectionMark,
    Ending,
    Jump,
    Redirect,
    SetMark,
    Target,
    TrackingZone,
    Translate,
    TransparentProxy,
)

OUTBOUND_PORT: Final = 15001
INBOUND_PORT: Final = 15006


class Outcome(Enum):
    """What becomes of a connection."""

    DIRECT = "direct"
    """It goes where it was sent to."""
    REDIRECTED = "redirected"
    """To a local port; the original destination is kept by conntrack."""
    TRANSPARENT = "transparent"
    """To a local port by TPROXY, addresses unchanged."""
    DROPPED = "dropped"
    REJECTED = "rejected"
    REFUSED = "refused"
    """The kernel does not send it: a loopback source to somewhere else (EINVAL)."""


class Step(NamedTuple):
    """A rule that matched, or the policy at the end of a built-in chain."""

    table: str
    chain: str
    number: int
    """Position in the chain from 1; 0 for the policy."""
    rule: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for the first packet of a connection."""

    outcome: Outcome
    path: tuple[Step, ...]
    destination: Endpoint
    """Where it arrives."""
    original_destination: Endpoint
    connection: Connection
    zone: int = 0
    """Conntrack zone."""

    @property
    def redirected_to(self) -> int:
        """The local port it was brought to, 0 when it went where it was sent."""
        return self.destination.port if self.outcome in (Outcome.REDIRECTED, Outcome.TRANSPARENT) else 0

    @property
    def deciding_rule(self) -> Step | None:
        """The last rule of the nat table that matched (of any table for what never reached it)."""
        steps = [step for step in self.path if step.number]
        nat = [step for step in steps if step.table in ("nat", "mangle")] or steps
        return nat[-1] if nat else None


@dataclass(slots=True)
class _Passage:
    """A packet on its way."""

    packet: Packet
    host: Host
    ruleset: Ruleset
    path: list[Step]
    zone: int = 0
    tproxy_port: int = 0
    translated: bool = False
    ended: Ending | None = None


def walk(ruleset: Ruleset, host: Host, packet: Packet) -> Verdict:
    """Send a packet through a host's rules: a local socket's through OUTPUT, a peer's through PREROUTING."""
    passage = _Passage(packet, host, ruleset, [])
    before = packet.flow
    if packet.is_local:
        _send(passage)
    else:
        _receive(passage, with_nat=True)
        _deliver(passage)
    return _verdict(passage, before)


def _send(passage: _Passage) -> None:
    flow = passage.packet.flow
    if flow.source.address.is_loopback and not passage.host.is_own(flow.destination.address):
        passage.ended = Ending.NOTHING
        return
    for table in ("raw", "mangle", "nat", "filter"):
        _ask(passage, table, "OUTPUT")
    if passage.ended is not None:
        return
    interface = passage.host.route(passage.packet.flow.destination.address)
    passage.packet = replace(passage.packet, out_interface=interface)
    _ask(passage, "mangle", "POSTROUTING")
    _ask(passage, "nat", "POSTROUTING")
    if passage.ended is None and interface == LOOPBACK:
        # conntrack and mark stay with the packet over lo, its socket does not
        passage.packet = replace(passage.packet, in_interface=LOOPBACK, out_interface="", uid=None, gid=None)
        _receive(passage, with_nat=False)
        _deliver(passage)


def _receive(passage: _Passage, *, with_nat: bool) -> None:
    _ask(passage, "raw", "PREROUTING")
    _ask(passage, "mangle", "PREROUTING")
    if with_nat and not passage.tproxy_port:
        _ask(passage, "nat", "PREROUTING")


def _deliver(passage: _Passage) -> None:
    if passage.tproxy_port or passage.host.is_own(passage.packet.flow.destination.address):
        _ask(passage, "mangle", "INPUT")
        _ask(passage, "filter", "INPUT")


def _ask(passage: _Passage, table: str, name: str) -> None:
    """One built-in chain."""
    if passage.ended is not None or (table == "nat" and passage.packet.state is not State.NEW):
        return
    chain = passage.ruleset.chain(table, name)
    if chain is None:
        return
    ending = _run(passage, table, chain)
    if ending in (None, Ending.RETURN):
        ending = chain.policy
        if chain.policy is not Ending.ACCEPT:
            passage.path.append(Step(table, name, 0, f"policy {chain.policy.value}"))
    if ending in (Ending.DROP, Ending.REJECT):
        passage.ended = ending


def _run(passage: _Passage, table: str, chain: Chain) -> Ending | None:
    """The rules of a chain until one decides; ``None`` at its end."""
    for number, rule in enumerate(chain.rules, 1):
        if not _matches(rule, passage.packet):
            continue
        passage.path.append(Step(table, chain.name, number, rule.text))
        target = rule.target
        if isinstance(target, Jump):
            called = passage.ruleset.chain(table, target.chain)
            ending = _run(passage, table, called) if called is not None else None
            if ending is not None and ending is not Ending.RETURN:
                return ending
            if target.goto:
                return Ending.RETURN
            continue
        ending = _apply(passage, target)
        if ending is not None:
            return ending
    return None


def _matches(rule: Rule, packet: Packet) -> bool:
    for match in rule.matches:
        answer = match.asks(packet)
        if answer is None or answer is match.negated:
            return False
    return True


def _apply(passage: _Passage, target: Target) -> Ending | None:
    """What a target does; ``None`` when the packet goes on to the next rule."""
    packet = passage.packet
    match target:
        case Ending.NOTHING:
            return None
        case Ending():
            return target
        case Redirect():
            version = packet.flow.destination.address.version
            local = localhost(version) if packet.is_local else passage.host.primary(packet.in_interface, version)
            port = target.port or packet.flow.destination.port
            _translate(passage, Endpoint(local or packet.flow.destination.address, port), of_source=False)
            return Ending.ACCEPT
        case Translate():
            old = packet.flow.source if target.of_source else packet.flow.destination
            address = target.address
            if address is None and target.of_source:
                address = passage.host.primary(packet.out_interface, old.address.version)
            _translate(passage, Endpoint(address or old.address, target.port or old.port), of_source=target.of_source)
            return Ending.ACCEPT
        case TransparentProxy():
            passage.tproxy_port = target.port
            passage.packet = replace(packet, mark=(packet.mark & ~target.mask) ^ target.value)
            return Ending.ACCEPT
        case SetMark():
            passage.packet = replace(packet, mark=(packet.mark & ~target.clear) ^ target.flip)
        case ConnectionMark.SAVE:
            passage.packet = replace(packet, connection_mark=packet.mark)
        case ConnectionMark.RESTORE:
            passage.packet = replace(packet, mark=packet.connection_mark)
        case TrackingZone():
            passage.zone = target.zone
            if target.untracked:
                passage.packet = replace(packet, state=State.UNTRACKED)
    return None


def _translate(passage: _Passage, endpoint: Endpoint, *, of_source: bool) -> None:
    flow = passage.packet.flow
    changed = Flow(endpoint, flow.destination) if of_source else Flow(flow.source, endpoint)
    passage.packet = replace(passage.packet, flow=changed)
    passage.translated = True


def _verdict(passage: _Passage, before: Flow) -> Verdict:
    after = passage.packet.flow
    if passage.ended is Ending.NOTHING:
        outcome = Outcome.REFUSED
    elif passage.ended is Ending.DROP:
        outcome = Outcome.DROPPED
    elif passage.ended is Ending.REJECT:
        outcome = Outcome.REJECTED
    elif passage.tproxy_port:
        outcome = Outcome.TRANSPARENT
    elif passage.translated and after.destination != before.destination:
        outcome = Outcome.REDIRECTED
    else:
        outcome = Outcome.DIRECT
    destination = after.destination
    if passage.tproxy_port:
        destination = Endpoint(destination.address, passage.tproxy_port)
    connection = Connection(before, Flow(after.destination, after.source))
    return Verdict(outcome, tuple(passage.path), destination, before.destination, connection, passage.zone)
