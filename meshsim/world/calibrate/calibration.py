"""The fit of a testbed's parameters to measurements, and how well it foretells the others.

Latencies: first the surroundings (network and server) from runs without sidecars, then what event loops cost from
sidecars without batched telemetry, then telemetry in batches. CPU: the same costs of passes and wakings, from a table
of CPU over rates. Some cells are trained on, all others test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from meshsim.errors import InputError
from meshsim.units import SECOND
from meshsim.world.calibrate.fit import Vector, least_squares
from meshsim.world.calibrate.measured import Cell, Measurement, Setup
from meshsim.world.calibrate.parameters import REPORTING, Parameters
from meshsim.world.calibrate.testbed import Copies, Outcome, simulate

SHOWN: Final = (50, 90, 99)
"""Percentiles that are judged."""
_WEIGHTS: Final[Mapping[float, float]] = {10: 0.3, 50: 1.0, 90: 1.0, 95: 0.5, 99: 0.5, 99.5: 0.3}
_WEIGHTS_WITHOUT_SIDECARS: Final[Mapping[float, float]] = {10: 0.3, 50: 1.0, 90: 1.0, 95: 0.3, 99: 0.1}
"""Far percentiles of a run without sidecars are the machines' own disturbances, which are not modelled."""
_PULL: Final = 0.02
"""Weight of staying near the start, which decides what the measurements leave open."""
_COPIES: Final = 15
"""Chances of which connection belongs to which event loop."""
_COPIES_ALIKE: Final = 3
"""Where there is no such chance."""
_LENGTH: Final = 3 * SECOND
_LENGTH_OF_RESULT: Final = 4 * SECOND
_LENGTH_OF_CPU: Final = 8 * SECOND
_SURE: Final = 0.05
"""What two runs of the benchmark differ by where chance has no part in it."""
_ROUNDS: Final = 2

_SURROUNDINGS: Final = ("latency", "jitter", "service", "service_spread", "server_wake", "server_wake_spread")
_EVENT_LOOPS: Final = ("spread", "wake_least", "flushed", "tls")
_IDLE: Final = ("cold", "half")
_WAKING: Final = ("wake_least", "cold", "half")

Progress = Callable[[str], None]


class Choice(NamedTuple):
    """Cells by their conditions: those with one of these numbers."""

    connections: frozenset[int]
    rates: frozenset[int] = frozenset()

    def holds(self, cell: Cell, by_rate: bool) -> bool:
        """Whether a cell is among them."""
        return cell.rate in self.rates if by_rate else cell.connections in self.connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One number that was measured and simulated."""

    cell: Cell
    what: str
    """``p50`` (milliseconds), or ``client CPU`` (thousandths of a core for 1,000 requests/s)."""
    measured: float
    simulated: float
    trained: bool

    @property
    def error(self) -> float:
        """Relative error of the simulation."""
        return self.simulated / self.measured - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fit and all its cells."""

    parameters: Parameters
    compared: tuple[Compared, ...]

    def mean_error(self, what: str, setup: Setup, telemetry: str | None = None) -> float | None:
        """Mean absolute relative error over the cells that were not trained on, None without any."""
        errors = [
            abs(each.error)
            for each in self.compared
            if each.what == what
            and not each.trained
            and each.cell.setup is setup
            and telemetry in (None, each.cell.telemetry)
        ]
        return float(np.mean(errors)) if errors else None


