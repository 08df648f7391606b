"""The Python interface, as a notebook uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

import meshsim
from meshsim.errors import InputError, InputErrors
from meshsim.front import scenario as front
from meshsim.testing.recordings import SCENARIO
from meshsim.testing.runners import bookshop_runner

EXPECT = "  - {name: served, success_rate: {of: shoppers, min: 99%}}\n"


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are made up instead of simulated."""
    monkeypatch.setattr("meshsim.world.run.run_replication", bookshop_runner)


def test_load_vary_run_and_open_again(tmp_path: Path) -> None:
    path = tmp_path / "bookshop.yaml"
    path.write_text(SCENARIO + EXPECT)
    scenario = meshsim.Scenario.from_yaml(path)
    assert scenario.name == "bookshop"
    result = scenario.with_({"traffic.shoppers.rate": 20}).run(seed=7, results=tmp_path / "results")
    assert result.ok
    assert len(result.requests) == 20 * 180
    assert result.manifest.seeds == (7,)
    again = meshsim.open(tmp_path / "results" / "bookshop")
    assert again.verdicts == result.verdicts
    assert again.folder == result.folder


def test_a_text_will_do(tmp_path: Path) -> None:
    scenario = meshsim.Scenario.from_text(SCENARIO + EXPECT)
    result = scenario.run(seeds=[1, 2], until="20s", results=tmp_path, jobs=1)
    assert result.manifest.seeds == (1, 2)
    assert result.run.duration == 20_000_000_000


def test_errors_are_exceptions() -> None:
    with pytest.raises(InputErrors):
        meshsim.Scenario.from_text("a: 1")
    with pytest.raises(InputError):
        meshsim.open("nowhere")


def test_a_sweep_is_a_table() -> None:
    scenario = front.Scenario.from_text(SCENARIO + EXPECT)
    table = meshsim.sweep(scenario, over={"traffic.shoppers.rate": [10, 20]}, seeds=2)
    assert table["traffic.shoppers.rate"].tolist() == [10, 10, 20, 20]
    assert table["seed"].tolist() == [1, 2, 1, 2]
    assert table["served: met"].all()


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError):
        _ = meshsim.nothing
