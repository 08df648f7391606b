from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.telemetry import ListenerClass, applied_telemetry
from meshsim.controlplane.tracing import tracing_config
from meshsim.xds.packing import to_json

WEB = "web.shop.svc.cluster.local"


def _tracing(shop: Any, small_mesh: Any, mesh: str = "", telemetry: str = "") -> Any:
    from_shop = small_mesh("", mesh)
    from_shop.store = shop.store
    if telemetry:
        from_shop.put(
            "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\n"
            f"metadata: {{name: t, namespace: shop}}\nspec: {telemetry}"
        )
    push, proxy = from_shop.push(), from_shop.proxy("shop", "web-0")
    found = tracing_config(push, proxy, applied_telemetry(push, proxy), ListenerClass.SIDECAR_OUTBOUND)
    return to_json(found.tracing) if found.tracing is not None else None


def test_one_request_in_a_hundred_is_sampled(shop: Any, small_mesh: Any) -> None:
    found = _tracing(shop, small_mesh)
    samplings = [found[f"{kind}_sampling"]["value"] for kind in ("client", "random", "overall")]
    assert samplings == [100, 1, 100]
    assert "provider" not in found


def test_tags_name_the_workload(shop: Any, small_mesh: Any) -> None:
    tags = {t["tag"]: t.get("literal", {}).get("value") for t in _tracing(shop, small_mesh)["custom_tags"]}
    assert (tags["istio.namespace"], tags["istio.mesh_id"]) == ("shop", "cluster.local")
    assert tags["istio.canonical_revision"] == "latest"


def test_tracing_may_be_off(shop: Any, small_mesh: Any) -> None:
    assert _tracing(shop, small_mesh, "enableTracing: false") is None
    assert _tracing(shop, small_mesh, telemetry="{tracing: [{disableSpanReporting: true}]}") is None


@pytest.mark.parametrize("kind", ["zipkin", "datadog", "skywalking", "opentelemetry"])
def test_exporters(shop: Any, small_mesh: Any, kind: str) -> None:
    mesh = f"extensionProviders: [{{name: p, {kind}: {{service: {WEB}, port: 80}}}}]"
    spec = "{tracing: [{providers: [{name: p}], randomSamplingPercentage: 30}]}"
    found = _tracing(shop, small_mesh, mesh, spec)
    assert found["provider"]["name"] == f"envoy.tracers.{kind}"
    assert found["random_sampling"]["value"] == 30
    assert f"outbound|80||{WEB}" in str(found["provider"])


def test_an_exporter_without_a_service_traces_nothing(shop: Any, small_mesh: Any) -> None:
    mesh = "extensionProviders: [{name: p, zipkin: {service: unknown, port: 80}}]"
    assert _tracing(shop, small_mesh, mesh, "{tracing: [{providers: [{name: p}]}]}") is None


def test_custom_tags(shop: Any, small_mesh: Any) -> None:
    mesh = f"extensionProviders: [{{name: p, zipkin: {{service: {WEB}, port: 80}}}}]"
    spec = (
        "{tracing: [{providers: [{name: p}], enableIstioTags: false, customTags: {"
        "b: {header: {name: x, defaultValue: d}}, a: {literal: {value: v}}, c: {environment: {name: E}}}}]}"
    )
    assert _tracing(shop, small_mesh, mesh, spec)["custom_tags"] == [
        {"tag": "a", "literal": {"value": "v"}},
        {"tag": "b", "request_header": {"name": "x", "default_value": "d"}},
        {"tag": "c", "environment": {"name": "E"}},
    ]
