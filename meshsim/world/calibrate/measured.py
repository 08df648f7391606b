"""Measurements of Istio's data plane: fortio's result files and the tables of Istio's benchmark.

Each is of a client pod and a server pod, with no sidecar, one at the server, or one at both; its label names all that
(istio/tools perf/benchmark/runner): ``<run>_qps_1000_c_16_1024_nomixer_both``.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from meshsim.errors import InputError

_LABEL: Final = re.compile(r"_?qps_(\d+)_c_(\d+)_(\d+)_(?:(.+)_)?(base|baseline|serveronly|both)$")
_MIXER: Final = "mixer"
"""What labels of 2019 that name no telemetry were measured with."""
_TABLE_COLUMNS: Final = ("Labels", "ActualQPS", "p50", "p90", "p99")
_CPU_CLIENT: Final = "cpu_mili_avg_istio_proxy_fortioclient"
_CPU_SERVER: Final = "cpu_mili_avg_istio_proxy_fortioserver"
HISTOGRAM_PERCENTILES: Final = (10, 50, 90, 95, 99, 99.5)
"""What is read from a histogram; a table has its own three."""


class Setup(StrEnum):
    """Where sidecars are."""

    NONE = "base"
    SERVER = "serveronly"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The conditions of a measurement."""

    setup: Setup
    telemetry: str
    """How telemetry was made, as the label says; without sidecars an empty text."""
    rate: int
    """Requests a second wanted."""
    connections: int

    @property
    def name(self) -> str:
        """As the label has it."""
        telemetry = f"{self.telemetry}_" if self.telemetry else ""
        return f"qps_{self.rate}_c_{self.connections}_{telemetry}{self.setup.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured under the conditions of a cell."""

    cell: Cell
    percentiles: Mapping[float, float]
    """Latency in milliseconds by percentile."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU of the ``client``'s and the ``server``'s sidecar in thousandths of a core."""
    source: str = ""


def load_measurements(paths: Iterable[Path]) -> list[Measurement]:
    """Every measurement of these files and of the files in these folders, in order of their paths.

    Raises `InputError` for a path that does not exist or holds nothing of the kind.
    """
    found: list[Measurement] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no '{path}'", None, "give fortio result files, benchmark tables, or a folder")
        files = sorted(f for f in path.rglob("*") if f.suffix in _READERS) if path.is_dir() else [path]
        of_path = [measurement for file in files for measurement in _load(file)]
        if not of_path:
            raise InputError(f"'{path}' holds no measurements", None, "fortio's JSON or a CSV table with Labels")
        found.extend(of_path)
    return found


def _load(path: Path) -> list[Measurement]:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise InputError(f"'{path}' is neither JSON nor CSV")
    try:
        return reader(path)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"'{path}' is not a measurement: {error}") from error


def parse_label(label: str) -> Cell:
    """The conditions a label names; raises `ValueError` for another label."""
    match = _LABEL.search(label)
    if match is None:
        raise ValueError(f"label '{label}' does not name rate, connections, size and sidecars")
    rate, connections, _, telemetry, setup = match.groups()
    where = Setup.NONE if setup.startswith("base") else Setup(setup)
    return Cell(
        setup=where,
        telemetry="" if where is Setup.NONE else telemetry or _MIXER,
        rate=int(rate),
        connections=int(connections),
    )


def _fortio(path: Path) -> list[Measurement]:
    document = json.loads(path.read_text(encoding="utf-8"))
    histogram = document["DurationHistogram"]
    percentiles = {p: 1e3 * percentile(histogram, p) for p in HISTOGRAM_PERCENTILES}
    return [Measurement(cell=parse_label(document["Labels"]), percentiles=percentiles, source=str(path))]


def percentile(histogram: Mapping[str, Any], percent: float) -> float:
    """A percentile of a fortio histogram, even within a bucket (fortio stats/stats.go, CalcPercentile)."""
    wanted = histogram["Count"] * percent / 100
    before = 0
    for bucket in histogram["Data"]:
        if before + bucket["Count"] >= wanted:
            share = (wanted - before) / bucket["Count"]
            return float(bucket["Start"] + share * (bucket["End"] - bucket["Start"]))
        before += bucket["Count"]
    raise ValueError("the histogram counts more than its buckets hold")


def _table(path: Path) -> list[Measurement]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not set(_TABLE_COLUMNS) <= set(rows.fieldnames or ()):
            raise ValueError(f"it lacks one of the columns {', '.join(_TABLE_COLUMNS)}")
        return [_row(row, str(path)) for row in rows]


def _row(row: Mapping[str, str], source: str) -> Measurement:
    cpu = {
        name: float(row[column])
        for name, column in (("client", _CPU_CLIENT), ("server", _CPU_SERVER))
        if row.get(column)
    }
    percentiles: dict[float, float] = {p: float(row[f"p{p}"]) / 1e3 for p in (50, 90, 99)}
    return Measurement(cell=parse_label(row["Labels"]), percentiles=percentiles, cpu=cpu, source=source)


_READERS: Final = {".json": _fortio, ".csv": _table}
