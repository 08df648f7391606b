"""Istio's traffic simulation on a world's calls (``calls/``), in the simulation's own terms.

The simulation takes the first route whose path fits and looks at no other condition, runs no filter, and judges client
certificates by the name of the server's secret. Its answer is made here from the model's listener, chain and virtual
host with those rules, so that matching is checked where the simulation can be believed.

Rules: ``pilot/pkg/simulation/traffic.go`` of Istio 1.31, as the recording describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from meshsim.api import Fields
from meshsim.dataplane.active import ActiveConfig
from meshsim.dataplane.decide import Connection, Decision, Disposition, Transport
from meshsim.dataplane.decide.route_match import PathKind, RouteMatch
from meshsim.dataplane.decide.routes import Forward, Route, RouteConfiguration, VirtualHost
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InputError, Position
from meshsim.world.verify.call_worlds import DECIDERS, Call, CallWorld
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.folder import read_recording
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.simulation import ERRORS
from meshsim.world.verify.tally import Tally

KIND: Final = "calls"
_WORKLOAD: Final = "default"
_ALWAYS_NAMED: Final = ("listener", "filter_chain", "virtual_host", "route", "cluster", "error")


def verify_world(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Compare every simulated call of a world; raises `InputError` for a recording of another layout."""
    recorded = read_recording(folder, KIND, name)
    if not isinstance(recorded, list):
        raise InputError("a recording of simulated calls is a JSON list", Position(f"{folder / KIND / name}.json.gz"))
    world = CallWorld(folder, name, ResourceCache())
    tally = Tally(KIND, WorldOutcome(name), deviations)
    for entry in Fields({"calls": recorded}).items("calls"):
        call = world.calls.get(entry.text("name"))
        if call is None:
            raise InputError(
                f"world '{name}' has no call '{entry.text('name')}'", Position(f"worlds/{name}/calls.yaml")
            )
        found = list(compare(entry.fields("result"), simulated(call, world)))
        tally.add(call.proxy, call.mode, call.name, found)
    return tally.outcome


def compare(recorded: Fields, answer: dict[str, str]) -> Iterator[Mismatch]:
    """Where the recorded answer differs; the name of an inline route table is not recorded."""
    for name in _ALWAYS_NAMED:
        if recorded.text(name) != answer.get(name, ""):
            yield Mismatch(name, recorded.text(name), answer.get(name, ""))
    table = recorded.text("route_config")
    if table and table != answer.get("route_config", ""):
        yield Mismatch("route_config", table, answer.get("route_config", ""))


def simulated(call: Call, world: CallWorld) -> dict[str, str]:
    """What the simulation would say, by field; empty fields may be absent."""
    config = world.proxy(call.proxy).config
    decision = _decide(call, world, world.connection(call))
    if decision.disposition is Disposition.REFUSED:
        return {"error": "no listener matched"}
    if decision.details == "filter_chain_not_found":
        return {"listener": decision.listener, "error": "no filter chains matched"}
    answer = {"listener": decision.listener, "filter_chain": decision.filter_chain}
    shown = call.transport is Transport.MTLS
    handshake = decision.handshake
    if handshake.secret and shown != (handshake.secret == _WORKLOAD):
        return {**answer, "error": "invalid mTLS"}
    if handshake.failure and handshake.secret:
        decision = _decide(call, world, world.connection(call._replace(transport=Transport.MTLS, origin="outside")))
    elif handshake.failure:
        return {**answer, "error": "invalid TLS"}
    if not decision.route_config:
        return {**answer, "cluster": decision.cluster}
    return {**answer, **_http(call, config, decision)}


def _decide(call: Call, world: CallWorld, connection: Connection) -> Decision:
    state = world.proxy(call.proxy)
    return DECIDERS[call.mode](state.config, connection, call.request, surroundings=state.surroundings)


def _http(call: Call, config: ActiveConfig, decision: Decision) -> dict[str, str]:
    if decision.details == ERRORS["protocol error"]:
        return {"error": "protocol error"}
    answer = {"route_config": decision.route_config, "virtual_host": decision.virtual_host}
    host = _virtual_host(config, decision)
    if host is None:
        return {"route_config": decision.route_config, "error": "no virtual host matched"}
    if host.require_tls.name == "ALL" and not decision.handshake.terminated:
        return {**answer, "error": "tls required, sending 301"}
    route = next((r for r in host.routes if _path_fits(r.match, call.path)), None)
    if route is None:
        return {**answer, "error": "no route matched"}
    return {**answer, "route": route.name, "cluster": _single_cluster(route)}


def _single_cluster(route: Route) -> str:
    return route.action.clusters.name if isinstance(route.action, Forward) else ""


def _virtual_host(config: ActiveConfig, decision: Decision) -> VirtualHost | None:
    hosts = (h for t in _tables(config, decision) for h in t.virtual_hosts)
    return next((h for h in hosts if h.name == decision.virtual_host), None)


def _tables(config: ActiveConfig, decision: Decision) -> Iterator[RouteConfiguration]:
    """The route table of the decision: by RDS, or inline in its chain."""
    if decision.route_config in config.routes:
        yield config.routes[decision.route_config]
    for chain in config.listeners[decision.listener].chains:
        manager = chain.connection_manager
        inline = manager.route_config if manager else None
        if inline is not None and chain.name == decision.filter_chain and inline.name == decision.route_config:
            yield inline


def _path_fits(match: RouteMatch, path: str) -> bool:
    """The simulation's path test: case counts, the query is part of the path, any part may fit an expression."""
    if match.kind is PathKind.REGEX:
        pattern = match.regex.pattern if match.regex else None
        return pattern is not None and pattern.search(path) is not None
    if match.kind is PathKind.PATH:
        return path == match.path
    if match.kind in (PathKind.PREFIX, PathKind.SEPARATED_PREFIX):
        return path.startswith(match.path)
    return True
