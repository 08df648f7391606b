"""The testbed against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.units import MICROSECOND, SECOND
from meshsim.world.calibrate.measured import Cell, Setup
from meshsim.world.calibrate.parameters import Parameters, Passes
from meshsim.world.calibrate.testbed import Copies, simulate

CERTAIN = Parameters(
    latency=100.0 * MICROSECOND,
    jitter=0.0,
    service=50.0 * MICROSECOND,
    service_spread=0.0,
    server_wake=0.0,
    server_wake_spread=0.0,
    spread=0.0,
    wake_least=10.0 * MICROSECOND,
    cold=0.0,
    flushed=0.0,
    tls=5.0 * MICROSECOND,
    passes={"plain": Passes(inbound=30.0 * MICROSECOND, outbound=40.0 * MICROSECOND)},
)


def cell(setup: Setup, connections: int = 1, rate: int = 1000) -> Cell:
    return Cell(setup=setup, telemetry="" if setup is Setup.NONE else "plain", rate=rate, connections=connections)


def test_one_connection_takes_the_sum_of_its_parts() -> None:
    cells = [Copies(cell(setup), 1) for setup in Setup]
    (none,), (server,), (both,) = simulate(CERTAIN, cells, SECOND // 2, mode="plain")
    assert none.latencies == pytest.approx(0.25)
    assert server.latencies == pytest.approx(0.25 + 2 * 0.040)
    assert both.latencies == pytest.approx(0.25 + 2 * 0.045 + 2 * 0.050)
    assert len(none.latencies) == pytest.approx(500, abs=2)
    # Two passes and two wakings a request, 1,000 requests a second: thousandths of a core.
    assert (server.client_cpu, server.server_cpu) == (0.0, pytest.approx(80, rel=0.01))
    assert (both.client_cpu, both.server_cpu) == (pytest.approx(100, rel=0.01), pytest.approx(90, rel=0.01))


def test_connections_send_together_and_queue() -> None:
    (alone,), (burst,) = simulate(
        CERTAIN, [Copies(cell(Setup.NONE), 1), Copies(cell(Setup.NONE, 16), 1)], SECOND // 2, mode="plain"
    )
    # 16 at once on 4 cores: four rounds of 50 us.
    assert sorted({round(float(span), 3) for span in burst.latencies}) == [0.25, 0.3, 0.35, 0.4]
    assert set(np.round(alone.latencies, 3).tolist()) == {0.25}


def test_copies_differ_by_which_event_loop_a_connection_has() -> None:
    (copies,) = simulate(CERTAIN, [Copies(cell(Setup.BOTH, 4), 12)], SECOND // 4, mode="plain")
    assert len({round(float(np.max(copy.latencies)), 3) for copy in copies}) > 2
