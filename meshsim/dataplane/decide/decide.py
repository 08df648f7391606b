"""Entry points: what a proxy does with a connection and a request that reach it.

`decide_outbound` for what an application sends and the nat rules capture, `decide_inbound` for what arrives at a
sidecar's pod, `decide_direct` for a listener's own socket (gateways).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from meshsim.dataplane.decide.chains import Entry, choose_chain, inspect
from meshsim.dataplane.decide.chances import Chance, Undrawn, enumerate_chances
from meshsim.dataplane.decide.decision import ORDINARY, Decision, Disposition, Flag, Place, Surroundings, Trail
from meshsim.dataplane.decide.handshake import NO_HANDSHAKE, Handshake, accept
from meshsim.dataplane.decide.http import HttpContext, decide_http
from meshsim.dataplane.decide.listeners import FilterChain
from meshsim.dataplane.decide.network_filters import TcpProxy
from meshsim.dataplane.decide.tcp import TcpContext, decide_tcp, run_network_filters
from meshsim.dataplane.decide.values import Connection, Request

if TYPE_CHECKING:
    from meshsim.dataplane.active import ActiveConfig

_NOTHING_DRAWN: Final = Undrawn()


class Decider(Protocol):
    """The shape of `decide_outbound`, `decide_inbound` and `decide_direct`."""

    def __call__(
        self,
        config: ActiveConfig,
        connection: Connection,
        request: Request | None,
        explain: bool = False,
        *,
        chance: Chance | None = None,
        resolve: bool = True,
        surroundings: Surroundings = ORDINARY,
    ) -> Decision: ...


def decide_outbound(
    config: ActiveConfig,
    connection: Connection,
    request: Request | None,
    explain: bool = False,
    *,
    chance: Chance | None = None,
    resolve: bool = True,
    surroundings: Surroundings = ORDINARY,
) -> Decision:
    """What the proxy does with a captured outbound connection; `request` is None for what is not HTTP.

    Without `chance` nothing is drawn: weights, faults and mirrors stay in the decision as policies, and a runtime
    fraction above zero counts as hit. With one, everything is drawn from it, or with `resolve` false only what leads to
    another route. `outcomes` tells all that can happen.
    """
    entry = config.index.outbound
    if entry is None:
        return Decision(Disposition.REFUSED)
    draws = _Draws(chance or _NOTHING_DRAWN, resolve and chance is not None)
    return _decide(config, config.index.hand_off(entry, connection), connection, request, explain, draws, surroundings)


def decide_inbound(
    config: ActiveConfig,
    connection: Connection,
    request: Request | None,
    explain: bool = False,
    *,
    chance: Chance | None = None,
    resolve: bool = True,
    surroundings: Surroundings = ORDINARY,
) -> Decision:
    """What the proxy does with a captured inbound connection; arguments as for `decide_outbound`."""
    entry = config.index.inbound
    if entry is None:
        return Decision(Disposition.REFUSED)
    draws = _Draws(chance or _NOTHING_DRAWN, resolve and chance is not None)
    return _decide(config, config.index.hand_off(entry, connection), connection, request, explain, draws, surroundings)


def decide_direct(
    config: ActiveConfig,
    connection: Connection,
    request: Request | None,
    explain: bool = False,
    *,
    chance: Chance | None = None,
    resolve: bool = True,
    surroundings: Surroundings = ORDINARY,
) -> Decision:
    """What the proxy does with a connection to one of its own sockets; arguments as for `decide_outbound`."""
    entry = config.index.at(connection.destination, connection.destination_port)
    if entry is None:
        return Decision(Disposition.REFUSED)
    draws = _Draws(chance or _NOTHING_DRAWN, resolve and chance is not None)
    return _decide(config, Entry(entry, False), connection, request, explain, draws, surroundings)


def outcomes(
    decide: Decider,
    config: ActiveConfig,
    connection: Connection,
    request: Request | None,
    *,
    resolve: bool = False,
    surroundings: Surroundings = ORDINARY,
) -> list[tuple[Fraction, Decision]]:
    """Every decision that can come out, with its exact probability; equal ones are one.

    `resolve` draws everything (one cluster, faults injected or not, mirrors sent or not); otherwise only what leads to
    another route is told apart, and the weights in each decision are those under its condition.
    """

    def once(chance: Chance) -> Decision:
        return decide(config, connection, request, chance=chance, resolve=resolve, surroundings=surroundings)

    found: list[tuple[Fraction, Decision]] = []
    for probability, decision in enumerate_chances(once):
        same = next((i for i, (_, d) in enumerate(found) if d == decision), None)
        if same is None:
            found.append((probability, decision))
        else:
            found[same] = (found[same][0] + probability, decision)
    return found


class _Draws(NamedTuple):
    chance: Chance
    resolve: bool


def _decide(
    config: ActiveConfig,
    entry: Entry,
    connection: Connection,
    request: Request | None,
    explain: bool,
    draws: _Draws,
    surroundings: Surroundings,
) -> Decision:
    """From a listener to the end."""
    trail = Trail(explain)
    listener = entry.listener
    if trail:
        how = "handed off by destination" if entry.handed_off else "takes the connection itself"
        trail.add("listener", listener.name, f"{connection.destination}:{connection.destination_port}: {how}")
    detected = inspect(listener, connection)
    if trail:
        found = [detected.transport, detected.sni and f"SNI {detected.sni}", ",".join(detected.alpn)]
        trail.add("listener filters", " ".join(f for f in found if f) or "nothing detected")
    if detected.stalled or detected.proxy_header_missing:
        disposition = Disposition.STALLED if detected.stalled else Disposition.CLOSED
        return Decision(disposition, listener.name, steps=tuple(trail.steps))
    sieved = choose_chain(listener, connection, detected)
    if trail:
        name = sieved.chain.name or "unnamed" if sieved.chain else "none"
        trail.add("filter chain", f"{name} (default)" if sieved.is_default else name, sieved.reason)
    if sieved.chain is None:
        return _ended(
            Place(listener.name, ""), trail, "filter_chain_not_found", detected.sni, NO_HANDSHAKE, Flag.NO_ROUTE
        )
    return _on_chain(config, entry, sieved.chain, connection, detected.sni, request, draws, surroundings, trail)


def _ended(place: Place, trail: Trail, details: str, sni: str, handshake: Handshake, *flags: Flag) -> Decision:
    return Decision(
        Disposition.CLOSED,
        *place,
        flags=flags,
        details=details,
        sni=sni,
        handshake=handshake,
        steps=tuple(trail.steps),
    )


def _on_chain(
    config: ActiveConfig,
    entry: Entry,
    chain: FilterChain,
    connection: Connection,
    sni: str,
    request: Request | None,
    draws: _Draws,
    surroundings: Surroundings,
    trail: Trail,
) -> Decision:
    """Transport socket, network filters, and the last filter of a chain."""
    place = Place(entry.listener.name, chain.name)
    handshake = accept(chain.tls, connection, surroundings.missing_secrets)
    if handshake.failure:
        if trail:
            trail.add("transport socket", "TLS", handshake.failure)
        return _ended(place, trail, handshake.failure, sni, handshake)
    if trail and chain.tls:
        who = ", ".join(handshake.certificate.uris) if handshake.certificate else "no client certificate"
        trail.add("transport socket", "TLS", f"{who}; {handshake.alpn or 'no'} application protocol")
    if connection.certificate is not handshake.certificate:
        connection = replace(connection, certificate=handshake.certificate)
    manager = chain.connection_manager
    if manager is None or chain.guarded:
        tcp = TcpContext(config, place, chain, connection, handshake, sni, *draws, surroundings, trail)
        decided = run_network_filters(tcp)
        if decided is not None:
            return decided
        last = chain.filters[-1] if chain.filters else None
        if last is None:
            return _ended(place, trail, "no_filters", sni, handshake)
        if isinstance(last, TcpProxy):
            return decide_tcp(tcp, last)
        if manager is None:
            return _ended(place, trail, "no terminal filter is modelled", sni, handshake)
    http = HttpContext(
        config, place, manager, entry.listener.direction, connection, handshake, sni, *draws, surroundings, trail
    )
    return decide_http(http, request or Request(authority=connection.destination))
