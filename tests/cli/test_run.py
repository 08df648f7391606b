"""`meshsim run` from arguments to output and exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from meshsim.cli.app import run


def test_a_scenario_that_passes(meshsim: Callable, shop: Path) -> None:
    done = meshsim("run", shop)
    assert done.code == 0
    assert done.out.startswith("bookshop  seed 1  Istio 1.31")
    assert "  PASS  served" in done.out
    assert done.out.rstrip().endswith("results/bookshop/0001/report.html")
    assert Path("results/bookshop/latest/requests.parquet").is_file()
    assert "nothing is compiled" in done.err


def test_an_expectation_that_is_not_met(meshsim: Callable, broken: Path) -> None:
    done = meshsim("run", broken)
    assert done.code == 1
    assert "FAIL  served" in done.out
    assert f"{broken}:29" in done.out
    assert "worst window 40s-45s" in done.out
    assert f"repeat: meshsim run {broken} --seed 1" in done.out


def test_options_reach_the_run(meshsim: Callable, shop: Path) -> None:
    done = meshsim("run", shop, "--seed", 3, "--seed", 4, "--until", "20s", "--results", "out", "--jobs", 1, "-q")
    assert done.code == 0
    assert done.out == f"{shop}  passed  1 of 1 expectation met\n"
    assert done.err == ""
    manifest = json.loads(Path("out/bookshop/0001/manifest.json").read_text())
    assert (manifest["seeds"], manifest["until"]) == ([3, 4], 20_000_000_000)


def test_no_record(meshsim: Callable, shop: Path) -> None:
    done = meshsim("run", shop, "--no-record", "--seeds", 2, "--jobs", 1)
    assert done.code == 0
    assert "seed 1, 2" in done.out
    assert not Path("results").exists()


def test_json(meshsim: Callable, shop: Path) -> None:
    done = meshsim("run", shop, "-o", "json")
    document = json.loads(done.out)
    assert document["ok"] is True
    assert document["scenarios"][0]["recording"] == "results/bookshop/0001"
    assert done.err == ""


def test_several_scenarios(meshsim: Callable, shop: Path, broken: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(shop.read_text().replace("duration:", "durtion:"))
    done = meshsim("run", tmp_path, "-o", "text", "-o", "github", "-o", "junit=out/junit.xml")
    assert done.code == 2
    assert f"{broken}  FAILED  0 of 1 expectation met" in done.out
    assert f"{shop}  passed" in done.out
    assert "wrong.yaml  ERROR  not run" in done.out
    assert "unknown field 'durtion' (did you mean 'duration'?)" in done.out
    assert f"::error file={broken},line=29,col=5,title=served::" in done.out
    assert "3 scenarios: 1 passed, 1 failed, 1 invalid    exit code 2" in done.out
    root = ET.parse("out/junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")


def test_an_invalid_scenario(meshsim: Callable, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("apiVersion: meshsim/v1alpha1\nkind: Scenario\nname: x\nduration: 60\n")
    done = meshsim("run", path)
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines()[0].startswith(f"{path}:4:11: error: expected a duration")
    assert done.err.splitlines()[2].endswith("^")


def test_annotations_come_by_themselves_on_github(
    meshsim: Callable, broken: Path, tmp_path: Path, monkeypatch: object
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")  # type: ignore[attr-defined]
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))  # type: ignore[attr-defined]
    done = meshsim("run", broken)
    assert "::error file=" in done.out
    assert "FAIL  served" in done.out
    assert "| **fail** | served |" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize("arguments", [("--seed", 2**31), ("--seeds", 10**30), ("--seeds", 0), ("--seed", -1)])
def test_seeds_that_are_none(meshsim: Callable, shop: Path, arguments: tuple[object, ...]) -> None:
    done = meshsim("run", shop, *arguments)
    assert done.code == 2
    assert "is not in the range" in done.err


def test_a_run_without_traffic_has_a_report_too(
    small_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model runs: only it leaves a recording without a single request."""
    lines = small_text.splitlines(keepends=True)
    quiet = "".join(line for line in lines if not line.startswith(("traffic:", "  - {name: ask")))
    (tmp_path / "quiet.yaml").write_text(quiet)
    monkeypatch.chdir(tmp_path)
    assert run(["run", "quiet.yaml", "--engine", "interpreted"]) == 0, capsys.readouterr().err
    assert Path("results/small/0001/report.html").is_file()
