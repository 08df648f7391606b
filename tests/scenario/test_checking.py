"""References that lead nowhere are found before anything runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshsim.errors import InputError
from meshsim.scenario import LoadedScenario

Load = Callable[[str], LoadedScenario]
Complain = Callable[[str], list[InputError]]

TRAFFIC = "traffic:\n  - {name: buyers, through: gateway, request: {host: shop.example.com}, rate: 1/s}\n"
SLOW = "timeline:\n  - {id: slow, at: 5m, for: 1m, kill: {pod: cart-1}}\n"


def test_what_is_right_is_accepted(load: Load) -> None:
    loaded = load(
        "workloads:\n  - {match: {app: cart}, calls: ['stock.depot:8080']}\n  - {match: {app: stock}}\n"
        + TRAFFIC
        + SLOW
        + "expect:\n  - {name: a, success_rate: {of: buyers, min: 99%, during: [slow, end]}}\n"
        + "  - {name: b, share: {of: {app: cart, version: v2}, among: cart, near: 50%}}\n"
    )
    assert loaded.findings == ()


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("workloads:\n  - {match: {app: crat}}\n", "no pod has the labels {app: crat}", "did you mean 'cart'?"),
        ("workloads:\n  - {match: {tier: x}}\n", "no pod has the labels {tier: x}", "no pod has a label 'tier'"),
        (
            "workloads:\n  - {match: {app: cart}, namespace: depot}\n",
            "no pod has the labels {app: cart} in namespace depot",
            "",
        ),
        (
            "workloads:\n  - {match: {app: cart}, calls: ['stock:8080']}\n",
            "no Service or ServiceEntry has the host 'stock' (seen from default)",
            "did you mean 'stock.depot'?",
        ),
        (
            "workloads:\n  - {match: {app: cart}, calls: ['api.example.com:443']}\n",
            "no Service or ServiceEntry has the host 'api.example.com' (seen from default)",
            "a host outside the mesh needs a ServiceEntry",
        ),
        (
            TRAFFIC.replace("gateway", "gatway"),
            "there is no Service 'gatway' to enter through",
            "did you mean 'gateway'?",
        ),
        (
            "traffic:\n  - {name: t, from: {match: {app: stock}}, request: {host: cart}, rate: 1/s}\n",
            "no Service or ServiceEntry has the host 'cart' (seen from depot)",
            "did you mean 'cart.default'?",
        ),
        (TRAFFIC + TRAFFIC.splitlines()[1] + "\n", "the name 'buyers' is taken", ""),
        (TRAFFIC.replace("rate: 1/s", "rate: 1/s, start: 10m"), "'buyers' begins when the run is over", ""),
        (
            "timeline:\n  - {id: a, at: 1s, scale: {deployment: cart, replicas: 2}}\n",
            "there is no Deployment default/cart",
            "",
        ),
        ("timeline:\n  - {id: a, at: 1s, kill: {namespace: depto}}\n", "no namespace 'depto'", "did you mean 'depot'?"),
        ("timeline:\n  - {id: a, at: 1s, kill: {pods: {match: {app: x}}}}\n", "no pod has the labels {app: x}", ""),
        (
            "timeline:\n  - {id: a, at: 1s, delete: {kind: Service, name: crat}}\n",
            "there is never a Service default/crat to delete",
            "did you mean 'cart'?",
        ),
        (
            TRAFFIC + "expect:\n  - {name: a, success_rate: {of: byers, min: 1%}}\n",
            "there is no traffic 'byers'",
            "did you mean 'buyers'?",
        ),
        (
            SLOW + "expect:\n  - {name: a, propagation: {of: slwo, p99: {max: 1s}}}\n",
            "there is no timeline entry 'slwo'",
            "did you mean 'slow'?",
        ),
        (
            SLOW + "expect:\n  - {name: a, nacks: {max: 0, during: [slow, slow+0s]}}\n",
            "the window [slow, slow] is empty: from 5m to 5m",
            "",
        ),
        (
            SLOW + "expect:\n  - {name: a, nacks: {max: 0, during: [fast, end]}}\n",
            "there is no timeline entry 'fast'",
            "",
        ),
        (
            SLOW + "expect:\n  - {name: a, nacks: {max: 0, during: [slow, 11m]}}\n",
            "'11m' is 11m, the run lasts from 0s to 10m",
            "",
        ),
        (
            "expect:\n  - {name: a, nacks: {max: 0, during: 5m}}\n",
            "'5m' is one instant",
            "write [from, to], or the id of a timeline entry",
        ),
        (
            "expect:\n  - {name: a, requests: {to: crat, max: 0}}\n",
            "no workload is called 'crat'",
            "did you mean 'cart'?",
        ),
        (
            "expect:\n  - {name: a, requests: {to: {app: cart, version: v3}, max: 0}}\n",
            "'cart' has no version 'v3'",
            "its versions are v1, v2",
        ),
        (
            "expect:\n  - {name: a, nacks: {max: 0}}\n  - {name: a, nacks: {max: 1}}\n",
            "the name 'a' is taken by the entry of line",
            "",
        ),
    ],
)
def test_dead_ends(complain: Complain, body: str, message: str, hint: str) -> None:
    errors = complain(body)
    assert message in errors[0].message
    if hint:
        assert errors[0].hint == hint
    assert errors[0].position is not None


def test_calls_in_a_circle(complain: Complain) -> None:
    errors = complain(
        "workloads:\n"
        "  - {match: {app: cart}, calls: ['stock.depot:8080']}\n"
        "  - {match: {app: stock}, calls: ['cart.default:8080']}\n"
    )
    assert [error.message for error in errors] == [
        "these calls go round in a circle and would never end: cart.default -> stock.depot -> cart.default"
    ]


def test_the_first_entry_that_matches_a_pod_counts_for_circles(load: Load) -> None:
    loaded = load(
        "workloads:\n"
        "  - {match: {app: cart, version: v1}}\n"
        "  - {match: {app: cart, version: v2}}\n"
        "  - {match: {app: stock}, calls: ['cart.default:8080']}\n"
    )
    assert len(loaded.scenario.workloads) == 3


def test_a_service_calling_itself_is_a_circle(complain: Complain) -> None:
    assert "cart -> cart" in complain("workloads:\n  - {match: {app: cart}, calls: ['cart:8080']}\n")[0].message