def calibrate_latency(
    measurements: Sequence[Measurement],
    train: Choice,
    *,
    test: Choice | None = None,
    idle: Parameters | None = None,
    progress: Progress | None = None,
    mode: str | None = None,
) -> Calibration:
    """Fit latencies of `measurements` in the cells of `train`; all others, or those of `test`, are foretold.

    How costs grow with idle time, of which two connection counts tell little, is taken from `idle`, a fit of CPU, or is
    what such a fit gave. Raises `InputError` when no cell is to be trained on.
    """
    fitting = _LatencyFit(measurements, train, progress, mode)
    if not fitting.trained:
        raise InputError("no measurement has the conditions to train on", None, "see --train")
    parameters = Parameters.first({m.cell.telemetry for m in measurements if m.cell.telemetry})
    if idle is not None:
        parameters = parameters.with_values({name: idle.value(name) for name in _IDLE})
    for title, names, wanted in fitting.stages():
        parameters = fitting.run(title, parameters, names, wanted)
    shown = [m for m in measurements if test is None or _either(m.cell, train, test)]
    outcomes = simulate(parameters, _copies(shown), _LENGTH_OF_RESULT, mode=mode)
    compared = [
        Compared(
            cell=m.cell,
            what=f"p{p}",
            measured=m.percentiles[p],
            simulated=_median(copies, p),
            trained=train.holds(m.cell, by_rate=False),
        )
        for m, copies in zip(shown, outcomes, strict=True)
        for p in SHOWN
    ]
    return Calibration(parameters=parameters, compared=tuple(compared))


def _either(cell: Cell, train: Choice, test: Choice) -> bool:
    return train.holds(cell, by_rate=False) or test.holds(cell, by_rate=False)


def _median(copies: Sequence[Outcome], percent: float) -> float:
    return float(np.median([np.percentile(copy.latencies, percent) for copy in copies]))


def _copies(measurements: Sequence[Measurement]) -> list[Copies]:
    return [
        Copies(m.cell, _COPIES_ALIKE if m.cell.setup is Setup.NONE or m.cell.connections == 1 else _COPIES)
        for m in measurements
    ]


class _LatencyFit:
    def __init__(
        self, measurements: Sequence[Measurement], train: Choice, progress: Progress | None, mode: str | None
    ) -> None:
        self.trained = [m for m in measurements if train.holds(m.cell, by_rate=False)]
        self._progress = progress
        self._mode = mode

    def stages(self) -> list[tuple[str, list[str], list[Measurement]]]:
        """What is fitted one after the other: parameters, and the measurements they are fitted to."""
        alone = [m for m in self.trained if m.cell.setup is Setup.NONE]
        simple = [m for m in self.trained if m.cell.telemetry not in ("", REPORTING)]
        reporting = [m for m in self.trained if m.cell.telemetry == REPORTING]
        stages = []
        if alone:
            stages.append(("network and server", list(_SURROUNDINGS), alone))
        reports = [f"{name}/{REPORTING}" for name in ("inbound", "outbound", "report")]
        if simple:
            names = sorted({m.cell.telemetry for m in simple})
            passes = [f"{name}/{telemetry}" for telemetry in names for name in ("inbound", "outbound")]
            stages.append(("event loops", [*_EVENT_LOOPS, *passes], simple))
        if reporting:
            stages.append(("reports", reports if simple else [*_EVENT_LOOPS, *reports], reporting))
        return stages

    def run(
        self, title: str, parameters: Parameters, names: Sequence[str], wanted: Sequence[Measurement]
    ) -> Parameters:
        """The parameters with those of these names fitted to these measurements."""
        targets = [_target(m) for m in wanted]
        start = np.array([parameters.value(name) for name in names])
        weights: list[Vector] = []

        def residuals(values: Vector) -> Vector:
            tried = parameters.with_values(dict(zip(names, map(float, values), strict=True)))
            outcomes = simulate(tried, _copies(wanted), _LENGTH, mode=self._mode)
            if not weights:
                weights.extend(target.weigh(copies) for target, copies in zip(targets, outcomes, strict=True))
            parts = [
                weight * target.errors(copies)
                for target, weight, copies in zip(targets, weights, outcomes, strict=True)
            ]
            return np.concatenate([*parts, _PULL * np.log(values / start)])

        found = start
        for _ in range(_ROUNDS):
            weights.clear()
            found = least_squares(residuals, found, progress=_told(self._progress, title))
        return parameters.with_values(dict(zip(names, map(float, found), strict=True)))


def _told(progress: Progress | None, title: str) -> Callable[[int, float], None] | None:
    if progress is None:
        return None
    return lambda iteration, squares: progress(f"{title}: iteration {iteration + 1}, sum of squares {squares:.4f}")


