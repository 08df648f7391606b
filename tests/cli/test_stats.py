"""`meshsim stats` on a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def recording(small: Path) -> Path:
    return small.parent / "results" / "small"


def test_what_istio_keeps_and_all_there_is(meshsim: Callable, recording: Path) -> None:
    done = meshsim("stats", "front", recording)
    assert (done.code, done.out) == (0, "")
    assert "proxyStatsMatcher" in done.err
    done = meshsim("stats", "front", recording, "--all", "--filter", r"upstream_rq_(200|retry)$")
    assert done.code == 0
    names = [line.partition(": ")[0] for line in done.out.splitlines()]
    assert "cluster.outbound|80||stock.shop.svc.cluster.local;.upstream_rq_200" in names
    assert names == sorted(names)
    assert all(line.partition(": ")[2].isdigit() for line in done.out.splitlines())


def test_prometheus_text(meshsim: Callable, recording: Path) -> None:
    page = meshsim("stats", "front", recording, "-o", "prometheus").out
    assert page.startswith("# TYPE istio_requests_total counter\nistio_requests_total{reporter=")
    assert "envoy_cluster" not in page
    page = meshsim("stats", "front", recording, "-o", "prometheus", "--all", "--filter", "upstream_rq_total").out
    assert page.startswith("# TYPE envoy_cluster_upstream_rq_total counter\n")


def test_mistakes_are_told(meshsim: Callable, recording: Path) -> None:
    done = meshsim("stats", "front", recording, "--filter", "(")
    assert done.code == 2
    assert "'(' is not a regular expression" in done.err
    assert meshsim("stats", "frnt", recording).code == 2
