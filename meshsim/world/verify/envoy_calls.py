"""Calls that were sent to a real Envoy, and what the model decides for them.

A call that draws has a set of outcomes: each recorded one must be one of the model's, each of the model's must be
recorded unless it is too rare to be missed, and how often each came must fit its probability.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb
from pathlib import Path
from typing import Final

from meshsim.api import Fields
from meshsim.dataplane.decide import Decision, Protocol, outcomes
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InputError, Position
from meshsim.world.verify.call_worlds import DECIDERS, Call, CallWorld, ProxyState
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.deviations import Deviation
from meshsim.world.verify.envoy_answers import compare_outcome
from meshsim.world.verify.folder import read_recording
from meshsim.world.verify.outcome import WorldOutcome
from meshsim.world.verify.tally import Tally

KIND: Final = "envoy-calls"
_IMPROBABLE: Final = 1e-5
"""Probability below which a count of outcomes is no chance any more."""


def verify_world(folder: Path, name: str, deviations: Sequence[Deviation]) -> WorldOutcome:
    """Compare every recorded call of a world; raises `InputError` for a recording of another layout."""
    recorded = read_recording(folder, KIND, name)
    if not isinstance(recorded, dict):
        raise InputError("a recording of calls is a JSON object", Position(f"{folder / KIND / name}.json.gz"))
    body = Fields(recorded)
    world = CallWorld(folder, name, ResourceCache())
    tally = Tally(KIND, WorldOutcome(name), deviations)
    for proxy in body.items("proxies"):
        refusals = [] if "error" in proxy else _refusals(proxy, world)
        if refusals:
            tally.add(proxy.text("proxy"), "configuration", "", refusals)
    for entry in body.items("calls"):
        if "not_run" in entry:
            continue
        call = world.calls.get(entry.text("name"))
        if call is None:
            raise InputError(
                f"world '{name}' has no call '{entry.text('name')}'", Position(f"worlds/{name}/calls.yaml")
            )
        tally.add(call.proxy, call.mode, call.name, list(compare_call(call, entry, world)))
    return tally.outcome


def _refusals(recorded: Fields, world: CallWorld) -> list[Mismatch]:
    """Whether proxy and model refuse anything of the configuration."""
    rejected = world.proxy(recorded.text("proxy")).rejected
    want, got = "rejected" in recorded, bool(rejected)
    names = ", ".join(r.name for r in rejected)
    return [] if want == got else [Mismatch("rejected", recorded.value("rejected"), names or None)]


def compare_call(call: Call, recorded: Fields, world: CallWorld) -> Iterator[Mismatch]:
    """Where the recorded outcomes of a call and the model's differ."""
    state = world.proxy(call.proxy)
    yield from _compare_set(call, recorded, recorded.items("outcomes"), decided(call, state, world), state)
    if "outcomes_with_proxy_protocol_header" in recorded:
        headed = decided(call, state, world, proxy_header=True)
        for found in _compare_set(call, recorded, recorded.items("outcomes_with_proxy_protocol_header"), headed, state):
            yield found._replace(path=f"with_header/{found.path}")


def decided(
    call: Call, state: ProxyState, world: CallWorld, *, proxy_header: bool = False
) -> list[tuple[float, Decision]]:
    """Every outcome of a call with its probability; a client whose handshake agrees on ``h2`` speaks HTTP/2."""
    found = _outcomes(call, state, world, None, proxy_header)
    first = found[0][1]
    if call.request is not None and first.handshake.alpn == "h2" and call.protocol != "http2":
        return _outcomes(call, state, world, Protocol.HTTP2, proxy_header)
    return found


def _outcomes(
    call: Call, state: ProxyState, world: CallWorld, protocol: Protocol | None, proxy_header: bool
) -> list[tuple[float, Decision]]:
    connection = world.connection(call, protocol, proxy_header)
    found = outcomes(
        DECIDERS[call.mode],
        state.config,
        connection,
        call.request,
        resolve=True,
        surroundings=state.surroundings,
    )
    return [(float(probability), decision) for probability, decision in found]


def _compare_set(
    call: Call,
    recorded: Fields,
    seen: Sequence[Fields],
    model: Sequence[tuple[float, Decision]],
    state: ProxyState,
) -> Iterator[Mismatch]:
    """The closest decision to every recorded outcome, and how often each decision was seen."""
    identity = state.surroundings.identity
    counts = [0] * len(model)
    for outcome in seen:
        tries = [list(compare_outcome(call, outcome, decision, identity)) for _, decision in model]
        best = min(range(len(tries)), key=lambda i: len(tries[i]))
        counts[best] += outcome.integer("count", 1)
        yield from tries[best]
    runs = sum(counts)
    for count, (probability, decision) in zip(counts, model):
        if tail(count, runs, probability) < _IMPROBABLE:
            what = f"{decision.disposition.value} {decision.cluster} {decision.details}".strip()
            yield Mismatch(f"share/{what}", f"{count} of {runs}", f"probability {probability:.4g}")


def tail(count: int, runs: int, probability: float) -> float:
    """Probability of a count at least as far to its side of the mean, if each run has this probability."""
    ways = [comb(runs, k) * probability**k * (1 - probability) ** (runs - k) for k in range(runs + 1)]
    return min(sum(ways[: count + 1]), sum(ways[count:]))
