"""Imported workloads against what they were imported from: a mesh that is known, real traces, topologies and series."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from meshsim.experiment import RunSettings
from meshsim.exports.otlp_traces import traces_json
from meshsim.front.running import RunRequest, run_file
from meshsim.imports.arrivals import Asked, scenario_of_series
from meshsim.imports.estimating import Estimate, EstimatedOperation, estimate
from meshsim.imports.imported import write_imported
from meshsim.imports.isotope import Load, import_isotope
from meshsim.imports.linking import Linked, OperationKey, link
from meshsim.imports.rate_series import read_rate_series
from meshsim.imports.times import quantile
from meshsim.imports.trace_files import read_traces
from meshsim.imports.traces import Choices, scenario_of
from meshsim.recording import Run
from meshsim.scenario import load_scenario
from meshsim.units import MILLISECOND, MINUTE, SECOND

ROOT = Path(__file__).resolve().parents[2]
Z = 3.9
"""Standard errors of an interval that one test in ten thousand misses."""

KNOWN = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: known
duration: 60s
workloads:
  - match: {app: front}
    operations:
      - path: /page
        time: "lognormal(4ms, 1.5)"
        errors: {rate: 2%, status: 503}
        calls:
          - {to: "auth:8080", path: /check}
          - parallel:
              - {to: "stock:8080", path: /items}
              - {to: "ratings:8080", path: /stars, probability: 60%, optional: true}
          - {to: "stock:8080", path: /count, method: POST, probability: 30%}
      - path: /health
        time: 1ms
  - match: {app: auth}
    serve: {time: "exponential(2ms)"}
  - match: {app: stock}
    operations:
      - {path: /items, time: "uniform(3ms, 9ms)"}
      - {path: /count, method: POST, time: "gamma(5ms, 3)", calls: [{to: "auth:8080", path: /check}]}
  - match: {app: ratings}
    serve: {time: "lognormal(2ms, 2)", errors: {rate: 20%, status: 500}}
traffic:
  - {name: pages, from: {match: {app: client}}, request: {host: "front.shop:8080", path: /page}, rate: 100/s}
  - {name: health, from: {match: {app: client}}, request: {host: "front.shop:8080", path: /health}, rate: 10/s}
resources:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
"""
PODS = """\
  - apiVersion: v1
    kind: Service
    metadata: {{name: {app}, namespace: {namespace}}}
    spec: {{selector: {{app: {app}}}, ports: [{{name: http, port: 8080}}]}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: {app}, namespace: {namespace}}}
    spec:
      replicas: {replicas}
      selector: {{matchLabels: {{app: {app}}}}}
      template:
        metadata: {{labels: {{app: {app}}}}}
        spec: {{containers: [{{name: {app}, image: "example/{app}:1", ports: [{{containerPort: 8080}}]}}]}}
"""
APPS = (
    ("front", "shop", 2),
    ("auth", "shop", 1),
    ("stock", "shop", 3),
    ("ratings", "shop", 1),
    ("client", "default", 1),
)


def run_of(file: Path) -> Run:
    """The recording of a scenario's run."""
    outcome = run_file(file, RunRequest(settings=RunSettings(), results=file.parent / "results"))
    assert outcome.run is not None, outcome.error
    return outcome.run


def traced(run: Run, folder: Path) -> Linked:
    """The requests of a recording, by way of its exported traces."""
    file = folder / "traces.json"
    file.write_text(traces_json(run), encoding="utf-8")
    return link(read_traces([file]))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Linked:
    folder = tmp_path_factory.mktemp("known")
    file = folder / "known.yaml"
    pods = "".join(PODS.format(app=app, namespace=namespace, replicas=count) for app, namespace, count in APPS)
    file.write_text(KNOWN + pods)
    return traced(run_of(file), folder)


@pytest.fixture(scope="module")
def estimated(known: Linked) -> Estimate:
    return estimate(known)


def operation(found: Estimate, service: str, name: str) -> EstimatedOperation:
    (one,) = [item for item in found.operations if item.key == OperationKey(service, name)]
    return one


def page_kinds(found: Estimate) -> list[EstimatedOperation]:
    return [item for item in found.operations if item.key == OperationKey("front", "GET /page")]


# -- a mesh that is known -------------------------------------------------------------------------------------------


