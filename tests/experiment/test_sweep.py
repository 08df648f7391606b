"""Grids: every combination with every seed, failures as rows."""

from __future__ import annotations

import pytest

from meshsim.errors import InputErrors, UsageError
from meshsim.experiment.replications import process_pool
from meshsim.experiment.sweep import run_sweep
from meshsim.scenario import LoadedScenario
from meshsim.testing.runners import bookshop_runner, dying_runner, failing_runner

OVER = {"traffic.shoppers.rate": [20, "50/s"], "expect.served.success_rate.min": ["90%", "99.9%"]}


def test_every_combination_with_every_seed(loaded: LoadedScenario) -> None:
    rows = run_sweep(loaded, OVER, seeds=2, runner=bookshop_runner)
    assert [(dict(row.values)["traffic.shoppers.rate"], row.seed) for row in rows] == [
        (20, 1), (20, 2), (20, 1), (20, 2), ("50/s", 1), ("50/s", 2), ("50/s", 1), ("50/s", 2)
    ]  # fmt: skip
    assert [row.requests for row in rows[::4]] == [20 * 180, 50 * 180]
    assert rows[0].ok
    assert not rows[2].ok
    flat = rows[0].as_dict()
    assert (flat["seed"], flat["served: met"]) == (1, True)
    assert 0.99 < float(str(flat["served"])) < 1


def test_processes_give_the_same_rows(loaded: LoadedScenario) -> None:
    alone = run_sweep(loaded, OVER, seeds=[3], runner=bookshop_runner)
    with process_pool(2) as pool:
        assert run_sweep(loaded, OVER, seeds=[3], executor=pool, runner=bookshop_runner) == alone


def test_a_replication_that_fails_is_a_row(loaded: LoadedScenario) -> None:
    rows = run_sweep(loaded, {"traffic.shoppers.rate": [20]}, runner=failing_runner)
    assert [row.error for row in rows] == ["", "too many requests in flight", ""]
    assert rows[1].as_dict()["error"] == "too many requests in flight"


def test_a_process_that_dies_is_a_row(loaded: LoadedScenario) -> None:
    with process_pool(1) as pool:
        rows = run_sweep(loaded, {"traffic.shoppers.rate": [20]}, seeds=[2], executor=pool, runner=dying_runner)
    assert "BrokenProcessPool" in rows[0].error


def test_bad_values_are_found_before_anything_runs(loaded: LoadedScenario) -> None:
    with pytest.raises(UsageError):
        run_sweep(loaded, {"traffic.nobody.rate": [1]}, runner=failing_runner)
    with pytest.raises(InputErrors):
        run_sweep(loaded, {"traffic.shoppers.rate": [20, "fast"]}, runner=failing_runner)
