"""How long a change of the timeline takes to reach the proxies: from the action to the instant traffic follows it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from meshsim.checks.latencies import is_within, limit_texts
from meshsim.checks.ratios import Judged
from meshsim.checks.verdict import Outcome
from meshsim.checks.wording import NEVER, seconds
from meshsim.recording import Run
from meshsim.scenario import Bounds, Propagation
from meshsim.units import Nanos

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "last": 1.0}


_ENDED: Final = ("proxy_stopped", "proxy_crashed", "crashed", "lost", "gone")
"""Phases of a pod after which its proxy follows nothing."""


class Arrival(NamedTuple):
    """A change at one proxy."""

    proxy: str
    delay: float
    """Nanoseconds from the action; infinite where it never took effect."""


class Wave(NamedTuple):
    """One action and how it reached the proxies, in one replication."""

    id: str
    begins: bool
    """Whether it is the action itself or its revert."""
    time: Nanos
    seed: int
    arrivals: tuple[Arrival, ...]
    """By delay."""

    def quantile(self, share: float) -> float:
        """The delay that this share of the proxies does not exceed."""
        return quantile([arrival.delay for arrival in self.arrivals], share)


def quantile(delays: Sequence[float], share: float) -> float:
    """Nearest-rank quantile of delays; infinite without any."""
    if not delays:
        return NEVER
    ordered = sorted(delays)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def waves(run: Run) -> list[Wave]:
    """Every action of the timeline that changed configuration, by replication and time."""
    return run.once("waves", _waves)


def _waves(run: Run) -> list[Wave]:
    marks = run.timeline().to_pylist()
    causes: dict[tuple[int, str], list[tuple[Nanos, int]]] = defaultdict(list)
    for change in run.changes().to_pylist():
        causes[change["seed"], change["cause"]].append((change["time"], change["change"]))
    effects = _effects(run)
    found: list[Wave] = []
    for index, mark in enumerate(marks):
        key = (mark["seed"], mark["id"])
        later = [m["time"] for m in marks[index + 1 :] if (m["seed"], m["id"]) == key]
        until = min(later, default=None)
        changes = [c for time, c in causes[key] if time >= mark["time"] and (until is None or time < until)]
        if not changes:
            continue
        times: dict[str, float] = {}
        for change in changes:
            for proxy, effective in effects.get((mark["seed"], change), {}).items():
                times[proxy] = max(times.get(proxy, 0.0), effective)
        arrivals = sorted((Arrival(proxy, time - mark["time"]) for proxy, time in times.items()), key=lambda a: a[1])
        found.append(Wave(mark["id"], mark["begins"], mark["time"], mark["seed"], tuple(arrivals)))
    return found


def _effects(run: Run) -> dict[tuple[int, int], dict[str, float]]:
    """For each change (seed, number): when it took effect at each proxy it was sent to."""
    gone: dict[tuple[int, str], list[Nanos]] = defaultdict(list)
    for proxy in run.proxies().to_pylist():
        gone[proxy["seed"], proxy["proxy"]].append(proxy["gone"])
    for step in run.pods().to_pylist():
        if step["phase"] in _ENDED:
            gone[step["seed"], f"{step['pod']}.{step['namespace']}"].append(step["time"])
    effects: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    pushes = run.pushes()
    wanted = ("push", "proxy", "changes", "sent", "effective", "seed")
    for row in pushes.select(wanted).to_pylist():
        if not row["proxy"]:
            continue
        effective = float(row["effective"])
        if effective < 0:
            if any(ended >= row["sent"] for ended in gone[row["seed"], row["proxy"]]):
                continue  # the proxy ended before it could follow
            effective = NEVER
        for change in row["changes"]:
            at = effects[row["seed"], change]
            at[row["proxy"]] = max(at.get(row["proxy"], 0.0), effective)
    return effects


def given(detail: Propagation) -> list[tuple[str, Bounds]]:
    """The statistics that an expectation limits."""
    pairs = ((name, getattr(detail, name)) for name in QUANTILES)
    return [(name, bounds) for name, bounds in pairs if bounds is not None]


def limit_text(detail: Propagation) -> str:
    """All limits of an expectation."""
    return ", ".join(text for name, bounds in given(detail) for text in limit_texts(name, bounds))


def judge_propagation(concerned: Sequence[Wave], detail: Propagation) -> Judged:
    """Judge the waves of the actions an expectation is about; the slowest wave counts."""
    limit = limit_text(detail)
    reached = [wave for wave in concerned if wave.arrivals]
    samples = sum(len(wave.arrivals) for wave in reached)
    if not reached:
        why = "no change reached a proxy" if concerned else "no configuration changed"
        return Judged(Outcome.NOT_MET, why, limit, None, 0, None, ())
    results = [(name, bounds, max(w.quantile(QUANTILES[name]) for w in reached)) for name, bounds in given(detail)]
    failed = [result for result in results if not is_within(result[2], result[1])]
    texts = [seconds(v) if len(results) == 1 else f"{name} {seconds(v)}" for name, _, v in results]
    warnings = []
    silent = [wave.id for wave in concerned if not wave.arrivals]
    if silent:
        warnings.append(f"{', '.join(dict.fromkeys(silent))} reached no proxy and was not judged")
    outcome = Outcome.NOT_MET if failed else Outcome.MET
    value = (failed or results)[0][2]
    number = None if value == NEVER else value
    return Judged(outcome, ", ".join(texts), limit, number, samples, None, tuple(warnings))
