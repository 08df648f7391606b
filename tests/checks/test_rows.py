"""Requests recorded one by one: latencies by nearest rank, own time without calls, the way of clients outside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from meshsim.checks.context import Context
from meshsim.checks.frame import Grid
from meshsim.checks.rows import Latencies, Rows
from meshsim.scenario import End
from meshsim.units import MILLISECOND, SECOND

SAMPLE = Latencies(np.arange(1, 2001, dtype=np.int64) * MILLISECOND)


def rows(context: Context) -> Rows:
    assert isinstance(context.frame, Rows)
    return context.frame


def test_percentiles_by_nearest_rank() -> None:
    assert SAMPLE.quantile(0.5) == 1000 * MILLISECOND
    assert SAMPLE.quantile(0.99) == 1980 * MILLISECOND
    assert SAMPLE.mean() == pytest.approx(1000.5 * MILLISECOND)
    assert SAMPLE.mean_interval().half_width == pytest.approx(1.96 * 577.35 / 2000**0.5 * MILLISECOND, rel=1e-3)
    assert Latencies(np.zeros(0, np.int64)).quantile(0.5) == 0


def test_own_time_is_without_calls(context: Context) -> None:
    frame = rows(context)
    page = frame.to_end(End(app="productpage"))
    assert set((frame.own_time[page] // MILLISECOND).tolist()) == {8}
    leaf = frame.to_end(End(app="details"))
    assert (frame.own_time[leaf] == frame.latency[leaf]).all()


def test_the_gateway_does_not_see_the_way_to_its_clients(context: Context) -> None:
    frame = rows(context)
    clients = frame.of_traffic("shoppers")
    assert set((frame.latency - frame.inner)[clients].tolist()) == {10 * MILLISECOND}
    assert set((frame.latency - frame.inner)[~clients].tolist()) == {0}


def test_quantiles_by_bin(context: Context) -> None:
    frame = rows(context)
    mask = frame.to_end(End(app="reviews"))
    values = frame.quantiles(mask, Grid.of(60 * SECOND, SECOND), 0.5)
    inside = mask & (frame.start >= 41 * SECOND) & (frame.start < 42 * SECOND)
    assert values[41] == np.sort(frame.latency[inside])[int(np.ceil(inside.sum() * 0.5)) - 1]


def test_quantiles_of_latencies_that_do_not_fit_into_one_number_with_the_bin(context: Context) -> None:
    """As those of a year in seconds do not with one request of five minutes."""
    frame, grid = Rows(context.run), Grid.of(60 * SECOND, SECOND)
    mask = frame.to_end(End(app="reviews"))
    frame.__dict__["latency"] = frame.latency * (2**61 // int(frame.latency.max()))
    values = frame.quantiles(mask, grid, 0.5)
    for second in range(grid.bins):
        inside = np.sort(frame.latency[mask & (frame.start // SECOND == second)])
        assert values[second] == inside[int(np.ceil(len(inside) * 0.5)) - 1], second


def test_earlier_attempts_and_mirrored_copies_are_no_requests(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, table = rows(context), context.run.requests()
    number = np.arange(len(whole))
    marked = table.drop_columns(["last", "mirror"])
    marked = marked.append_column("last", pa.array(number % 3 > 0)).append_column("mirror", pa.array(number % 5 == 0))
    monkeypatch.setattr(context.run, "requests", lambda columns: marked.select(list(columns)))
    found, kept = Rows(context.run), (number % 3 > 0) & (number % 5 > 0)
    assert len(found) == kept.sum()
    assert (found.latency == whole.latency[kept]).all()
    assert found.names("destination").values(found.all()) == whole.names("destination").values(kept)
    reviews = found.groups("source", "destination", rows=found.all())["productpage", "reviews"]
    assert (reviews == np.flatnonzero(whole.to_end(End(app="reviews"))[kept])).all()
