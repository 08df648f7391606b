"""`meshsim calibrate` on made-up measurements."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshsim.cli.app import run
from meshsim.units import MICROSECOND, SECOND
from meshsim.world.calibrate.measured import Cell, Setup
from meshsim.world.calibrate.parameters import Parameters, Passes
from meshsim.world.calibrate.testbed import Copies, simulate


def write_results(folder: Path) -> None:
    """fortio result files of a testbed without sidecars and with one."""
    truth = Parameters(passes={"plain": Passes(inbound=80.0 * MICROSECOND)})
    for setup in (Setup.NONE, Setup.SERVER):
        for connections in (1, 4):
            telemetry = "" if setup is Setup.NONE else "plain"
            cell = Cell(setup=setup, telemetry=telemetry, rate=1000, connections=connections)
            ((outcome,),) = simulate(truth, [Copies(cell, 1)], SECOND)
            data = [{"Start": span / 1e3, "End": span / 1e3, "Count": 1} for span in sorted(outcome.latencies)]
            label = f"x_qps_1000_c_{connections}_1024_{'plain_' if telemetry else ''}{setup.value}"
            document = {"Labels": label, "DurationHistogram": {"Count": len(data), "Data": data}}
            (folder / f"{cell.name}.json").write_text(json.dumps(document))


def test_it_prints_every_cell_and_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path)
    written = tmp_path / "proxies.yaml"
    (tmp_path / "old.csv").write_text("Labels,ActualQPS,p50,p90,p99\nx_qps_10_c_16_1024_base,10,500,900,1500\n")
    assert run(["calibrate", str(tmp_path), "--train", "conn=1", "-o", str(written)]) == 0
    out, told = capsys.readouterr()
    assert told.startswith("not used, for want of a histogram or of CPU of client and server: 1 of 5")
    rows = [line.split() for line in out.splitlines() if line.strip().startswith("qps_")]
    assert len(rows) == 4 * 3
    assert {(row[0].split("_")[3], row[1]) for row in rows} == {("1", "train"), ("4", "test")}
    assert "mean absolute error of the test cells" in out
    assert written.read_text().startswith("# Sidecars with telemetry 'plain'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "there is no"),
        ([".", "--train", "conn=x"], "is not such as"),
        ([".", "--train", "users=1"], "is not such as"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_refused(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["calibrate", *arguments]) == 2
    assert message in capsys.readouterr().err
