"""Result files and tables of the benchmark, as fortio and Istio's scripts write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshsim.errors import InputError
from meshsim.world.calibrate.measured import Cell, Setup, load_measurements, parse_label, percentile

HISTOGRAM = {
    "Count": 100,
    "Data": [
        {"Start": 0.001, "End": 0.002, "Count": 50},
        {"Start": 0.002, "End": 0.004, "Count": 40},
        {"Start": 0.004, "End": 0.010, "Count": 10},
    ],
}
HEADER = (
    "StartTime,Labels,ActualQPS,p50,p90,p99,cpu_mili_avg_istio_proxy_fortioclient,cpu_mili_avg_istio_proxy_fortioserver"
)


def test_labels_name_the_conditions() -> None:
    both = parse_label("193ff770_qps_1000_c_64_1024_both")
    assert both == Cell(setup=Setup.BOTH, telemetry="mixer", rate=1000, connections=64)
    assert parse_label("7c_qps_10_c_4_1024_nomixer_serveronly").telemetry == "nomixer"
    assert parse_label("ff_qps_3000_c_16_1024_v2-sd-full-nullvm_both").name == "qps_3000_c_16_v2-sd-full-nullvm_both"
    for alone in ("a_qps_1000_c_1_1024_base", "a_qps_1000_c_1_1024_none_mtls_baseline"):
        assert (parse_label(alone).setup, parse_label(alone).telemetry) == (Setup.NONE, "")
    with pytest.raises(ValueError, match="does not name"):
        parse_label("qps 1000")


def test_percentiles_lie_even_within_a_bucket() -> None:
    assert percentile(HISTOGRAM, 25) == pytest.approx(0.0015)
    assert percentile(HISTOGRAM, 90) == pytest.approx(0.004)
    assert percentile(HISTOGRAM, 99) == pytest.approx(0.0094)


def test_a_folder_holds_files_of_both_kinds(tmp_path: Path) -> None:
    result = {"Labels": "a_qps_1000_c_4_1024_both", "DurationHistogram": HISTOGRAM}
    (tmp_path / "a.json").write_text(json.dumps(result))
    (tmp_path / "b.csv").write_text(f"{HEADER}\nx,a_qps_10_c_16_1024_none_mtls_both,10,500,900,1500,6.5,\n")
    (tmp_path / "SOURCE.md").write_text("where it is from")
    first, second = load_measurements([tmp_path])
    assert first.percentiles[50] == pytest.approx(2.0)
    assert dict(second.percentiles) == {50: 0.5, 90: 0.9, 99: 1.5}
    assert (dict(first.cpu), dict(second.cpu)) == ({}, {"client": 6.5})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", "is not a measurement"),
        ("a.json", "no JSON", "is not a measurement"),
        ("a.csv", "one,two\n1,2\n", "lacks one of the columns"),
        ("a.csv", f"{HEADER}\nx,unlabelled,10,500,900,1500,1,1\n", "does not name"),
        ("a.txt", "", "neither JSON nor CSV"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        load_measurements([tmp_path / name])


def test_nothing_is_found_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no measurements"):
        load_measurements([tmp_path])
    with pytest.raises(InputError, match="there is no"):
        load_measurements([tmp_path / "missing"])
