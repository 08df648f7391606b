"""Verdicts on a run whose shares, latencies and faults are known."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshsim.checks import Outcome, Verdict, judge
from meshsim.recording import Run, open_run
from meshsim.scenario import load_text
from meshsim.testing.recordings import SCENARIO, Bookshop
from meshsim.units import MILLISECOND, SECOND

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


@pytest.fixture(scope="module")
def sample(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run with one request in a hundred recorded one by one, all of them counted."""
    folder = tmp_path_factory.mktemp("sample") / "run"
    shutil.copytree(run.folder, folder)
    requests = run.requests()
    kept = pa.array(np.asarray(requests["root"].to_numpy() % 400 == 0))
    pq.write_table(requests.filter(kept), folder / "requests.parquet")
    replace(run.manifest, sampling=0.01).write(folder)
    return open_run(folder)


def _judged_on(run: Run, expectation: str) -> Verdict:
    return judge(run, load_text(f"{SCENARIO}  - {{name: it, {expectation}}}\n", "bookshop.yaml"))[0]


@pytest.mark.parametrize(
    "expectation",
    [
        "success_rate: {of: shoppers, min: 99%}",
        "success_rate: {of: shoppers, min: 99.9%}",
        "share: {of: {app: reviews, version: v2}, among: reviews, during: [shift, end], near: 10%}",
        "share: {of: {app: reviews, version: v2}, among: reviews, during: [shift, end], near: 14%}",
        "latency: {to: reviews, p99: {max: 100ms}, except: slow}",
        "latency: {to: reviews, p99: {max: 100ms}}",
        "latency: {of: shoppers, p50: {max: 36ms}}",
        "latency: {to: productpage, p50: {max: 36ms}}",
        "requests: {to: reviews, min: 6000, max: 6000}",
        "requests: {to: reviews, flags: UT, max: 0}",
        "requests: {to: {app: reviews, version: v2}, during: [start, 15s], max: 0}",
    ],
)
def test_a_sampled_run_is_judged_on_all_its_requests(run: Run, sample: Run, expectation: str) -> None:
    exact, found = _judged_on(run, expectation), _judged_on(sample, expectation)
    assert found.outcome is exact.outcome
    assert found.samples == pytest.approx(exact.samples, rel=0.03)
    assert found.value == pytest.approx(exact.value, rel=0.05)


def test_causes_of_a_sampled_run_say_what_they_rest_on(sample: Run) -> None:
    verdict = _judged_on(sample, "latency: {to: reviews, p99: {max: 100ms}}")
    assert verdict.causes[0] == "among the 1 % of the requests that were recorded:"
    assert "worst window" in verdict.causes[1]
    rare = _judged_on(sample, "requests: {to: reviews, flags: UT, max: 0}")
    assert "record more of them" in rare.causes[0]


def test_pods_are_told_apart_by_the_sample_only(sample: Run) -> None:
    verdict = _judged_on(sample, "success_rate: {to: {pod: reviews-v1-1}, min: 50%}")
    assert verdict.samples < 100
    assert "judged on the 1 % of the requests" in verdict.warnings[0]
    counted = _judged_on(sample, "requests: {to: {pod: reviews-v1-1}, max: 1000000}")
    assert (counted.outcome, counted.observed) == (Outcome.NOT_JUDGED, "only 1 % of the requests were recorded")
    assert _judged_on(sample, "requests: {to: {pod: reviews-v1-1}, max: 1}").outcome is Outcome.NOT_MET


def test_a_number_is_told_as_far_as_the_series_knows_it(sample: Run) -> None:
    verdict = _judged_on(sample, "requests: {to: reviews, during: [10s, 20s], min: 500}")
    low, high = (int(text.replace(",", "")) for text in verdict.observed.split(" to "))
    assert 800 < low < 1000 < high < 1200
    assert (verdict.outcome, verdict.value) == (Outcome.MET, low)


def test_a_number_that_the_series_leaves_open_is_not_judged(sample: Run) -> None:
    verdict = _judged_on(sample, "requests: {to: reviews, during: [10s, 12s], max: 200}")
    assert verdict.outcome is Outcome.NOT_JUDGED
    assert "which the series does not tell" in verdict.observed


def test_the_way_of_clients_outside_is_theirs_alone(judged) -> None:
    """Clients are 5 ms from their gateway: what they wait for is 10 ms more than what the gateway waits for."""
    outside = judged("latency: {of: shoppers, p50: {max: 1s}}").value
    assert judged("latency: {to: istio-ingressgateway, p50: {max: 1s}}").value == outside
    assert judged("latency: {to: productpage, p50: {max: 1s}}").value == outside - 10 * MILLISECOND


def test_the_configuration_behind_a_failure_is_named(judged) -> None:
    rule = (
        "  - {apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r, namespace: books},\n"
        "     spec: {host: reviews, trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}}}\n"
    )
    text = SCENARIO.replace("traffic:\n", f"{rule}traffic:\n")
    verdict = judged("success_rate: {of: shoppers, min: 99.9%}", scenario=text)
    (line,) = [cause for cause in verdict.causes if cause.startswith("config in force: ")]
    assert line.endswith(" DestinationRule books/r (connectionPool)")
    assert line.split()[3].startswith("bookshop.yaml:")
