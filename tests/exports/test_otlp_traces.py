"""Requests as traces: one client span a request, one server span an attempt, children below who made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.exports.otlp_traces import EPOCH, trace_requests, traces_json
from meshsim.imports.linking import link
from meshsim.imports.otlp import read_otlp
from meshsim.imports.spans import SpanKind, parse_json
from meshsim.recording import Run

FILE = Path("it.json")
SCENARIO = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: chain
duration: 2s
workloads:
  - match: {app: front}
    serve: {time: 2ms}
    calls: [{to: "stock:80", path: "/items?all=1", optional: true}]
  - match: {app: stock}
    serve: {time: 1ms, errors: {rate: 40%, status: 503}}
traffic:
  - {name: ask, from: {match: {app: client}}, request: {host: "front.shop:80", path: /page}, rate: 40/s}
resources:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stock, namespace: shop}
    spec: {hosts: [stock], http: [{retries: {attempts: 2, retryOn: 5xx}, route: [{destination: {host: stock}}]}]}
"""
POD = """\
  - apiVersion: v1
    kind: Service
    metadata: {{name: {app}, namespace: {namespace}}}
    spec: {{selector: {{app: {app}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: {app}, namespace: {namespace}}}
    spec:
      selector: {{matchLabels: {{app: {app}}}}}
      template:
        metadata: {{labels: {{app: {app}}}}}
        spec: {{containers: [{{name: {app}, image: "example/{app}:1", ports: [{{containerPort: 8080}}]}}]}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which a service calls another, which often fails and is then asked again."""
    from meshsim.experiment import RunSettings
    from meshsim.front.running import RunRequest, run_file

    folder = tmp_path_factory.mktemp("chain")
    file = folder / "chain.yaml"
    pods = (("front", "shop"), ("stock", "shop"), ("client", "default"))
    file.write_text(SCENARIO + "".join(POD.format(app=app, namespace=namespace) for app, namespace in pods))
    outcome = run_file(file, RunRequest(settings=RunSettings(mode="plain"), results=folder / "results"))
    assert outcome.run is not None, outcome.error
    return outcome.run


def test_every_attempt_and_request_is_a_span(run: Run) -> None:
    spans = read_otlp(trace_requests(run), FILE)
    rows = run.requests().to_pylist()
    clients = [span for span in spans if span.kind is SpanKind.CLIENT]
    servers = [span for span in spans if span.kind is SpanKind.SERVER]
    assert len(clients) == sum(row["last"] for row in rows)
    assert len(servers) == sum(row["done"] >= 0 for row in rows)
    assert len(servers) > len(clients)  # retries
    assert len({span.id for span in spans}) == len(spans)
    assert sorted(span.end - span.start for span in clients) == sorted(
        row["request_end"] - row["start"] for row in rows if row["last"]
    )
    assert min(span.start for span in spans) >= EPOCH


def test_calls_stand_below_who_made_them(run: Run) -> None:
    spans = read_otlp(parse_json(traces_json(run), FILE), FILE)
    by_id = {span.id: span for span in spans}
    below = [span for span in spans if span.kind is SpanKind.CLIENT and span.parent]
    assert len(below) == sum(row["parent"] >= 0 and row["last"] for row in run.requests().to_pylist())
    assert {(by_id[span.parent].kind, by_id[span.parent].operation) for span in below} == {
        (SpanKind.SERVER, "GET /page")
    }
    assert all(by_id[span.parent].service == span.service == "front" for span in below)


def test_names_and_outcomes(run: Run) -> None:
    linked = link(read_otlp(trace_requests(run), FILE))
    assert {(item.key.service, item.key.operation, item.status) for item in linked.handled} == {
        ("front", "GET /page", 200),
        ("stock", "GET /items", 200),
        ("stock", "GET /items", 503),
    }
    assert {item.sender for item in linked.handled if item.root} == {"client"}
    assert {name: len(pods) for name, pods in linked.instances.items()} == {"client": 1, "front": 1, "stock": 1}
