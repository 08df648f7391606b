"""The call graph of a scenario."""

from __future__ import annotations

import pytest

from meshsim.errors import InputErrors
from meshsim.scenario import CallGraph, Inventory, LoadedScenario, ServiceKey, build_call_graph
from meshsim.scenario.call_graph import CallEdge, Circle, Member, references
from meshsim.scenario.inventory import PodTemplate
from meshsim.scenario.load import Workload

from .conftest import Load

CART, STOCK, GATEWAY = (
    ServiceKey("default", "cart"),
    ServiceKey("depot", "stock"),
    ServiceKey("istio-system", "gateway"),
)
CALLS = """\
workloads:
  - match: {app: cart, version: v1}
    calls: [{parallel: ["stock.depot:8080", {to: "pay.example.com:443", probability: 50%}]}, "stock.depot:8080"]
  - match: {app: cart}
"""
OUTSIDE = """\
  - apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: pay, namespace: default}
    spec: {hosts: [pay.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}
"""


def graph_of(loaded: LoadedScenario) -> CallGraph:
    return build_call_graph(Inventory.of(loaded.all_objects()), loaded.scenario.workloads)


def test_services_members_and_calls(load: Load) -> None:
    graph = graph_of(load(OUTSIDE + CALLS))
    assert list(graph.services) == [GATEWAY, CART, STOCK]
    assert [(m.template.name, m.entry) for m in graph.services[CART]] == [("cart-1", 0), ("cart-2", 1)]
    assert [(m.template.name, m.entry) for m in graph.services[STOCK]] == [("stock-1", None)]
    assert [(edge.callee, edge.path) for edge in graph.services[CART][0].edges] == [
        (STOCK, "workloads[0].calls[0].parallel[0]"),
        (None, "workloads[0].calls[0].parallel[1]"),
        (STOCK, "workloads[0].calls[1]"),
    ]
    assert graph.callees(graph.asked(CART)) == [graph.asked(STOCK)]
    assert str(CART) == "cart.default"


def test_calls_are_where_they_stand() -> None:
    workload = Workload.model_validate({"match": {"app": "a"}, "calls": ["b:80", {"parallel": ["c:80", "d:80"]}]})
    assert [(found.path, found.call.host) for found in references(4, workload)] == [
        ("workloads[4].calls[0]", "b"),
        ("workloads[4].calls[1].parallel[0]", "c"),
        ("workloads[4].calls[1].parallel[1]", "d"),
    ]


def chain(names: str, *calls: tuple[str, str]) -> CallGraph:
    """Services of one pod each, with calls between them."""
    return made({name: [callee for caller, callee in calls if caller == name] for name in names})


def made(calls: dict[str, list[str]]) -> CallGraph:
    entries = [
        Workload.model_validate({"match": {"app": name}, "calls": [f"{callee}:80" for callee in callees]})
        for name, callees in calls.items()
    ]
    inventory = Inventory(
        templates=[PodTemplate("Pod", name, "shop", {"app": name}) for name in calls],
        services={("shop", name): {"app": name} for name in calls},
    )
    return build_call_graph(inventory, entries)


def test_callers_come_before_those_they_call() -> None:
    graph = chain("dcba", ("a", "b"), ("a", "c"), ("c", "b"), ("b", "d"))
    order = [asked.service.name for asked in graph.order()]
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("c") < order.index("b") < order.index("d")
    assert graph.circles() == []


def test_every_circle_is_found_once() -> None:
    graph = chain("abcd", ("a", "b"), ("b", "c"), ("c", "b"), ("d", "d"), ("c", "a"))
    assert [str(circle) for circle in graph.circles()] == ["b -> c -> b", "a -> b -> c -> a", "d -> d"]
    assert [circle.path for circle in graph.circles()] == [
        "workloads[2].calls[0]",
        "workloads[2].calls[1]",
        "workloads[3].calls[0]",
    ]


def test_a_circle_names_namespaces_where_they_differ() -> None:
    assert str(Circle((CART, STOCK, CART), "x")) == "cart.default -> stock.depot -> cart.default"


def test_long_chains_are_no_matter() -> None:
    keys = [ServiceKey("shop", f"s{number}") for number in range(5000)]
    call = Workload.model_validate({"match": {"app": "a"}, "calls": ["b:80"]}).call_groups[0][0]
    pod = PodTemplate("Pod", "p", "shop", {})
    services = {
        key: (Member(pod, 0, (CallEdge(call, callee, "workloads[0].calls[0]"),)),)
        for key, callee in zip(keys, [*keys[1:], None], strict=True)
    }
    assert [asked.service for asked in CallGraph(services).order()] == keys


OPERATIONS = """\
workloads:
  - match: {app: cart, version: v1}
    calls: ["stock.depot:8080"]
    operations:
      - {path: /items/*, calls: [{to: "stock.depot:8080", path: /count}]}
      - {path: /items/*, method: POST, calls: []}
      - {path: /total, method: POST}
  - match: {app: stock}
    operations:
      - {path: /count, time: 5ms}
      - {path: /audit, calls: [{to: "cart.default:80", path: /total, method: POST}]}
"""


def test_what_is_called_depends_on_what_is_asked(load: Load) -> None:
    graph = graph_of(load(OPERATIONS))
    items = graph.asked(CART, "GET", "/items/7?all=1")
    assert (items.operations, graph.asked(CART, "POST", "/total").operations) == ((0, -1), (2, -1))
    assert graph.callees(items) == [graph.asked(STOCK, "GET", "/count")]
    assert graph.callees(graph.asked(CART, "POST", "/total")) == [graph.asked(STOCK)]
    assert [(edge.path, edge.operation) for edge in graph.services[CART][0].edges] == [
        ("workloads[0].calls[0]", -1),
        ("workloads[0].operations[0].calls[0]", 0),
        ("workloads[0].calls[0]", 2),
    ]


def test_calls_back_to_another_operation_are_no_circle(load: Load) -> None:
    loaded = load(OPERATIONS)  # stock /audit asks cart /total, which asks stock for something else
    assert graph_of(loaded).circles() == []


def test_calls_back_to_the_same_operation_are(load: Load) -> None:
    with pytest.raises(InputErrors, match="would never end") as caught:
        load(OPERATIONS.replace('calls: ["stock.depot:8080"]', 'calls: [{to: "stock.depot:8080", path: /audit}]'))
    assert "stock.depot -> cart.default -> stock.depot" in str(caught.value)
