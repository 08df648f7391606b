from __future__ import annotations

from typing import Any

import pytest


def _managers(small_mesh: Any, look: Any, config: str = "{}", mesh: str = "", port: str = "http:80") -> Any:
    """Outbound and inbound connection managers of a pod that serves what it calls."""
    annotations = f"{{proxy.istio.io/config: '{config}'}}"
    pod = look.pod("web-0", "10.244.0.1", "web", annotations=annotations)
    listeners = look.lds(small_mesh(look.node + pod + look.service("web", "10.96.0.1", port), mesh), "shop/web-0")
    inbound = next(c for c in listeners["virtualInbound"]["filter_chains"] if c["name"] == "0.0.0.0_80")
    return look.manager(listeners["0.0.0.0_80"]["filter_chains"][0]), look.manager(inbound)


def _names(manager: Any) -> list[str]:
    return [item["name"].removeprefix("envoy.filters.http.") for item in manager["http_filters"]]


def test_filters_in_order(small_mesh: Any, look: Any) -> None:
    outbound, inbound = _managers(small_mesh, look, mesh="defaultProviders: {metrics: [prometheus]}")
    common = ["fault", "cors", "istio.stats", "router"]
    assert _names(outbound) == ["istio.metadata_exchange", "grpc_stats", "istio.alpn", *common]
    assert _names(inbound) == ["istio.metadata_exchange", "grpc_stats", *common]


def test_routes_come_over_ads_or_inline(small_mesh: Any, look: Any) -> None:
    outbound, inbound = _managers(small_mesh, look)
    assert outbound["rds"] == {
        "route_config_name": "80",
        "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
    }
    assert inbound["route_config"]["name"] == "inbound|80||"
    assert (outbound["stat_prefix"], inbound["stat_prefix"]) == ("outbound_0.0.0.0_80;", "inbound_0.0.0.0_80;")


@pytest.mark.parametrize(
    ("setting", "normalize", "merge", "escaped"),
    [
        ("NONE", False, None, "KEEP_UNCHANGED"),
        ("BASE", True, None, "KEEP_UNCHANGED"),
        ("MERGE_SLASHES", True, True, "KEEP_UNCHANGED"),
        ("DECODE_AND_MERGE_SLASHES", True, True, "UNESCAPE_AND_FORWARD"),
    ],
)
def test_path_normalization(
    small_mesh: Any, look: Any, setting: str, normalize: bool, merge: bool | None, escaped: str
) -> None:
    outbound, _ = _managers(small_mesh, look, mesh=f"pathNormalization: {{normalization: {setting}}}")
    assert outbound["normalize_path"] is normalize
    assert outbound.get("merge_slashes") is merge
    assert outbound["path_with_escaped_slashes_action"] == escaped


def test_headers_of_the_proxy_configuration(small_mesh: Any, look: Any) -> None:
    config = (
        "{proxyHeaders: {server: {value: shop}, requestId: {disabled: true}, preserveHttp1HeaderCase: true,"
        " setCurrentClientCertDetails: {subject: false, cert: true}}}"
    )
    outbound, inbound = _managers(small_mesh, look, config)
    assert outbound["server_name"] == inbound["server_name"] == "shop"
    assert outbound["generate_request_id"] is False
    formatter = outbound["http_protocol_options"]["header_key_format"]["stateful_formatter"]
    assert formatter["name"] == "preserve_case"
    assert inbound["set_current_client_cert_details"] == {"subject": False, "cert": True, "dns": True, "uri": True}
    assert "forward_client_cert_details" not in outbound


def test_grpc_web_is_translated(small_mesh: Any, look: Any) -> None:
    outbound, _ = _managers(small_mesh, look, port="grpc-web:80")
    assert "grpc_web" in _names(outbound)


def test_replicas_share_their_bytes(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.pod("client-1", "10.244.0.10", "client"), look.service("a", "10.96.0.1", "http:80"))
    )
    push = mesh.push()
    one, other = (push.listener_cache.listeners(mesh.proxy("shop", f"client-{i}")) for i in (0, 1))
    assert [r.body for r in one] == [r.body for r in other]
    assert all(a is b for a, b in zip(one, other, strict=True))
