"""Flows: each kind of request that one caller makes, and where its route came from by configuration version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.dataplane.decide.decision import Decision, Disposition
from meshsim.world.directory import Group, PodEntry
from meshsim.world.sessions import SessionValues


class Way(NamedTuple):
    """What a proxy has decided for a flow, by name."""

    route: str = ""
    session: str = ""
    """The cluster a TCP proxy leads to, one of them where it draws; empty where requests are routed."""


_NO_WAY: Final = Way()


def way_of(decision: Decision) -> Way:
    """A decision by name: TCP proxies alone connect again, or send on what has no method."""
    tcp = decision.policies.connect_attempts or (decision.disposition is Disposition.FORWARDED and not decision.method)
    return Way(decision.route, decision.upstreams[0].name if tcp and decision.upstreams else "")


@dataclass(slots=True, eq=False)
class Flow:
    """One kind of request at one proxy (or, without one, at one pod)."""

    number: int
    """Flow of the engine."""
    caller: PodEntry | None
    """The pod that makes the request; `None` for a client outside."""
    entry: PodEntry
    """The pod whose proxy decides: the caller, or the gateway a client outside came to."""
    source: Group
    """Who counts as the caller: the pod that decides, or the client where it came to none."""
    source_pod: str
    host: str
    """As the caller writes it, without port."""
    port: int
    authority: str
    """Host header."""
    method: str
    path: str
    headers: Mapping[str, str]
    body: int = 0
    """Bytes of its body."""
    call: int = -1
    """Call of the engine, -1 for what clients send."""
    traffic: int = -1
    """The traffic whose clients send it, -1 for what handlers send."""
    entry_port: int = 0
    """Port of the gateway's pod that a client outside came to."""
    sessions: SessionValues | None = None
    """The clients whose requests they are, where these tell who they are."""
    service: str = ""
    """Full name of the host asked for."""
    expected: Group = field(default_factory=lambda: Group("", "", ""))
    """Whom the host means, for requests that reach no pod."""
    ways: list[Way] = field(default_factory=list)
    """By version: one for each time the engine was given a route."""

    def way(self, version: int) -> Way:
        """What is in force under a version, as it stands in log rows (0: nothing yet)."""
        return self.ways[version - 1] if 0 < version <= len(self.ways) else _NO_WAY
