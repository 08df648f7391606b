"""Requests in groups, as the proxies on both sides report them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from meshsim.metrics.istio import istio_samples
from meshsim.metrics.requests import Side, request_groups
from meshsim.recording import Run
from meshsim.units import SECOND

from .conftest import STORES, pod, record, record_alone
from .test_envoy import stats

SLOW = """\
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stock, namespace: shop}
    spec:
      hosts: [stock]
      http: [{timeout: 4ms, retries: {attempts: 0}, route: [{destination: {host: stock}}]}]
"""


def test_both_sides_see_the_same_requests(run: Run) -> None:
    rows = run.requests().to_pylist()
    source = list(request_groups(run, Side.SOURCE, run.duration + 1))
    assert sum(group.requests for group in source) == sum(row["last"] for row in rows)
    destination = list(request_groups(run, Side.DESTINATION, run.duration + 1))
    assert sum(group.requests for group in destination) == sum(row["arrived"] >= 0 and row["pod"] != "" for row in rows)
    assert {group.status for group in destination} == {200}


def test_steps_add_up_and_an_instant_cuts(run: Run) -> None:
    steps = list(request_groups(run, Side.SOURCE, run.duration + 1, SECOND))
    assert {group.second for group in steps} == {1, 2, 3, 4, 5}
    until = [group for group in steps if group.second <= 3]
    early = list(request_groups(run, Side.SOURCE, 3 * SECOND))
    assert sum(group.requests for group in until) == sum(group.requests for group in early)
    pairs = list(request_groups(run, Side.SOURCE, run.duration + 1, 2 * SECOND))
    assert {group.second for group in pairs} == {2, 4, 6}


def test_a_server_does_not_answer_who_has_gone(tmp_path: Path) -> None:
    run = record(tmp_path, SLOW)
    stock = pod(run, "stock").pod
    callers: Counter[tuple[int, str, bool]] = Counter()
    for group in request_groups(run, Side.SOURCE, run.duration + 1):
        if group.pod == stock and group.source_namespace == "shop":
            callers[group.status, group.flags, group.heard] += group.requests
    assert set(callers) == {(504, "UT", False)}
    servers: Counter[tuple[int, str]] = Counter()
    for group in request_groups(run, Side.DESTINATION, run.duration + 1):
        if group.pod == stock and group.source_namespace == "shop":
            servers[group.status, group.flags] += group.requests
    assert set(servers) == {(0, "DC")}
    # The few that had not arrived when their caller gave up are not known.
    assert 0.9 * sum(callers.values()) < sum(servers.values()) <= sum(callers.values())


def test_servers_report_nothing_when_nothing_arrives(tmp_path: Path) -> None:
    traffic = (
        '  - {name: nobody, from: {match: {app: front}}, request: {host: "empty.shop:5433", path: /}, rate: 5/s}\n'
    )
    run = record_alone(tmp_path, traffic, STORES)
    assert sum(group.requests for group in request_groups(run, Side.SOURCE, run.duration + 1)) > 0
    assert not list(request_groups(run, Side.DESTINATION, run.duration + 1))
    samples = list(istio_samples(run))
    assert {(dict(s.labels)["reporter"], dict(s.labels)["response_flags"]) for s in samples} == {("source", "UH")}
    assert not any(name.startswith(("http.", "tcp.")) for name in stats(run, "stock"))
