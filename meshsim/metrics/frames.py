"""Series of a run as a table: for notebooks, and for files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from meshsim.metrics.istio import DURATION, Sample


def metric_table(samples: Iterable[Sample]) -> Any:
    """An Arrow table, one row a series and step of time: its labels, the requests of the step, their time together.

    ``count`` is what a counter or histogram grew by, ``sum`` the milliseconds a histogram grew by, empty for counters.
    """
    listed = list(samples)
    labels = list(dict.fromkeys(name for sample in listed for name, _ in sample.labels))
    values = [dict(sample.labels) for sample in listed]
    columns: dict[str, Any] = {
        "second": pa.array([sample.second for sample in listed], pa.int32()),
        "namespace": _names([sample.proxy.namespace for sample in listed]),
        "pod": _names([sample.proxy.pod for sample in listed]),
        "metric": _names([f"istio_{sample.metric}" for sample in listed]),
    }
    columns |= {name: _names([value.get(name, "") for value in values]) for name in labels}
    columns["count"] = pa.array([sample.requests for sample in listed], pa.float64())
    columns["sum"] = pa.array([sample.total if sample.metric == DURATION else None for sample in listed], pa.float64())
    return pa.table(columns)


def _names(values: list[str]) -> Any:
    return pa.array(values, pa.string()).dictionary_encode()
