"""A loaded scenario: its digest, its objects, what its actions say of themselves."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from meshsim.scenario import LoadedScenario

Load = Callable[[str], LoadedScenario]


def test_the_digest_is_of_the_meaning(load: Load) -> None:
    plain = load("seeds: 2\n")
    assert plain.digest() == load("# a comment\nseeds:   2\n").digest()
    assert plain.digest() != load("seeds: 3\n").digest()


def test_the_digest_sees_what_the_timeline_applies(load: Load) -> None:
    body = "timeline:\n  - id: a\n    at: 1s\n    apply:\n      {apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {ports: [{port: 1}]}}\n"  # noqa: E501
    assert load(body % "a").digest() != load(body % "b").digest()


@pytest.mark.parametrize(
    ("action", "detail"),
    [
        ("kill: {namespace: depot}", "kill namespace depot"),
        ("kill: {pods: {match: {app: cart}}}", "kill pods app=cart"),
        ("delete: {kind: Service, name: cart}", "delete Service default/cart"),
        (
            "partition: {between: [{pod: cart-1}, {namespace: depot}]}",
            "partition Pod default/cart-1 from namespace depot",
        ),
        (
            "delay: {between: [{pod: cart-1}, {namespace: depot}], latency: 1s}",
            "delay Pod default/cart-1 from namespace depot",
        ),
    ],
)
def test_actions_say_what_they_do(load: Load, action: str, detail: str) -> None:
    assert load(f"timeline:\n  - {{id: a, at: 1s, {action}}}\n").actions[0].detail == detail


def test_all_objects_include_those_applied_later(load: Load) -> None:
    loaded = load(
        "timeline:\n  - id: a\n    at: 1s\n"
        "    apply: {apiVersion: v1, kind: Service, metadata: {name: late}, spec: {ports: [{port: 1}]}}\n"
    )
    assert "late" in [item.name for item in loaded.all_objects()]
    assert "late" not in [item.name for item in loaded.objects]


def test_a_loaded_scenario_travels_between_processes(load: Load) -> None:
    loaded = load("seeds: [3]\ntimeline:\n  - {id: a, at: 1s, kill: {pod: cart-1}}\n")
    again = pickle.loads(pickle.dumps(loaded))
    assert again.digest() == loaded.digest()
    assert again.actions[0].detail == loaded.actions[0].detail
    assert again.anchors.span("a") == loaded.anchors.span("a")