def test_the_graph_comes_back(estimated: Estimate) -> None:
    edges = {(item.key, call.callee) for item in estimated.operations for step in item.steps for call in step}
    front, auth = OperationKey("front", "GET /page"), OperationKey("auth", "GET /check")
    items, count = OperationKey("stock", "GET /items"), OperationKey("stock", "POST /count")
    stars = OperationKey("ratings", "GET /stars")
    assert edges == {(front, auth), (front, items), (front, stars), (front, count), (count, auth)}
    assert {name: len(pods) for name, pods in estimated.linked.instances.items()} == {
        app: count for app, _, count in APPS
    }


def test_order_and_parallel_steps_come_back(estimated: Estimate) -> None:
    fullest = max(page_kinds(estimated), key=lambda item: sum(len(step) for step in item.steps))
    assert [sorted(call.callee.service for call in step) for step in fullest.steps] == [
        ["auth"],
        ["ratings", "stock"],
        ["stock"],
    ]


@pytest.mark.parametrize(("callee", "chance"), [("GET /stars", 0.6), ("POST /count", 0.3), ("GET /items", 1.0)])
def test_chances_come_back(estimated: Estimate, callee: str, chance: float) -> None:
    """Of the requests that did not fail of themselves, over all kinds of them."""
    calls = [call for item in page_kinds(estimated) for step in item.steps for call in step]
    made = sum(call.made for call in calls if call.callee.operation == callee)
    reached = sum(call.made for call in calls if call.callee.operation == "GET /check")
    assert abs(made - chance * reached) <= Z * math.sqrt(reached * chance * (1 - chance))


def test_errors_and_what_they_do_come_back(estimated: Estimate) -> None:
    pages = page_kinds(estimated)
    count, failed = sum(item.count for item in pages), sum(item.failures for item in pages)
    assert abs(failed - 0.02 * count) <= Z * math.sqrt(count * 0.02 * 0.98)
    assert {item.status for item in pages if item.failures} == {503}
    ratings = operation(estimated, "ratings", "GET /stars")
    assert abs(ratings.failures - 0.2 * ratings.count) <= Z * math.sqrt(ratings.count * 0.2 * 0.8)
    calls = [call for item in pages for step in item.steps for call in step if call.callee.service == "ratings"]
    assert all(call.optional for call in calls if call.failures)


MEDIANS = {
    ("auth", "GET /check"): 2 * math.log(2),
    ("stock", "GET /items"): 6.0,
    ("stock", "POST /count"): 4.456861,  # gamma of shape 3 and mean 5: 2.67406 / 3 * 5
    ("ratings", "GET /stars"): 2.0,
}


@pytest.mark.parametrize(("service", "name"), MEDIANS)
def test_own_times_come_back(estimated: Estimate, service: str, name: str) -> None:
    """As many times lie below the true median as half of them may."""
    found = operation(estimated, service, name)
    below = sum(time < MEDIANS[service, name] * MILLISECOND for time in found.times)
    assert abs(below - found.count / 2) <= Z * math.sqrt(found.count) / 2
    assert found.waits < 0.01 * found.count


def test_own_times_of_who_calls_come_back(estimated: Estimate) -> None:
    """Without the calls, two of which are side by side: lognormal with the median 4 ms and the deviation 1.5."""
    times = sorted(time for item in page_kinds(estimated) for time in item.times)
    for limit, share in ((4.0, 0.5), (4.0 * 1.5, 0.841345), (4.0 / 1.5, 0.158655)):
        below = sum(time < limit * MILLISECOND for time in times)
        assert abs(below - share * len(times)) <= Z * math.sqrt(len(times) * share * (1 - share)), limit


def test_rates_come_back(estimated: Estimate, tmp_path: Path) -> None:
    made = scenario_of(estimated, Choices("again", MINUTE))
    traffic = load_scenario(write_imported(made, tmp_path, overwrite=True)[0]).scenario.traffic
    rates: Counter[str] = Counter()
    for item in traffic:
        rates[item.request.path.split("/")[1]] += item.rate or 0
    for path, rate in (("page", 100), ("health", 10)):
        assert abs(rates[path] - rate) <= Z * math.sqrt(rate / 60), path


