"""Fits of made-up measurements: the parameters are known, so that the fit can be judged."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.errors import InputError
from meshsim.units import MICROSECOND, SECOND
from meshsim.world.calibrate.calibration import Choice, calibrate_cpu, calibrate_latency
from meshsim.world.calibrate.measured import HISTOGRAM_PERCENTILES, Cell, Measurement, Setup
from meshsim.world.calibrate.parameters import Parameters, Passes
from meshsim.world.calibrate.testbed import Copies, simulate

TRUTH = Parameters(
    latency=120.0 * MICROSECOND,
    service=25.0 * MICROSECOND,
    server_wake=400.0 * MICROSECOND,
    wake_least=40.0 * MICROSECOND,
    passes={"plain": Passes(inbound=80.0 * MICROSECOND, outbound=50.0 * MICROSECOND)},
)


def cells(connections: tuple[int, ...]) -> list[Cell]:
    return [
        Cell(setup=setup, telemetry="" if setup is Setup.NONE else "plain", rate=1000, connections=count)
        for setup in Setup
        for count in connections
    ]


def made_up(wanted: list[Cell]) -> list[Measurement]:
    """What a testbed of the true parameters would have measured, of other chances than the fit uses."""
    outcomes = simulate(TRUTH, [Copies(cell, 15) for cell in wanted], 2 * SECOND, seed=77)
    return [
        Measurement(
            cell=cell,
            percentiles={
                p: float(np.median([np.percentile(copy.latencies, p) for copy in copies]))
                for p in HISTOGRAM_PERCENTILES
            },
        )
        for cell, copies in zip(wanted, outcomes, strict=True)
    ]


def test_latencies_of_cells_that_were_not_fitted_are_foretold() -> None:
    measured = made_up(cells((1, 4, 16)))
    heard: list[str] = []
    fitted = calibrate_latency(measured, Choice(frozenset((1, 16))), progress=heard.append)
    for setup in Setup:
        for what in ("p50", "p90"):
            error = fitted.mean_error(what, setup)
            assert error is not None
            assert error < 0.06, (setup, what)
    found = fitted.parameters.passes["plain"]
    assert found.inbound + fitted.parameters.wake_least == pytest.approx(120 * MICROSECOND, rel=0.25)
    assert {each.cell.connections for each in fitted.compared if not each.trained} == {4}
    assert {line.split(":")[0] for line in heard} == {"network and server", "event loops"}


def test_cpu_over_rates_is_foretold() -> None:
    rates = [Cell(setup=Setup.BOTH, telemetry="plain", rate=rate, connections=16) for rate in (10, 100, 1000, 3000)]
    outcomes = simulate(TRUTH, [Copies(cell, 1) for cell in rates], 8 * SECOND, jitter=True, seed=78)
    measured = [
        Measurement(
            cell=cell,
            percentiles={50: 1.0, 90: 1.0, 99: 1.0},
            cpu={"client": 3.0 + copy.client_cpu, "server": 4.0 + copy.server_cpu},
        )
        for cell, (copy,) in zip(rates, outcomes, strict=True)
    ]
    resting = Cell(setup=Setup.NONE, telemetry="", rate=1000, connections=16)
    idle = Measurement(cell=resting, percentiles={50: 1.0}, cpu={"client": 3.0, "server": 4.0})
    fitted = calibrate_cpu([*measured, idle], Choice(frozenset(), frozenset((10, 1000))))
    for side in ("client CPU", "server CPU"):
        error = fitted.mean_error(side, Setup.BOTH)
        assert error is not None
        assert error < 0.1


def test_nothing_to_train_on_is_said() -> None:
    measured = [Measurement(cell=cell, percentiles={50: 1.0, 90: 1.0, 99: 1.0}) for cell in cells((4,))]
    with pytest.raises(InputError, match="conditions to train on"):
        calibrate_latency(measured, Choice(frozenset((1,))))
    with pytest.raises(InputError, match="rates to train on"):
        calibrate_cpu(measured, Choice(frozenset(), frozenset((10,))))
