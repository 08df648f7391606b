"""Telemetry that istiod does not follow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from meshsim.testing import manifests

manifest = partial(manifests.manifest, version="telemetry.istio.io/v1")


LOGS = "accessLogging:\n- providers:\n  - name: envoy"


def test_of_two_for_a_namespace_the_older_counts(finds: Callable) -> None:
    text = manifest("Telemetry", "z", LOGS, 1) + manifest("Telemetry", "a", LOGS, 2)
    finds(text, ("IST0160", "spec", "Telemetry shop/z has no selector either and is older"))


def test_several_for_a_workload_add_up(finds: Callable) -> None:
    chosen = f"selector: {{matchLabels: {{app: app}}}}\n{LOGS}"
    text = manifest("Telemetry", "z", chosen, 1) + manifest("Telemetry", "a", chosen, 2)
    (found,) = finds(text, ("IST0159", "selector", "Telemetry shop/z selects app-v1 and app-v2 too"))
    assert found.severity.value == "info"


def test_providers_that_are_not_there(finds: Callable) -> None:
    (found,) = finds(
        manifest("Telemetry", "a", LOGS.replace("envoy", "envoi")),
        ("MSH0551", "name: envoi", "no extension provider 'envoi'"),
    )
    assert found.hint == "did you mean 'envoy'?"


def test_logging_without_a_provider(finds: Callable) -> None:
    empty = "accessLogging:\n- filter: {expression: response.code >= 400}"
    finds(manifest("Telemetry", "a", empty), ("IST0157", "filter", "no provider here and none by default"))
    root = manifest("Telemetry", "mesh", LOGS, namespace="istio-system")
    finds(manifest("Telemetry", "a", empty) + root)
    finds(manifest("Telemetry", "a", "accessLogging:\n- disabled: true"))