class _Target(NamedTuple):
    percents: tuple[float, ...]
    measured: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]

    def errors(self, copies: Sequence[Outcome]) -> Vector:
        """Logarithms of simulated to measured percentiles; none counts for more than a factor of e."""
        return np.asarray(np.tanh(np.log(np.median(self._found(copies), axis=0) / self.measured)))

    def weigh(self, copies: Sequence[Outcome]) -> Vector:
        """The less, the more a percentile depends on which connection belongs to which event loop."""
        chance = np.std(np.log(self._found(copies)), axis=0)
        return np.asarray(self.weights / np.sqrt(1 + (chance / _SURE) ** 2))

    def _found(self, copies: Sequence[Outcome]) -> npt.NDArray[np.float64]:
        return np.array([np.percentile(copy.latencies, self.percents) for copy in copies])


def _target(measurement: Measurement) -> _Target:
    table = _WEIGHTS_WITHOUT_SIDECARS if measurement.cell.setup is Setup.NONE else _WEIGHTS
    percents = tuple(p for p in measurement.percentiles if p in table)
    return _Target(
        percents,
        np.array([measurement.percentiles[p] for p in percents]),
        np.array([table[p] for p in percents]),
    )


def _over_rates(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Those with the number of connections that was measured at the most rates."""
    rates: dict[int, set[int]] = {}
    for m in measurements:
        rates.setdefault(m.cell.connections, set()).add(m.cell.rate)
    return [m for m in measurements if len(rates[m.cell.connections]) == max(map(len, rates.values()))]


def calibrate_cpu(
    measurements: Sequence[Measurement],
    train: Choice,
    *,
    test: Choice | None = None,
    progress: Progress | None = None,
    mode: str | None = None,
) -> Calibration:
    """Fit the CPU of sidecars over rates, in thousandths of a core, in the cells of `train`.

    They are those with the number of connections that was measured at the most rates. What a sidecar uses without
    traffic is what the runs past it used in the mean. Raises `InputError` when no cell is
    to be trained on.
    """
    busy = _over_rates([m for m in measurements if m.cpu and m.cell.setup is Setup.BOTH])
    resting = [m for m in measurements if m.cpu and m.cell.setup is Setup.NONE]
    trained = [m for m in busy if train.holds(m.cell, by_rate=True)]
    if not trained:
        raise InputError("no measurement with CPU has the rates to train on", None, "see --train")
    idle = {side: float(np.mean([m.cpu[side] for m in resting])) if resting else 0.0 for side in ("client", "server")}
    telemetries = sorted({m.cell.telemetry for m in busy})
    start = Parameters.first(telemetries)
    names = [*_WAKING, *(f"{name}/{telemetry}" for telemetry in telemetries for name in ("inbound", "outbound"))]
    first = np.array([start.value(name) for name in names])

    def simulated(parameters: Parameters, cells: Sequence[Measurement]) -> list[dict[str, float]]:
        outcomes = simulate(parameters, [Copies(m.cell, 1) for m in cells], _LENGTH_OF_CPU, jitter=True, mode=mode)
        return [
            {"client": idle["client"] + copy.client_cpu, "server": idle["server"] + copy.server_cpu}
            for (copy,) in outcomes
        ]

    def residuals(values: Vector) -> Vector:
        found = simulated(start.with_values(dict(zip(names, map(float, values), strict=True))), trained)
        errors = [np.log(cpu[side] / m.cpu[side]) for m, cpu in zip(trained, found, strict=True) for side in cpu]
        return np.concatenate([np.array(errors), _PULL * np.log(values / first)])

    fitted = least_squares(residuals, first, progress=_told(progress, "CPU"))
    parameters = start.with_values(dict(zip(names, map(float, fitted), strict=True)))
    shown = [m for m in busy if test is None or train.holds(m.cell, True) or test.holds(m.cell, True)]
    compared = [
        Compared(
            cell=m.cell,
            what=f"{side} CPU",
            measured=m.cpu[side] * 1000 / m.cell.rate,
            simulated=cpu[side] * 1000 / m.cell.rate,
            trained=train.holds(m.cell, by_rate=True),
        )
        for m, cpu in zip(shown, simulated(parameters, shown), strict=True)
        for side in cpu
    ]
    return Calibration(parameters=parameters, compared=tuple(compared))
