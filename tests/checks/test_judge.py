"""Verdicts on a run whose shares, latencies and faults are known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from meshsim.checks import Outcome, Verdict, judge
from meshsim.recording import Run, open_run
from meshsim.scenario import load_text
from meshsim.testing.recordings import SCENARIO, Bookshop
from meshsim.units import SECOND

LINE = SCENARIO.count("\n") + 1


@pytest.mark.parametrize(
    ("expectation", "outcome"),
    [
        ("success_rate: {of: shoppers, min: 99%}", Outcome.MET),
        ("success_rate: {of: shoppers, min: 99.9%}", Outcome.NOT_MET),
        ("success_rate: {of: shoppers, min: 100%, except: slow}", Outcome.MET),
        ("success_rate: {to: details, min: 100%}", Outcome.MET),
        ("success_rate: {of: shoppers, max: 95%, during: slow}", Outcome.MET),
        ("share: {of: {app: reviews, version: v2}, among: reviews, during: [shift, end], near: 10%}", Outcome.MET),
        ("share: {of: {app: reviews, version: v2}, among: reviews, during: [shift, end], near: 14%}", Outcome.NOT_MET),
        ("share: {of: {app: reviews, version: v2}, among: reviews, during: [start, shift], max: 0%}", Outcome.MET),
        ("latency: {to: reviews, p99: {max: 100ms}, except: slow}", Outcome.MET),
        ("latency: {to: reviews, p99: {max: 100ms}}", Outcome.NOT_MET),
        ("latency: {to: reviews, p50: {min: 10ms, max: 14ms}}", Outcome.MET),
        ("requests: {to: {app: reviews, version: v2}, during: [start, shift], max: 0}", Outcome.MET),
        ("requests: {to: reviews, status: 5xx, max: 0}", Outcome.NOT_MET),
        ("requests: {to: reviews, status: [504], flags: UT, min: 1, during: slow}", Outcome.MET),
        ("requests: {of: shoppers, min: 6000, max: 6000}", Outcome.MET),
        ("propagation: {of: shift, p99: {max: 1s}}", Outcome.MET),
        ("propagation: {last: {max: 500ms}}", Outcome.NOT_MET),
        ("nacks: {max: 0}", Outcome.MET),
    ],
)
def test_verdicts(judged, expectation: str, outcome: Outcome) -> None:
    verdict: Verdict = judged(expectation)
    assert verdict.outcome is outcome, verdict
    assert verdict.position is not None
    assert (verdict.position.file, verdict.position.line) == ("bookshop.yaml", LINE)


def test_a_failure_says_when_where_and_why(judged) -> None:
    verdict = judged("success_rate: {of: shoppers, min: 99.9%}")
    text = "\n".join(verdict.causes)
    assert "worst window 40s-45s" in text
    assert "where: productpage -> reviews" in text
    assert "flags UT 100 %" in text
    assert "timeline 'slow'" in text
    assert "meshsim run bookshop.yaml --seed 1 --until 50s" in text


def test_a_slow_answer_is_traced_to_the_service_that_was_slow_itself(judged) -> None:
    verdict = judged("latency: {of: shoppers, p99: {max: 300ms}}")
    assert any("where: productpage -> reviews" in cause for cause in verdict.causes)


def test_a_rejected_update_counts_and_never_arrives(judged) -> None:
    shop = Bookshop(nacks=1)
    assert judged("nacks: {max: 0}", shop).observed == "1"


def test_a_proxy_that_rejected_is_late_for_ever(judged) -> None:
    verdict = judged("propagation: {of: shift, last: {max: 10s}}", Bookshop(nacks=1))
    assert (verdict.outcome, verdict.observed, verdict.value) == (Outcome.NOT_MET, "never", None)


def test_nothing_to_judge_is_not_met(judged) -> None:
    verdict = judged("success_rate: {from: details, min: 1%}")
    assert (verdict.outcome, verdict.observed, verdict.samples) == (Outcome.NOT_MET, "no requests", 0)


def test_what_a_cut_run_did_not_reach_is_not_judged(judged) -> None:
    verdict = judged("success_rate: {of: shoppers, min: 99%, during: slow}", Bookshop(duration=30 * SECOND))
    assert verdict.outcome is Outcome.NOT_JUDGED


def test_counts_are_not_judged_on_a_sample(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    shutil.copytree(run.folder, folder)
    replace(run.manifest, sampling=0.1).write(folder)
    expectations = (
        "  - {name: a, requests: {to: reviews, flags: UT, max: 0}}\n"
        "  - {name: b, requests: {to: reviews, max: 1000000}}\n"
        "  - {name: c, success_rate: {of: shoppers, min: 90%}}\n"
    )
    verdicts = judge(open_run(folder), load_text(SCENARIO + expectations, "bookshop.yaml"))
    assert [verdict.outcome for verdict in verdicts] == [Outcome.NOT_MET, Outcome.NOT_JUDGED, Outcome.MET]
    assert verdicts[1].observed == "only 10 % of the requests were recorded"