def test_the_imported_mesh_behaves_alike(known: Linked, estimated: Estimate, tmp_path: Path) -> None:
    """Once more around: rates within chance, latencies of every operation within a tenth."""
    made = scenario_of(estimated, Choices("again", MINUTE))
    again = traced(run_of(write_imported(made, tmp_path, overwrite=True)[0]), tmp_path)
    before, after = latencies(known), latencies(again)
    assert before.keys() == after.keys()
    for service, times in before.items():
        difference = len(times) - len(after[service])
        assert abs(difference) <= Z * math.sqrt(len(times) + len(after[service])), service
        for share in (0.5, 0.9):
            assert quantile(after[service], share) == pytest.approx(quantile(times, share), rel=0.1), (service, share)


def latencies(linked: Linked) -> dict[str, list[int]]:
    """Sorted durations of the requests of each service."""
    found: dict[str, list[int]] = {}
    for item in linked.handled:
        found.setdefault(item.key.service, []).append(item.end - item.start)
    return {service: sorted(times) for service, times in found.items()}


# -- real traces ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_traces", ROOT / "tools" / "compare_traces.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("nezha-traces/online-boutique_2022-08-23_17_00_trace.csv.gz", 7),
        ("nezha-traces/train-ticket_2023-01-29_08_50_trace.csv.gz", 6),
        ("nezha-traces/train-ticket_2023-01-30_11_39_trace.csv.gz", 10),
    ],
)
def test_real_traces_behave_alike(name: str, services: int, tool: ModuleType, shared: Path, tmp_path: Path) -> None:
    """Every service with 40 spans or more: its rate within chance, its callers' median within a half again as much."""
    measured, again = tool.simulated([shared / "data" / name], tmp_path)
    before, after = tool.seen(measured), tool.seen(again, ("clients",))
    often = [service for service, seen in before.items() if len(seen.latencies) >= 40]
    assert len(often) >= services
    for service in often:
        counts = len(before[service].latencies), len(after[service].latencies)
        # Requests of one trace come together, so the number of traces decides how sure a rate is.
        sure = min(counts) * min(1.0, measured.traces / len(before[service].latencies))
        relative = abs(after[service].rate / before[service].rate - 1)
        assert relative <= Z * math.sqrt(2 / sure), service
        ratio = quantile(after[service].latencies, 0.5) / quantile(before[service].latencies, 0.5)
        assert 1 / 1.6 <= ratio <= 1.6, (service, ratio)


# -- topologies and series --------------------------------------------------------------------------------------------


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    "name",
    ["canonical", "chain-2-services-different-cluster", "chain-3-services", "10-svc_100-end", "tree-13-services"],
)
def test_topologies_are_called_as_their_scripts_say(name: str, shared: Path, tmp_path: Path) -> None:
    made = import_isotope(shared / "data" / "isotope-topologies" / f"{name}.yaml", Load(20.0, 5 * SECOND))
    file = write_imported(made, tmp_path, overwrite=True)[0]
    calls = {
        item.match["name"]: Counter(call.host.partition(".")[0] for group in item.call_groups for call in group)
        for item in load_scenario(file).scenario.workloads
    }
    rows = [row for row in run_of(file).requests().to_pylist() if row["request_end"] < 4.5 * SECOND]
    assert {row["status"] for row in rows} == {200}
    whole = {row["root"] for row in rows if row["parent"] < 0}
    assert len(whole) > 60
    rows = [row for row in rows if row["root"] in whole]
    edges = Counter((row["source"], row["destination"]) for row in rows if row["parent"] >= 0)
    reached = Counter(row["destination"] for row in rows)
    assert edges == {
        (service, callee): reached[service] * times
        for service, callees in calls.items()
        for callee, times in callees.items()
    }


@pytest.mark.needs_shared
def test_a_series_is_followed(shared: Path, tmp_path: Path) -> None:
    """Requests of each second against the rates of TeaStore's profile, by the chi-square of Poisson counts."""
    series = read_rate_series(shared / "data" / "teastore" / "increasingLowIntensity.csv", None, SECOND)
    made = scenario_of_series("teastore", "increasingLowIntensity.csv", series, Asked("webui:8080"))
    run = run_of(write_imported(made, tmp_path, overwrite=True)[0])
    counts = Counter(row["start"] // SECOND for row in run.requests(["start"]).to_pylist())
    statistic = sum((counts[second] - rate) ** 2 / rate for second, rate in enumerate(series.rates))
    freedom = len(series.rates)
    assert abs(statistic - freedom) <= Z * math.sqrt(2 * freedom)
