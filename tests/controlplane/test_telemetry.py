from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.telemetry import (
    ListenerClass,
    applied_telemetry,
    find_provider,
    logging_choices,
    stats_configs,
    tracing_choice,
)
from meshsim.xds.packing import to_json

CLIENT, SERVER = ListenerClass.SIDECAR_OUTBOUND, ListenerClass.SIDECAR_INBOUND
PROMETHEUS = "defaultProviders: {metrics: [prometheus]}"
PROVIDERS = (
    "extensionProviders: [{name: f, envoyFileAccessLog: {path: /f}}, {name: g, envoyFileAccessLog: {path: /g}},"
    " {name: z, zipkin: {service: web.shop.svc.cluster.local, port: 80}}]"
)


def _telemetry(spec: str, name: str = "t", namespace: str = "shop", created: int = 1) -> str:
    return f"""
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '2026-01-01T00:00:{created:02}Z'}}
spec: {spec}
"""


def _applied(make: Any, mesh: str, *objects: str) -> Any:
    from_shop = make(SHOP_POD + "".join(objects), mesh)
    push = from_shop.push()
    return push, applied_telemetry(push, from_shop.proxy("shop", "web-0"))


SHOP_POD = """
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}]}
"""


def test_general_objects_then_those_that_select(small_mesh: Any) -> None:
    _, applied = _applied(
        small_mesh,
        "",
        _telemetry("{selector: {matchLabels: {app: web}}}", "own"),
        _telemetry("{selector: {matchLabels: {app: db}}}", "other"),
        _telemetry("{}", "late", created=9),
        _telemetry("{}", "general", created=2),
        _telemetry("{}", "mesh", "istio-system"),
        _telemetry("{}", "far", "far"),
    )
    assert [item.name for item in applied.objects] == ["mesh", "general", "own"]


def test_no_statistics_without_a_provider(small_mesh: Any) -> None:
    push, applied = _applied(small_mesh, "")
    assert stats_configs(push, applied, CLIENT) == []


def test_servers_do_not_fall_back_to_the_host_header(small_mesh: Any) -> None:
    push, applied = _applied(small_mesh, PROMETHEUS)
    (client,), (server,) = (stats_configs(push, applied, item) for item in (CLIENT, SERVER))
    assert (to_json(client)["@type"], to_json(server).get("disable_host_header_fallback")) == (
        "type.googleapis.com/stats.PluginConfig",
        True,
    )


def test_metrics_are_dropped_and_tagged(small_mesh: Any) -> None:
    spec = (
        "{metrics: [{providers: [{name: prometheus}], overrides: ["
        "{match: {metric: REQUEST_COUNT, mode: CLIENT}, tagOverrides: "
        "{a: {value: x}, b: {operation: REMOVE}}}, {match: {metric: REQUEST_SIZE}, disabled: true}]}]}"
    )
    push, applied = _applied(small_mesh, "", _telemetry(spec))
    (found,) = stats_configs(push, applied, CLIENT)
    metrics = {item["name"]: item for item in to_json(found)["metrics"]}
    assert metrics["requests_total"]["dimensions"] == {"a": "x"}
    assert metrics["requests_total"]["tags_to_remove"] == ["b"]
    assert metrics["request_bytes"]["drop"] is True
    (server,) = stats_configs(push, applied, SERVER)
    assert [item["name"] for item in to_json(server)["metrics"]] == ["request_bytes"]


def test_all_metrics_may_be_off(small_mesh: Any) -> None:
    spec = "{metrics: [{overrides: [{match: {mode: SERVER}, disabled: true}]}]}"
    push, applied = _applied(small_mesh, PROMETHEUS, _telemetry(spec))
    assert len(stats_configs(push, applied, CLIENT)) == 1
    assert not stats_configs(push, applied, SERVER)


@pytest.mark.parametrize(
    ("spec", "client", "server"),
    [
        ("{accessLogging: [{providers: [{name: f}]}]}", [("f", False)], [("f", False)]),
        ("{accessLogging: [{match: {mode: CLIENT}, providers: [{name: f}]}]}", [("f", False)], []),
        ("{accessLogging: [{providers: [{name: f}], disabled: true}]}", [("f", True)], [("f", True)]),
        ("{accessLogging: [{providers: [{name: g}, {name: f}]}]}", [("f", False), ("g", False)], None),
    ],
)
def test_access_log_providers(
    small_mesh: Any, spec: str, client: list[tuple[str, bool]], server: list[tuple[str, bool]] | None
) -> None:
    push, applied = _applied(small_mesh, PROVIDERS, _telemetry(spec))

    def chosen(listener_class: ListenerClass) -> list[tuple[str, bool]]:
        choices = logging_choices(push, applied, listener_class)
        return [(choice.provider.text("name"), choice.disabled) for choice in choices]

    assert chosen(CLIENT) == client
    assert chosen(SERVER) == (client if server is None else server)


def test_a_nearer_level_replaces_the_providers(small_mesh: Any) -> None:
    push, applied = _applied(
        small_mesh,
        PROVIDERS,
        _telemetry("{accessLogging: [{providers: [{name: f}]}]}", "mesh", "istio-system"),
        _telemetry("{accessLogging: [{providers: [{name: g}], filter: {expression: 'true'}}]}"),
    )
    (choice,) = logging_choices(push, applied, CLIENT)
    assert (choice.provider.text("name"), choice.expression) == ("g", "true")


def test_tracing_is_merged_level_by_level(small_mesh: Any) -> None:
    push, applied = _applied(
        small_mesh,
        PROVIDERS,
        _telemetry("{tracing: [{providers: [{name: z}], randomSamplingPercentage: 10}]}", "mesh", "istio-system"),
        _telemetry("{tracing: [{randomSamplingPercentage: 20, customTags: {a: {literal: {value: x}}}}]}"),
    )
    choice = tracing_choice(push, applied, CLIENT)
    assert choice is not None
    assert choice.provider is not None
    assert (choice.provider.text("name"), choice.sampling, list(choice.custom_tags)) == ("z", 20, ["a"])


def test_nobody_says_anything_about_tracing(small_mesh: Any) -> None:
    push, applied = _applied(small_mesh, "")
    assert tracing_choice(push, applied, CLIENT) is None


def test_built_in_providers(small_mesh: Any) -> None:
    push, _ = _applied(small_mesh, "")
    assert find_provider(push, "Prometheus") is not None
    assert find_provider(push, "nobody") is None
