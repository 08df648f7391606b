"""The file of parameters is one that a scenario reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.dataplane.specs import Shape
from meshsim.errors import InputError
from meshsim.scenario.loading import load_text
from meshsim.units import MICROSECOND, MILLISECOND
from meshsim.world.calibrate.calibration import Calibration
from meshsim.world.calibrate.parameters import Parameters, Passes
from meshsim.world.calibrate.written import write_parameters
from meshsim.world.settings import settings_of

FITTED = Calibration(
    parameters=Parameters(
        wake_least=20_000.0,
        cold=2.0,
        half=5e6,
        flushed=0.25,
        spread=0.5,
        tls=10_000.0,
        passes={"mixer": Passes(inbound=90_000.0, report=4e6), "plain": Passes(inbound=50_000.0, outbound=40_000.0)},
    ),
    compared=(),
)
SCENARIO = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: calibrated
duration: 1s
mesh: {timing: {proxy: {file: proxies.yaml, workers: 3}}}
"""


def test_a_scenario_reads_what_was_written(tmp_path: Path) -> None:
    write_parameters(tmp_path / "proxies.yaml", FITTED)
    cost = settings_of(load_text(SCENARIO, "s.yaml", tmp_path).scenario.mesh).proxy
    assert (cost.workers, cost.report, cost.flushed) == (3, None, 0.25)
    assert cost.outbound.shape is Shape.LOGNORMAL
    assert (cost.outbound.scale, cost.inbound.scale) == (40 * MICROSECOND, 60 * MICROSECOND)
    assert cost.outbound.spread == pytest.approx(0.5, abs=1e-3)
    assert cost.wake is not None
    assert (cost.wake.least, cost.wake.most, cost.wake.half) == (20 * MICROSECOND, 100 * MICROSECOND, 5 * MILLISECOND)


def test_telemetry_in_batches_can_be_asked_for(tmp_path: Path) -> None:
    write_parameters(tmp_path / "proxies.yaml", FITTED, "mixer")
    report = settings_of(load_text(SCENARIO, "s.yaml", tmp_path).scenario.mesh).proxy.report
    assert report is not None
    assert (report.answers, report.cost.scale) == (100, 4 * MILLISECOND)
    with pytest.raises(InputError, match="nothing was measured"):
        write_parameters(tmp_path / "proxies.yaml", FITTED, "other")
