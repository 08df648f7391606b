"""The counted series says the same as the requests it counts, as far as buckets and seconds tell."""

from __future__ import annotations

import numpy as np
import pytest

from meshsim.checks.cells import Buckets, Cells, counted, is_counted
from meshsim.checks.context import Context
from meshsim.checks.frame import Grid, Mask
from meshsim.checks.rows import Latencies, Rows
from meshsim.recording import Run
from meshsim.recording.series import bucket_bounds, bucket_of
from meshsim.scenario import End, Span
from meshsim.units import MILLISECOND, SECOND


@pytest.fixture(scope="module")
def cells(run: Run) -> Cells:
    """The series of the made-up run."""
    return Cells(run)


def buckets(latencies: np.ndarray) -> Buckets:
    low, high = bucket_bounds(np.array([bucket_of(value) for value in latencies.tolist()]))
    return Buckets(low, high, np.ones(len(latencies), np.int64), int(latencies.sum()))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_quantiles_are_those_of_the_latencies(share: float) -> None:
    latencies = np.random.default_rng(7).lognormal(np.log(20 * MILLISECOND), 0.5, 20_000).astype(np.int64)
    exact, found = Latencies(np.sort(latencies)), buckets(latencies)
    assert found.size == exact.size
    assert found.quantile(share) == pytest.approx(exact.quantile(share), rel=0.02)
    assert found.quantile_interval(share).low == pytest.approx(exact.quantile_interval(share).low, rel=0.02)
    assert found.mean() == pytest.approx(exact.mean(), abs=1)
    assert found.mean_interval().half_width == pytest.approx(exact.mean_interval().half_width, rel=0.02)
    bucket = found.resolution(exact.quantile(share))
    assert bucket.low <= exact.quantile(share) < bucket.high


def test_cells_of_one_bucket_are_interpolated_as_one() -> None:
    low, high = np.array([100, 100, 200]), np.array([200, 200, 300])
    assert Buckets(low, high, np.array([50, 50, 100])).quantile(0.375) == pytest.approx(175)


def test_nothing_has_no_latency() -> None:
    nothing = np.zeros(0, np.int64)
    assert (Buckets(nothing, nothing, nothing).quantile(0.5), Buckets(nothing, nothing, nothing).mean()) == (0, 0)


def test_counts_are_those_of_the_rows(cells: Cells, context: Context) -> None:
    rows = context.frame
    for select in (
        lambda frame: frame.all(),
        lambda frame: frame.of_traffic("shoppers"),
        lambda frame: frame.to_end(End(app="reviews", version="v2")),
        lambda frame: frame.from_end(End(app="productpage")) & ~frame.good,
        lambda frame: frame.to_end(End(service="reviews.books.svc.cluster.local")) & frame.with_flags(["UT"]),
        lambda frame: frame.to_end(End(app="istio-ingressgateway")),
    ):
        assert cells.count(select(cells)) == rows.count(select(rows)) > 0


def test_windows_are_right_to_a_second(cells: Cells, context: Context) -> None:
    rows = context.frame
    for spans in ([Span(10 * SECOND, 30 * SECOND)], [Span(0, 5 * SECOND), Span(40 * SECOND, 45 * SECOND)]):
        surely, maybe = (cells.count(mask) for mask in (cells.surely_within(spans), cells.maybe_within(spans)))
        exact = rows.count(rows.within(spans))
        assert surely <= exact <= maybe
        assert maybe - surely <= len(spans) * 2 * 2 * 300 * 1.2  # two seconds at each bound
        assert cells.count(cells.within(spans)) == pytest.approx(exact, rel=0.05)


def test_quantiles_over_time(cells: Cells, context: Context) -> None:
    grid = Grid.of(60 * SECOND, 5 * SECOND)

    def of(frame: Rows | Cells) -> tuple[Mask, np.ndarray]:
        mask = frame.to_end(End(app="productpage"))
        return mask, frame.quantiles(mask, grid, 0.5, inside=True)

    assert isinstance(context.frame, Rows)
    np.testing.assert_allclose(of(cells)[1], of(context.frame)[1], rtol=0.03)
    assert cells.per_bin(of(cells)[0], grid).sum() == context.frame.per_bin(of(context.frame)[0], grid).sum()


def test_a_way_outside_is_taken_off(cells: Cells) -> None:
    mask = cells.of_traffic("shoppers")
    assert cells.sample(mask).mean() - cells.sample(mask, inside=True).mean() == pytest.approx(10 * MILLISECOND)


def test_all_rows_are_better_than_counts(run: Run) -> None:
    assert isinstance(counted(run), Rows)


def test_pods_are_not_counted_apart() -> None:
    assert is_counted(None, End(app="reviews", version="v1"), End(service="reviews"))
    assert not is_counted(End(pod="reviews-1"), None)
