"""Requests as columns: selections mean what they say."""

from __future__ import annotations

import pytest

from meshsim.checks.context import Context
from meshsim.checks.frame import Grid
from meshsim.checks.rows import Rows
from meshsim.scenario import End, Span
from meshsim.units import SECOND


def test_client_requests_are_those_of_no_handler(context: Context) -> None:
    frame = context.frame
    assert int(frame.of_traffic("shoppers").sum()) == 6000
    assert int(frame.of_traffic("nobody").sum()) == 0


def test_ends_are_matched_by_every_key_given(context: Context) -> None:
    frame = context.frame
    assert int(frame.to_end(End(app="reviews")).sum()) == 6000
    canary = int(frame.to_end(End(app="reviews", version="v2")).sum())
    assert canary == int(frame.to_end(End(pod="reviews-v2-1")).sum())
    assert 300 < canary < 500
    assert int(frame.to_end(End(service="reviews")).sum()) == 6000
    assert int(frame.to_end(End(service="reviews.books.svc.cluster.local")).sum()) == 6000
    assert int(frame.to_end(End(app="reviews", namespace="elsewhere")).sum()) == 0
    assert int(frame.from_end(End(app="productpage")).sum()) == 12_000


def test_windows_are_half_open(context: Context) -> None:
    frame = context.frame
    whole = int(frame.within([Span(0, 60 * SECOND)]).sum())
    parts = int(frame.within([Span(0, 30 * SECOND)]).sum()) + int(frame.within([Span(30 * SECOND, 60 * SECOND)]).sum())
    late = int((frame.start >= 60 * SECOND).sum())
    assert whole == parts == len(frame) - late


def test_status_classes_and_flags(context: Context) -> None:
    frame = context.frame
    failed = int((~frame.good).sum())
    assert failed == int(frame.with_status(["5xx"]).sum()) == int(frame.with_status(["504"]).sum())
    assert failed == int(frame.with_flags(["UT", "UO"]).sum())
    assert int(frame.with_status(["200", "5xx"]).sum()) == len(frame)


def test_a_gateway_is_reached_by_what_clients_send_through_it(context: Context) -> None:
    frame = context.frame
    gateway = End(app="istio-ingressgateway")
    assert frame.count(frame.entered) == 6000
    assert (frame.to_end(gateway) == frame.of_traffic("shoppers")).all()
    assert (frame.from_end(gateway) == frame.of_traffic("shoppers")).all()
    assert frame.is_gateway(gateway)
    assert not frame.is_gateway(End(app="productpage"))


def test_a_run_is_cut_into_bins_that_cover_it() -> None:
    assert Grid.of(61 * SECOND, 10 * SECOND) == (10 * SECOND, 7)
    assert Grid.of(0, SECOND).bins == 1


def test_seconds_count_every_request(context: Context) -> None:
    assert int(context.frame.by_second(context.frame.all()).sum()) == len(context.frame)


def test_groups_are_the_rows_of_each_combination(context: Context) -> None:
    frame = context.frame
    rows = frame.from_client
    groups = frame.groups("source", "destination", rows=rows)
    assert list(groups) == frame.combinations("source", "destination", rows=rows)
    for (source, destination), part in groups.items():
        mask = rows & frame.names("source").where([source]) & frame.names("destination").where([destination])
        assert part.tolist() == mask.nonzero()[0].tolist()
        assert frame.count(part) == frame.count(mask) == len(part)


def test_without_rows_there_are_no_groups(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = context.run.requests().slice(0, 0)
    monkeypatch.setattr(context.run, "requests", nothing.select)
    frame = Rows(context.run)
    assert frame.groups("source", "destination", rows=frame.all()) == {}
    assert context.frame.groups("source", rows=~context.frame.all()) == {}


def test_combinations_are_counted(context: Context) -> None:
    frame = context.frame
    counts = frame.combined_counts("source", "destination")
    assert list(counts) == frame.combinations("source", "destination")
    assert sum(counts.values()) == frame.count(frame.all())
    for (source, destination), count in counts.items():
        mask = frame.names("source").where([source]) & frame.names("destination").where([destination])
        assert count == frame.count(mask)
