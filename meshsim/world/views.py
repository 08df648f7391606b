"""Decisions of the running proxies, each made once for a configuration, a connection and a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from meshsim.dataplane.active import ActiveConfig
from meshsim.dataplane.decide.decide import Decider, decide_direct, decide_inbound, decide_outbound, outcomes
from meshsim.dataplane.decide.decision import Decision, Surroundings
from meshsim.dataplane.decide.values import Connection, Request
from meshsim.world.proxies import RunningProxy

_Key = tuple[str, Connection, Request]
Ways = tuple[tuple[Fraction, Decision], ...]
"""Decisions that the random number of a request leads to, with their probabilities; the most probable one first."""


@dataclass(slots=True)
class _Made:
    """Decisions under one state of a proxy's configuration."""

    active: ActiveConfig
    decisions: dict[_Key, Ways] = field(default_factory=dict)


class ProxyViews:
    """What each proxy decides now.

    DEVIATION: where a runtime fraction guards a route of an inbound listener, the more probable way counts for every
    request; Envoy draws it for each.
    """

    def __init__(self, trust_domain: str) -> None:
        self._trust_domain = trust_domain
        self._made: dict[str, _Made] = {}

    def outbound(self, running: RunningProxy, connection: Connection, request: Request, *, gateway: bool) -> Ways:
        """What a sidecar does with a captured connection, or a gateway with one to its own port."""
        if gateway:
            return self._decide(running, "direct", connection, request)
        return self._decide(running, "outbound", connection, request)

    def inbound(self, running: RunningProxy, connection: Connection, request: Request) -> Decision:
        """What a sidecar does with a connection that arrives at its pod."""
        return self._decide(running, "inbound", connection, request)[0][1]

    def _decide(self, running: RunningProxy, kind: str, connection: Connection, request: Request) -> Ways:
        active = running.config.active
        made = self._made.get(running.proxy.id)
        if made is None or made.active is not active:
            made = self._made[running.proxy.id] = _Made(active)
        key = (kind, connection, request)
        found = made.decisions.get(key)
        if found is None:
            ways = outcomes(
                _DECIDERS[kind], active, connection, request, resolve=False, surroundings=self._surroundings(running)
            )
            found = made.decisions[key] = tuple(sorted(ways, key=lambda way: -way[0]))
        return found

    def _surroundings(self, running: RunningProxy) -> Surroundings:
        proxy = running.proxy
        return Surroundings(
            identity=f"spiffe://{self._trust_domain}/ns/{proxy.namespace}/sa/{proxy.service_account}",
            address=proxy.addresses[0],
        )


_DECIDERS: Final[dict[str, Decider]] = {
    "direct": decide_direct,
    "inbound": decide_inbound,
    "outbound": decide_outbound,
}
