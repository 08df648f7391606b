"""Requests in groups, as the proxies on both sides report them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from meshsim.metrics.requests import Side, request_groups
from meshsim.recording import Run
from meshsim.units import SECOND

from .conftest import pod, record

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
