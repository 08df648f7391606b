"""Runs as plain values."""

from __future__ import annotations

from collections import Counter

from meshsim.api import Fields
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.dynamics_recording import played_run, recorded_run
from meshsim.world.verify.dynamics_replay import play


def test_lists_and_rows_read_alike() -> None:
    request = {"i": 0, "status": 503, "flags": "URX,UF", "attempts": 2, "duration_ms": 3, "details": "x"}
    reached = {"req": 0, "host": 1}
    written = recorded_run(Fields({"requests": [request], "attempts": [reached]}))
    rows = {"request_columns": list(request), "requests": [list(request.values())]}
    columns = {"attempt_columns": list(reached), "attempts": [list(reached.values())]}
    assert recorded_run(Fields({**rows, **columns})) == written
    assert written.outcomes == Counter({"503 UF,URX": 1})
    assert written.reached == {0: [1]}


def test_counts_alone() -> None:
    body = {
        "counts": {"200 -": 3, "503 UF,URX": 1},
        "answers_by_host": {"1": 3, "None": 1},
        "attempts_histogram": {"2": 4},
        "shadow_requests": {"0": 2, "1": 3},
        "gaps_ms": {"1": [0.5]},
        "stats": {"cluster c": {"upstream_rq_total": 9}, "http": {}},
    }
    run = recorded_run(Fields(body))
    assert (run.outcomes, run.by_host, run.tries) == ({"200 -": 3, "503 UF,URX": 1}, {1: 3}, {2: 4})
    assert (run.shadows, run.gaps, run.stats) == (5, {1: [0.5]}, {"c": {"upstream_rq_total": 9}})


def test_a_replay_reads_like_a_recording() -> None:
    step = {"upstream": [{"status": 503}, {"rst_stream": 8}]}
    retry = {"retry_policy": {"retry_on": "5xx", "num_retries": 1}}
    run = played_run(play(make_experiment([step], route=retry), 1))
    (answer,) = run.answers
    assert (answer.status, answer.flags, answer.attempts, answer.host) == (503, ("UR", "URX"), 2, -1)
    assert answer.details.startswith("upstream_reset_before_response_started{remote_reset")
    assert run.reached == {0: [0, 0]}
    assert run.stats["c"]["upstream_rq_retry"] == 1
    assert list(run.gaps) == [1]


def test_failures_reach_grpc_clients_as_answers() -> None:
    step = {"headers": {"content-type": "application/grpc"}, "upstream": [{"rst_stream": 8}]}
    run = played_run(play(make_experiment([step]), 1))
    assert [(answer.status, answer.flags) for answer in run.answers] == [(200, ("UR",))]
