"""Traces become scenarios that load: graph, operations, chances, rates, and where each number is from."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InputErrors
from meshsim.imports.estimating import estimate
from meshsim.imports.imported import Imported, write_imported
from meshsim.imports.known_services import known_services
from meshsim.imports.linking import link
from meshsim.imports.spans import Span
from meshsim.imports.trace_files import read_traces
from meshsim.imports.traces import Choices, path_of, scenario_of
from meshsim.scenario import Call, LoadedScenario, load_scenario
from meshsim.units import MILLISECOND, MINUTE

from .builders import CLIENT, CONSUMER, PRODUCER, SERVER, span

CHOICES = Choices("shop", MINUTE)


def page(number: int, *, rated: bool = True) -> list[Span]:
    """A page every half second, which asks the stock, and every other time for ratings."""
    trace, at = f"t{number}", number * 500.0
    spans = [
        span("page", "", "front", at, at + 40, kind=SERVER, trace=trace, operation="GET /page", instance="front-1"),
        span("x", "page", "front", at + 2, at + 12, kind=CLIENT, trace=trace, operation="HTTP GET"),
        span("stock", "x", "Stock_DB", at + 4, at + 10, kind=SERVER, trace=trace, operation="/items/{id}"),
        span("y", "page", "front", at + 14, at + 30, kind=CLIENT, trace=trace, operation="call"),
        span("count", "y", "Stock_DB", at + 17, at + 28, kind=SERVER, trace=trace, operation="shop.Stock/Count"),
    ]
    if not rated:
        del spans[3:]
    spans.append(span("z", "page", "front", at + 31, at + 32, kind=PRODUCER, trace=trace, operation="mail send"))
    spans.append(span("mail", "z", "mail", at + 60, at + 90, kind=CONSUMER, trace=trace, operation="mail process"))
    return spans


def made(spans: list[Span], choices: Choices = CHOICES) -> Imported:
    return scenario_of(estimate(link(spans)), choices)


def loaded(imported: Imported, folder: Path) -> LoadedScenario:
    return load_scenario(write_imported(imported, folder, overwrite=True)[0])


SHOP = [one for number in range(20) for one in page(number, rated=number % 2 == 0)]


def test_the_graph_with_operations_and_chances(tmp_path: Path) -> None:
    scenario = loaded(made(SHOP), tmp_path).scenario
    stock, front, mail = scenario.workloads
    assert [item.match["app"] for item in scenario.workloads] == ["stock-db", "front", "mail"]
    assert [(item.path, item.method) for item in stock.operations] == [
        ("/items/id", "GET"),
        ("/shop.Stock/Count", "POST"),
    ]
    assert [str(item.time) for item in stock.operations] == ["6ms", "11ms"]
    one, both = front.operations
    assert [item.path for item in front.operations] == ["/page/1", "/page/2"]
    assert both.calls is not None
    assert one.calls is not None
    assert [len(item.calls or ()) for item in front.operations] == [1, 2]
    assert (str(both.time), str(one.time)) == ("14ms", "30ms")
    assert (mail.operations, str(mail.serve.time)) == ((), "30ms")


def test_rates_of_clients_and_of_calls_nobody_waits_for(tmp_path: Path) -> None:
    traffic = {item.name: item for item in loaded(made(SHOP), tmp_path).scenario.traffic}
    # 20 roots in 9.5 s: 19 intervals, so 2/s; each kind half of them.
    assert traffic["clients-front"].rate == pytest.approx(1.0, rel=0.01)
    assert traffic["clients-front-2"].rate == pytest.approx(1.0, rel=0.01)
    sent = [item for item in traffic.values() if item.request.host == "mail.traced:8080"]
    assert sum(item.rate or 0 for item in sent) == pytest.approx(2.0, rel=0.01)
    assert all(item.from_ is not None and item.from_.match == {"app": "front"} for item in sent)


def test_only_a_share_was_traced(tmp_path: Path) -> None:
    scenario = loaded(made(SHOP, Choices("shop", MINUTE, sampling=0.01)), tmp_path).scenario
    assert scenario.traffic[0].rate == pytest.approx(100.0, rel=0.01)


MANIFESTS = """\
apiVersion: v1
kind: Service
metadata: {name: front, namespace: web}
spec: {selector: {tier: front}, ports: [{name: tcp-admin, port: 9000}, {name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: web}
spec:
  selector: {matchLabels: {tier: front}}
  template: {metadata: {labels: {tier: front}}, spec: {containers: [{name: front, image: "example/front:1"}]}}
"""


def test_manifests_take_the_place_of_made_up_services(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(MANIFESTS)
    known = known_services([tmp_path / "web.yaml"])
    made_up = made(SHOP, Choices("shop", MINUTE, resources=("../web.yaml",), known=known))
    (finding,) = made_up.findings
    assert finding.message.endswith("they are made up: Stock_DB, mail")
    found = loaded(made_up, tmp_path / "out")
    assert found.scenario.mesh.inject == ("web",)
    front = next(item for item in found.scenario.workloads if item.namespace == "web")
    assert front.match == {"tier": "front"}
    assert {call.to for item in front.operations for step in item.calls or () for call in [step]} == {
        "stock-db.traced:8080"
    }
    assert found.scenario.traffic[0].request.host == "front.web:80"
    deployments = {(item.namespace, item.name) for item in found.objects if item.kind == "Deployment"}
    assert deployments == {("web", "front"), ("traced", "stock-db"), ("traced", "mail"), ("clients", "clients")}


@pytest.mark.parametrize(("name", "found"), [("front.web", True), ("front.shop", False), ("front", True)])
def test_istios_proxies_name_their_namespace(name: str, found: bool, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(MANIFESTS)
    known = known_services([tmp_path / "web.yaml"])
    spans = [span("page", "", name, 0, 10, kind=SERVER)]
    (workload,) = loaded(
        made(spans, Choices("shop", MINUTE, resources=("../web.yaml",), known=known)), tmp_path / "out"
    ).scenario.workloads
    assert (workload.match == {"tier": "front"}) is found


def test_the_way_is_that_of_the_spans(tmp_path: Path) -> None:
    """Callers wait 4 and 5 ms longer than the callee takes; the sidecars' own 0.4 ms are part of it."""
    timing = loaded(made(SHOP), tmp_path).scenario.mesh.timing
    assert timing.network.same_zone is not None
    assert timing.network.same_zone.one_way == 1_800_000
    bare = loaded(made(SHOP, Choices("shop", MINUTE, sidecars=False)), tmp_path).scenario.mesh.timing
    assert bare.network.same_zone is not None
    assert bare.network.same_zone.one_way == 2 * MILLISECOND


def test_every_estimate_says_from_what() -> None:
    text = made(SHOP).files["scenario.yaml"]
    assert "time: 6ms  # of 20 spans: p50 6ms, p90 6ms" in text
    assert "rate: 0.9997/s" not in text
    assert "# 10 root spans in 9.5s" in text
    assert "Estimated from 120 spans of 20 traces." in text
    manifests = made(SHOP).files["services.yaml"]
    assert "replicas: 1  # 1 seen" in manifests
    assert "replicas: 1  # none is named in the spans" in manifests


def test_chances_and_errors_say_from_what() -> None:
    spans = SHOP + [
        span(
            "order",
            "",
            "front",
            20_000 + n,
            20_030 + n,
            kind=SERVER,
            trace=f"o{n}",
            operation="POST /order",
            failed=n < 3,
        )
        for n in range(10)
    ]
    text = made(spans).files["scenario.yaml"]
    assert "errors: {rate: 30%, status: 500}  # 3 of 10 failed without a failed call" in text


def test_one_trace_says_nothing_of_the_rate() -> None:
    assert "rate: 1/s  # a guess: one trace says nothing of the rate" in made(page(0)).files["scenario.yaml"]


def test_calls_that_always_follow_each_other_are_one(tmp_path: Path) -> None:
    spans = [span("page", "", "front", 0, 100, kind=SERVER)]
    for number in range(4):
        spans.append(span(f"x#{number}", "page", "front", number * 10, number * 10 + 8, kind=CLIENT))
        spans.append(span(f"a#{number}", f"x#{number}", "a", number * 10 + 1, number * 10 + 7, kind=SERVER))
    front = next(item for item in loaded(made(spans), tmp_path).scenario.workloads if item.match == {"app": "front"})
    ((call,),) = front.call_groups
    assert isinstance(call, Call)
    assert call.times == 4


def test_recursion_is_refused() -> None:
    spans = [
        span("a", "", "a", 0, 100, kind=SERVER),
        span("x", "a", "a", 1, 90, kind=CLIENT),
        span("b", "x", "b", 2, 80, kind=SERVER),
        span("y", "b", "b", 3, 70, kind=CLIENT),
        span("a2", "y", "a", 4, 60, kind=SERVER, operation="a"),
    ]
    with pytest.raises(InputErrors, match="would never end: a a -> b b -> a a"):
        made(spans)


def test_traces_without_roots_are_warned_of() -> None:
    (finding,) = made([span("a", "lost", "a", 0, 10, kind=SERVER)]).findings
    assert "no trace has its root" in finding.message


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("GET /items/{id}", "/items/id"),
        ("hipstershop.CartService/AddItem", "/hipstershop.CartService/AddItem"),
        ("/*", "/any"),
        ("HTTP GET", "/HTTP-GET"),
        ("http://shop:80/orders/4711", "/orders/id"),
        ("/users/0b9f3c1e-5d7a-4d8f-9a53-0c1f2e3d4b5a/cart", "/users/id/cart"),
        ("GET /", "/"),
    ],
)
def test_paths_of_operations(operation: str, path: str) -> None:
    assert path_of(operation) == path


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("meshinsight-jaeger/example1.json", 2),
        ("meshinsight-jaeger/example2.json", 2),
        ("nezha-traces/online-boutique_2022-08-23_17_00_trace.csv.gz", 10),
        ("nezha-traces/train-ticket_2023-01-29_08_50_trace.csv.gz", 25),
        ("nezha-traces/train-ticket_2023-01-30_11_39_trace.csv.gz", 28),
    ],
)
def test_recorded_traces_load(name: str, services: int, shared: Path, tmp_path: Path) -> None:
    imported = made(read_traces([shared / "data" / name]))
    assert len(loaded(imported, tmp_path).scenario.workloads) == services
