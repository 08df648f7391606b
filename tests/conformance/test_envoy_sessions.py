"""TCP sessions: what becomes of connections through a real Envoy's tcp_proxy, and what it counts, and the same of the
model."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshsim.dataplane.counters import ALWAYS
from meshsim.testing.envoy_experiments import alone, measured_again

RANDOM = 45
SLACK = 25.0
"""Milliseconds by which a session may last longer or shorter."""
APART = 23
"""Milliseconds between the beginnings of two cases."""
UNTOLD = re.compile(r"membership|circuit_breakers")
OUTLIER = {"interval": "5s", "max_ejection_percent": 100}
LOCAL = {"consecutive_local_origin_failure": 2, "split_external_local_origin_errors": True, **OUTLIER}
NO_PANIC = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


def limits(**most: int) -> dict[str, Any]:
    return {"circuit_breakers": {"thresholds": [most]}}


def made(lab: ModuleType, *hosts: str, begin: tuple[int, ...] = (0,), lasts: int = 50, **more: Any) -> Any:
    """A case whose sessions begin so long after the first."""
    sessions = tuple(lab.Session(180 + at, lasts) for at in begin)
    updates = tuple(lab.Update(180 + at, to) for at, to in more.get("updates", ()))
    clusters = (hosts, *more.get("others", ()))
    return lab.Case(
        clusters, more.get("proxy", {}), more.get("cluster", {}), sessions, updates, more.get("weights", ())
    )


def usual_cases(lab: ModuleType) -> dict[str, Any]:
    """What is known to matter: limits, timeouts, ejections."""
    case = partial(made, lab)
    twice, thrice = {"max_connect_attempts": 2}, {"max_connect_attempts": 3}
    return {
        "one after the other": case("up", "other", begin=(0, 150, 300)),
        "side by side": case("up", begin=(0, 60, 120), lasts=300),
        "one connection": case("up", begin=(0, 100, 500), lasts=250, cluster=limits(max_connections=1)),
        "no requests": case("up", cluster=limits(max_requests=0)),
        "none may wait": case("up", proxy=twice, cluster=limits(max_pending_requests=0)),
        "refused": case("closed"),
        "refused three times": case("closed", proxy=thrice),
        "refused with one connection": case("closed", proxy=twice, cluster=limits(max_connections=1)),
        "no host": case(cluster=NO_PANIC),
        "no host any more": case("up", begin=(0, 200), lasts=300, updates=((100, ()),)),
        "too long": case("up", lasts=300, proxy={"max_downstream_connection_duration": "0.1s"}),
        "idle": case("up", lasts=300, proxy={"idle_timeout": "0.1s"}),
        "ejected": case(
            "closed",
            "up",
            begin=(0, 100, 200, 300, 400),
            proxy=twice,
            cluster={"outlier_detection": {"consecutive_5xx": 2, **OUTLIER}},
        ),
        "ejected for local failures": case(
            "closed", "up", begin=(0, 100, 200, 300, 400), proxy=twice, cluster={"outlier_detection": LOCAL}
        ),
    }


def connection_cases(lab: ModuleType) -> dict[str, Any]:
    """And connections that come late, never, or to somebody else."""
    case, tls = partial(made, lab), lab.with_tls({})
    twice, thrice = {"max_connect_attempts": 2}, {"max_connect_attempts": 3}
    return {
        "hangs up": case("fin"),
        "resets": case("reset"),
        "never connected": case("full", begin=(0, 50)),
        "never connected twice": case("full", begin=(0, 50), proxy=twice),
        "idle before it is connected": case("full", proxy={"idle_timeout": "0.1s"}),
        "too long before it is connected": case("full", proxy={"max_downstream_connection_duration": "0.1s"}),
        "idle after a failed attempt": case(
            "closed", "up", begin=(0, 20), lasts=600, proxy={"idle_timeout": "0.2s", **twice}
        ),
        "one connection to nowhere": case("full", begin=(0, 100, 400), proxy=twice, cluster=limits(max_connections=1)),
        "over TLS": case("tls", cluster=tls),
        "reset over TLS": case("tls-reset", cluster=tls),
        "no handshake": case("mute", proxy=twice, cluster=tls),
        "refused over TLS": case("closed", proxy=twice, cluster=tls),
        "another host": case("up", begin=(0, 200), lasts=300, updates=((100, ("other",)),)),
        "another host meanwhile": case("full", begin=(0, 200), proxy=twice, updates=((100, ("other",)),)),
        "the same hosts in another order": case("up", "other", begin=(0, 200), updates=((100, ("other", "up")),)),
        "ejected with connections on the way": case(
            "full", begin=(0, 60, 120, 180), cluster={"outlier_detection": {"consecutive_5xx": 2, **OUTLIER}}
        ),
        "drawn anew": case("closed", begin=(0, 60), proxy=thrice, others=(("up",),), weights=(50, 50)),
        "by its source": case(
            *("up", "other", "third"),
            begin=(0, 60, 120),
            proxy={"hash_policy": [{"source_ip": {}}]},
            cluster={"lb_policy": "RING_HASH"},
        ),
    }


def seeds(case: Any) -> int:
    """One seed of so many has to give what was seen; where nothing is drawn there is one."""
    if case.weights:
        return 60
    several = any(len(hosts) > 1 for hosts in (*case.hosts, *(update.hosts for update in case.updates)))
    return 24 if several or "backoff_options" in case.proxy else 1


def certificate(folder: Path) -> tuple[str, str] | None:
    """A certificate and its key, none where nothing makes them."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=x"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def differences(case: Any, seen: Any, played: Any) -> list[str]:
    """What the model, played once, says otherwise."""
    wrong = []
    for i, (real, told) in enumerate(zip(seen.sessions, played.sessions, strict=True)):
        mine = (told.answered, told.flags, told.attempts, told.host)
        if mine != (real.heard == "answer", real.flags, real.attempts, real.host):
            wrong.append(f"session {i}: {told}, real {real}")
        elif "backoff_options" not in case.proxy and abs(told.after - real.after) > SLACK:
            wrong.append(f"session {i} lasts {told.after} ms, real {real.after}")
        if real.heard == "reset" and real.flags == "-" and real.attempts > 0 and real.host:
            wrong.append(f"session {i}: reset without a flag")
    for i, (real, mine) in enumerate(zip(seen.clusters, played.clusters, strict=True)):
        names = [name for name in ALWAYS if not UNTOLD.search(name) and mine[name] != real.get(name, 0)]
        wrong += [f"cluster {i}: {name} {mine[name]}, real {real.get(name, 0)}" for name in names]
    told = ((name, value, seen.proxy.get(name, 0)) for name, value in played.proxy.items())
    return wrong + [f"{name} {value}, real {real}" for name, value, real in told if value != real]


@pytest.mark.needs_envoy
@measured_again
def test_sessions(sessions: ModuleType, player: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    found = usual_cases(sessions) | connection_cases(sessions)
    found |= {f"random {n}": sessions.random_case(random.Random(n)) for n in range(RANDOM)}
    keys = certificate(folder)
    if keys is None:
        found = {name: case for name, case in found.items() if "transport_socket" not in case.cluster}
    cases = [sessions.later(case, i * APART) for i, case in enumerate(found.values())]
    with alone():
        seen = asyncio.run(sessions.measure(cases, folder, keys, 1.9 + len(cases) * APART / 1000))
    wrong = []
    for number, (name, case) in enumerate(zip(found, cases, strict=True)):
        tries = []
        for seed in range(1, seeds(case) + 1):
            played = player.Play(sessions, number, case, seed).run(6000)
            tries.append(differences(case, seen[number], played))
            if not tries[-1]:
                break
        else:
            wrong.append(f"{name}: {min(tries, key=len)}; {case}")
    assert not wrong, "\n".join(wrong)
