"""`meshsim metrics` on a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest


@pytest.fixture
def recording(small: Path) -> Path:
    return small.parent / "results" / "small"


def test_all_proxies_or_some(meshsim: Callable, recording: Path) -> None:
    everyone = meshsim("metrics", recording)
    assert everyone.code == 0
    assert everyone.out.startswith('# TYPE istio_requests_total counter\nistio_requests_total{namespace="shop",pod="')
    some = meshsim("metrics", recording, "--pod", "stock")
    assert 'reporter="destination"' in some.out
    assert 'reporter="source"' not in some.out
    assert meshsim("metrics", recording, "--at", "1ms").out == ""


def test_over_time(meshsim: Callable, recording: Path, tmp_path: Path) -> None:
    assert meshsim("metrics", recording, "-o", "openmetrics", "--step", "2s").out.endswith("# EOF\n")
    file = tmp_path / "metrics.parquet"
    assert meshsim("metrics", recording, "-o", f"parquet={file}").code == 0
    assert "destination_service_name" in pq.read_table(file).column_names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "csv"), "'csv' is not prometheus, openmetrics or parquet=FILE"),
        (("-o", "parquet"), "'parquet' is not"),
        (("--step", "500ms"), "'500ms' is not a number of whole seconds"),
        (("-o", "parquet=/nowhere/at/all.parquet"), "cannot be written"),
        (("--pod", "frnt"), "did you mean 'front'?"),
    ],
)
def test_mistakes_are_told(meshsim: Callable, recording: Path, arguments: tuple[str, ...], message: str) -> None:
    done = meshsim("metrics", recording, *arguments)
    assert done.code == 2
    assert message in done.err
