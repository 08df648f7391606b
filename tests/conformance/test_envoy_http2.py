"""Random experiments with HTTP/2 hosts on a real Envoy and in the event core: streams, connections and their ends.

Everything in an experiment happens at an instant of its own, so that all that is counted is told exactly.
MESHSIM_HTTP2_EXPERIMENTS sets the size of a longer run.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.canonical import Mismatch
from meshsim.world.verify.dynamics import compare_experiment
from meshsim.world.verify.dynamics_recording import played_run, recorded_run
from meshsim.world.verify.dynamics_replay import play

EXPERIMENTS = int(os.environ.get("MESHSIM_HTTP2_EXPERIMENTS", "2"))
PORT = 25959
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
SLOT = 40
"""Milliseconds between two requests; answers come between them, each alone, and no timer ends then."""
FIRST = 200
"""When the second request is sent: the first one takes longer than others."""
OFFSETS = (9, 18, 27)
CODES = (0, 1, 2, 7, 8, 11)
"""Error codes of streams: no error, protocol error, internal error, refused, cancelled, enhance your calm."""

pytestmark = pytest.mark.needs_envoy


def http2_options(common: dict[str, Any], protocol: dict[str, Any]) -> dict[str, Any]:
    options = {
        "@type": f"type.googleapis.com/{OPTIONS}",
        "explicit_http_config": {"http2_protocol_options": protocol},
        **({"common_http_protocol_options": common} if common else {}),
    }
    return {OPTIONS: options}


class Instants:
    """Instants at which something may happen alone, in milliseconds."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._taken: set[tuple[int, int]] = set()

    def after(self, at: int, slots: int) -> int:
        """One that is about so many slots after an instant."""
        begin = at // SLOT + slots
        while True:
            for offset in self._chance.sample(OFFSETS, len(OFFSETS)):
                if (begin, offset) not in self._taken:
                    self._taken.add((begin, offset))
                    return begin * SLOT + offset
            begin += 1


def an_end(chance: random.Random, delay: int, failing: float) -> dict[str, Any]:
    """What becomes of a stream so long after its arrival."""
    if chance.random() >= failing:
        return {"delay_ms": delay}
    kind = chance.choice(("status", "rst", "rst", "cut", "goaway", "goaway last", "goaway close", "grpc"))
    if kind == "status":
        return {"delay_ms": delay, "status": chance.choice((404, 500, 503))}
    if kind == "rst":
        return {"delay_ms": delay, "rst_stream": chance.choice(CODES)}
    if kind == "cut":
        return {"delay_ms": delay, "reset": "before_headers"}
    if kind == "goaway":
        return {"delay_ms": delay, "goaway": {"last": 2**31 - 1, "answer": True}}
    if kind == "goaway last":
        return {"delay_ms": delay, "goaway": {"last": chance.choice((1, 3, 5)), "answer": True}}
    if kind == "goaway close":
        return {"delay_ms": delay, "goaway": {"last": 0, "close": True, "error": chance.choice((0, 2))}}
    return {"delay_ms": delay, "grpc_status": chance.choice((0, 14)), "trailers_only": chance.random() < 0.5}


def retry_policy(chance: random.Random) -> dict[str, Any]:
    tokens = chance.sample(("refused-stream", "reset", "5xx", "connect-failure", "gateway-error"), 2)
    back_off = {"base_interval": "0.001s", "max_interval": "0.001s"}
    return {"retry_on": ",".join(tokens), "num_retries": chance.choice((1, 2)), "retry_back_off": back_off}


