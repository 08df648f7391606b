from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.access_logs import LogPlace, access_logs
from meshsim.controlplane.telemetry import ListenerClass, applied_telemetry
from meshsim.xds.packing import to_json

OUTBOUND = ListenerClass.SIDECAR_OUTBOUND


def _logs(shop: Any, small_mesh: Any, mesh: str, place: LogPlace = LogPlace.HTTP, telemetry: str = "") -> Any:
    from_shop = small_mesh("", mesh)
    from_shop.store = shop.store
    if telemetry:
        from_shop.put(
            "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\n"
            f"metadata: {{name: t, namespace: shop}}\nspec: {telemetry}"
        )
    push = from_shop.push()
    applied = applied_telemetry(push, from_shop.proxy("shop", "web-0"))
    return [to_json(log) for log in access_logs(push, applied, OUTBOUND, place)]


def test_none_unless_somebody_wants_them(shop: Any, small_mesh: Any) -> None:
    assert _logs(shop, small_mesh, "") == []


def test_the_meshs_file_in_istios_format(shop: Any, small_mesh: Any) -> None:
    (log,) = _logs(shop, small_mesh, "accessLogFile: /dev/stdout")
    config = log["typed_config"]
    text = config["log_format"]["text_format_source"]["inline_string"]
    assert config["path"] == "/dev/stdout"
    assert text.startswith("[%START_TIME%]")
    assert text.endswith("%ROUTE_NAME%\n")


@pytest.mark.parametrize(
    ("settings", "key", "want"),
    [
        # Istio ends a line that the format does not end.
        ("accessLogFormat: '%PROTOCOL%'", "text_format_source", {"inline_string": "%PROTOCOL%\n"}),
        (
            'accessLogEncoding: JSON\naccessLogFormat: \'{"p": "%PROTOCOL%"}\'',
            "json_format",
            {"p": "%PROTOCOL%"},
        ),
    ],
)
def test_formats_of_the_mesh(shop: Any, small_mesh: Any, settings: str, key: str, want: object) -> None:
    (log,) = _logs(shop, small_mesh, f"accessLogFile: /f\n{settings}")
    assert log["typed_config"]["log_format"][key] == want


def test_a_listener_logs_connections_without_a_chain(shop: Any, small_mesh: Any) -> None:
    (log,) = _logs(shop, small_mesh, "accessLogFile: /dev/stdout", LogPlace.LISTENER)
    assert log["filter"]["response_flag_filter"] == {"flags": ["NR"]}


def test_a_provider_with_an_expression(shop: Any, small_mesh: Any) -> None:
    spec = "{accessLogging: [{providers: [{name: envoy}], filter: {expression: 'response.code >= 500'}}]}"
    (log,) = _logs(shop, small_mesh, "", telemetry=spec)
    assert log["filter"]["extension_filter"]["typed_config"]["expression"] == "response.code >= 500"


def test_a_disabled_provider_is_silent_though_the_mesh_has_a_file(shop: Any, small_mesh: Any) -> None:
    spec = "{accessLogging: [{providers: [{name: envoy}], disabled: true}]}"
    assert _logs(shop, small_mesh, "accessLogFile: /dev/stdout", telemetry=spec) == []


def test_a_service_takes_them_over_grpc(shop: Any, small_mesh: Any) -> None:
    mesh = "extensionProviders: [{name: als, envoyHttpAls: {service: web.shop.svc.cluster.local, port: 80}}]"
    spec = "{accessLogging: [{providers: [{name: als}]}]}"
    (log,) = _logs(shop, small_mesh, mesh, telemetry=spec)
    service = log["typed_config"]["common_config"]["grpc_service"]["envoy_grpc"]
    assert service["cluster_name"] == "outbound|80||web.shop.svc.cluster.local"
    assert _logs(shop, small_mesh, mesh.replace("web.", "unknown."), telemetry=spec) == []
