"""Counts by second and bucket say the same as the requests they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meshsim.recording import open_run
from meshsim.recording.series import bucket_limit, bucket_of
from meshsim.testing.recordings import write_bookshop
from meshsim.units import MICROSECOND, SECOND


def test_buckets_hold_what_they_say() -> None:
    latency = np.array([1, MICROSECOND, 1500, 123_456_789, 60 * SECOND], np.int64)
    buckets = bucket_of(latency)
    for value, bucket in zip(latency.tolist(), buckets.tolist(), strict=True):
        assert value <= bucket_limit(bucket) * (1 + 1e-6)
        assert value <= MICROSECOND or value > bucket_limit(bucket - 1)


def test_series_count_the_requests(tmp_path: Path) -> None:
    run = open_run(write_bookshop(tmp_path))
    series = run.series()
    assert sum(series["count"].to_pylist()) == run.requests().num_rows
    rows = [r for r in series.to_pylist() if r["destination"] == "reviews" and r["second"] == 41]
    requests = [r for r in run.requests().to_pylist() if r["destination"] == "reviews" and r["start"] // SECOND == 41]
    assert sum(r["count"] for r in rows) == len(requests)
    assert sum(r["count"] for r in rows if r["flags"] == "UT") == sum(r["flags"] == "UT" for r in requests)
    assert sum(r["count"] for r in rows if r["destination_version"] == "v2") == sum(
        r["destination_version"] == "v2" for r in requests
    )
