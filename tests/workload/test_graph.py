"""The call graph of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from meshsim.errors import InputError
from meshsim.scenario import LoadedScenario
from meshsim.workload import ServiceKey, build_call_graph

WEB, CART, PRICES, STOCK = (ServiceKey("shop", name) for name in ("web", "cart", "prices", "stock"))


def test_services_members_and_calls(make: Callable[..., LoadedScenario]) -> None:
    graph = build_call_graph(make())
    assert list(graph.services) == [WEB, CART, PRICES, STOCK]
    assert [(m.template.name, m.entry) for m in graph.services[CART]] == [("cart-v1", 1), ("cart-v2", 2)]
    assert graph.services[PRICES][0].entry is None
    (web,) = graph.services[WEB]
    assert [(edge.callee, edge.path) for edge in web.edges] == [
        (CART, "workloads[0].calls[0]"),
        (CART, "workloads[0].calls[1].parallel[0]"),
        (PRICES, "workloads[0].calls[1].parallel[1]"),
    ]
    assert graph.services[STOCK][0].edges[0].callee is None
    assert str(WEB) == "web.shop"


def test_callers_come_before_those_they_call(make: Callable[..., LoadedScenario]) -> None:
    graph = build_call_graph(make())
    order = graph.order()
    assert sorted(order) == sorted(graph.services)
    for caller in graph.services:
        for callee in graph.callees(caller):
            assert order.index(caller) < order.index(callee)


def _with_call(loaded: LoadedScenario, entry: int, host: str) -> LoadedScenario:
    """The scenario with one more call, past the loader, which refuses such a file already."""
    workload = loaded.scenario.workloads[entry]
    call = workload.call_groups[0][0].model_copy(update={"to": host})
    changed = workload.model_copy(update={"calls": (*workload.calls, call)})
    workloads = (*loaded.scenario.workloads[:entry], changed, *loaded.scenario.workloads[entry + 1 :])
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"workloads": workloads}))


def test_a_circle_is_named_with_its_place(make: Callable[..., LoadedScenario]) -> None:
    loaded = _with_call(make(), 3, "cart:80")
    with pytest.raises(InputError, match=r"would never end: cart\.shop -> stock\.shop -> cart\.shop") as caught:
        build_call_graph(loaded)
    assert caught.value.subject == "workloads[3].calls[1]"
    assert caught.value.position is not None
    assert caught.value.position.line > 1


def test_an_unknown_host_is_named(make: Callable[..., LoadedScenario]) -> None:
    with pytest.raises(InputError, match=r"no Service or ServiceEntry has the host 'ratings' \(seen from shop\)"):
        build_call_graph(_with_call(make(), 3, "ratings:80"))
