"""Series as a table."""

from __future__ import annotations

from meshsim.metrics.frames import metric_table
from meshsim.metrics.istio import DURATION, istio_samples
from meshsim.recording import Run
from meshsim.reporting.result import Result
from meshsim.units import SECOND


def test_a_row_for_each_series_and_step(run: Run) -> None:
    samples = list(istio_samples(run, step=SECOND))
    table = metric_table(samples)
    assert table.num_rows == len(samples)
    assert table.column_names[:4] == ["second", "namespace", "pod", "metric"]
    assert table.column_names[-2:] == ["count", "sum"]
    first = table.to_pylist()[0]
    assert first["response_code"] == "200"
    assert {row["sum"] is None for row in table.to_pylist() if row["metric"] != f"istio_{DURATION}"} == {True}
    assert metric_table([]).num_rows == 0


def test_a_result_has_them_as_a_frame(run: Run) -> None:
    frame = Result(run, ()).metrics("2s")
    counts = frame[(frame["metric"] == "istio_requests_total") & (frame["reporter"] == "source")]
    assert set(frame["second"]) == {2, 4, 6}
    sent = [row for row in run.requests(["last", "source_namespace"]).to_pylist() if row["last"]]
    assert counts["count"].sum() == sum(row["source_namespace"] == "shop" for row in sent)