def thresholds(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in (
        ("max_requests", (2, 3, 5)),
        ("max_pending_requests", (1, 2, 4)),
        ("max_connections", (1, 2, 3)),
    ):
        if chance.random() < 0.4:
            found[name] = chance.choice(values)
    return found


def connections(chance: random.Random, limited: bool) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Common and protocol options of a cluster, and its hosts' settings; connections that are limited have room."""
    protocol, common, settings = {}, {}, {}
    if chance.random() < 0.6:
        protocol["max_concurrent_streams"] = chance.choice((3, 5) if limited else (1, 2, 3, 5))
    if chance.random() < 0.3:
        settings["max_concurrent_streams"] = 4 if limited else chance.choice((1, 2, 4))
    if chance.random() < 0.3:
        common["max_requests_per_connection"] = 4 if limited else chance.choice((1, 2, 4))
    if chance.random() < 0.2:
        common["max_connection_duration"] = chance.choice(("0.314s", "0.514s"))
    if chance.random() < 0.2:
        common["idle_timeout"] = chance.choice(("0.114s", "0.194s"))
    return common, protocol, settings


def overlapping_experiment(number: int) -> Fields:
    """Streams that overlap on connections with limits, some of which end badly."""
    chance = random.Random(number)
    hosts = chance.choice((1, 1, 1, 2))
    limits = thresholds(chance)
    route: dict[str, Any] = {}
    if chance.random() < 0.5:
        # Whether a connection is up before a retry that follows at once finds the queue full is up to the machine.
        limits.pop("max_pending_requests", None)
        limits.pop("max_connections", None)
        route["retry_policy"] = retry_policy(chance)
    elif "max_connections" in limits:
        # In a long queue the delays of a machine add up.
        limits["max_pending_requests"] = chance.choice((1, 2))
    common, protocol, settings = connections(chance, "max_connections" in limits)
    cluster: dict[str, Any] = {
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": http2_options(common, protocol),
    }
    if chance.random() < 0.3:
        cluster["preconnect_policy"] = {"per_upstream_preconnect_ratio": chance.choice((1.2, 1.5, 2.0, 3.0))}
    failing = chance.choice((0.0, 0.2, 0.4))
    instants = Instants(chance)
    steps: list[dict[str, Any]] = [{"at": 0}]
    at = FIRST
    for _ in range(25):
        at += SLOT * chance.choice((1, 1, 1, 1, 2, 8 if chance.random() < 0.3 else 1))
        behaviours = [an_end(chance, instants.after(at, chance.choice((0, 0, 1, 2, 5))) - at, failing)]
        behaviours.append({"delay_ms": 4})
        steps.append({"at": at, "upstream": behaviours})
    script = {"proto": "h2", **({"settings": settings} if settings else {})}
    return make_experiment(
        steps, scripts=dict.fromkeys(range(hosts), script), cluster=cluster, hosts=hosts, route=route
    )


def a_request(chance: random.Random, instants: Instants, at: int) -> dict[str, Any]:
    """A request whose client may leave, whose body may come late, or whose answer comes in parts or never."""
    slots = chance.choice((0, 0, 1, 2, 5))
    found: dict[str, Any] = {"at": at, "upstream": [{"delay_ms": instants.after(at, slots) - at}, {"delay_ms": 4}]}
    (first, _) = found["upstream"]
    kind = chance.choice(("plain", "plain", "plain", "hang", "leaves", "parts", "breaks off", "streams", "closes"))
    if kind == "hang":
        found["upstream"] = [{"hang": True}, {"delay_ms": 4}]
    elif kind == "leaves":
        found["abort_after_ms"] = instants.after(at, chance.choice((0, 1, 3))) - at
        found["upstream"] = [{"hang": True}]
    elif kind == "parts":
        first["body_delay_ms"] = instants.after(at + first["delay_ms"], chance.choice((1, 2))) - at - first["delay_ms"]
    elif kind == "breaks off":
        end = instants.after(at + first["delay_ms"], 1) - at - first["delay_ms"]
        first |= chance.choice(
            ({"rst_stream": chance.choice(CODES), "after_headers": True}, {"reset": "after_headers", "body_bytes": 20})
        )
        first["after_ms"] = end
    elif kind == "streams":
        first["settings"] = {"max_concurrent_streams": chance.choice((1, 2, 4, 50))}
    elif kind == "closes":
        first["close"] = True
    return found


def changing_experiment(number: int) -> Fields:
    """Streams that are left, time out or come in parts, hosts that go and come, and settings that change."""
    chance = random.Random(number)
    hosts = chance.choice((1, 2, 3))
    protocol = {"max_concurrent_streams": chance.choice((2, 3, 5))} if chance.random() < 0.5 else {}
    cluster: dict[str, Any] = {"typed_extension_protocol_options": http2_options({}, protocol)}
    if chance.random() < 0.3:
        cluster["connect_timeout"] = "0.074s"
    route: dict[str, Any] = {}
    if chance.random() < 0.4:
        route["timeout"] = chance.choice(("0.114s", "0.274s"))
    if chance.random() < 0.5:
        route["retry_policy"] = retry_policy(chance)
        if chance.random() < 0.4:
            route["retry_policy"]["per_try_timeout"] = "0.074s"
    instants = Instants(chance)
    steps: list[dict[str, Any]] = [{"at": 0} for _ in range(hosts)]
    at = FIRST
    for _ in range(20):
        at += SLOT * chance.choice((1, 1, 1, 2))
        steps.append(a_request(chance, instants, at))
    # Which host is the first of a round is up to Envoy: with several of them nothing happens to one by its number.
    for _ in range(chance.choice((0, 1, 2)) if hosts == 1 else 0):
        when = instants.after(chance.randrange(at), 0)
        do = chance.choice(("kill_connections", "kill_connections", "down", "close_listener"))
        which = chance.randrange(hosts)
        steps.append({"at": when, "host_do": do, "host_idx": which})
        if do != "kill_connections":
            steps.append({"at": instants.after(when, 6), "host_do": "open_listener", "host_idx": which})
    script = {"proto": "h2"}
    return make_experiment(
        steps, scripts=dict.fromkeys(range(hosts), script), cluster=cluster, hosts=hosts, route=route
    )


def foreseen_experiment(number: int) -> Fields:
    """Connections to the hosts of requests that are still to come, over both versions of HTTP."""
    chance = random.Random(number)
    hosts = chance.randint(1, 4)
    http2 = chance.random() < 0.5
    preconnect: dict[str, Any] = {"predictive_preconnect_ratio": chance.choice((1.2, 1.5, 2.0, 3.0))}
    if chance.random() < 0.3:
        preconnect["per_upstream_preconnect_ratio"] = chance.choice((1.5, 2.0))
    cluster: dict[str, Any] = {
        "lb_policy": chance.choice(("ROUND_ROBIN", "ROUND_ROBIN", "ROUND_ROBIN", "LEAST_REQUEST")),
        "preconnect_policy": preconnect,
    }
    if http2:
        protocol = {"max_concurrent_streams": chance.choice((1, 2, 3, 20))}
        cluster["typed_extension_protocol_options"] = http2_options({}, protocol)
    if chance.random() < 0.3:
        cluster["circuit_breakers"] = {"thresholds": [{"max_connections": chance.choice((2, 4))}]}
    instants = Instants(chance)
    steps = []
    at = 0
    for _ in range(15):
        at += SLOT * chance.choice((1, 1, 1, 2, 4))
        steps.append({"at": at, "upstream": [{"delay_ms": instants.after(at, chance.choice((0, 0, 1, 3))) - at}]})
    if cluster["lb_policy"] == "LEAST_REQUEST":
        hosts = 1
    scripts = {number: {"proto": "h2"} if http2 else {} for number in range(hosts)}
    return make_experiment(steps, scripts=scripts, cluster=cluster, hosts=hosts)


def differences(found: Fields) -> list[Mismatch]:
    """Everything that is told exactly, and by which connection each attempt reached its host."""
    known = list(compare_experiment(found))
    (run,) = found.items("runs")
    real, model = recorded_run(run).connections, played_run(play(found, 1)).connections
    count = len(found.fields_map("hosts"))
    shift = next((real[n][0][0] - model[n][0][0] for n in sorted(real) if real[n] and model.get(n)), 0)
    for number in sorted({*real, *model}):
        mine = [((host + shift) % count, connection) for host, connection in model.get(number, [])]
        if real.get(number, []) != mine:
            known.append(Mismatch(f"requests[{number}]/connections", real.get(number, []), mine))
    return known


def recorded(experiment: Fields, runs: int, **more: Any) -> Fields:
    with tempfile.TemporaryDirectory(prefix="h2", dir="/tmp") as folder:
        return recorded_experiment(experiment, Path(folder), PORT, runs, **more)


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_streams_that_overlap(number: int) -> None:
    """Every status, flag, detail, attempt, host and counter."""
    found = recorded(overlapping_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert differences(found) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_connections_for_requests_to_come(number: int) -> None:
    found = recorded(foreseen_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert differences(found) == []


@pytest.mark.parametrize("number", range(EXPERIMENTS))
@measured_again
def test_hosts_and_clients_that_come_and_go(number: int) -> None:
    found = recorded(changing_experiment(number), 1, deterministic=True, compare_runs={"hosts": "rotated"})
    assert differences(found) == []
