from __future__ import annotations

import base64
from typing import Any

from meshsim.controlplane.extensions import Phase, workload_extensions
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.packing import to_json

CLIENT, SERVER = ListenerClass.SIDECAR_OUTBOUND, ListenerClass.SIDECAR_INBOUND


def _plugin(name: str, spec: str, kind: str = "WasmPlugin", namespace: str = "shop", created: int = 1) -> str:
    return f"""
---
apiVersion: extensions.istio.io/v1alpha1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '2026-01-01T00:00:{created:02}Z'}}
spec: {{url: 'file:///x.wasm', {spec}}}
"""


def _extensions(shop: Any, *plugins: str) -> Any:
    shop.put("".join(plugins))
    return workload_extensions(shop.push(), shop.proxy("shop", "web-0"))


def _names(filters: Any) -> list[str]:
    return [f.name.rpartition("/")[2].partition("~")[0] for f in filters]


def test_the_highest_priority_first_then_the_own_namespace_then_age(shop: Any) -> None:
    found = _extensions(
        shop,
        _plugin("none", "phase: AUTHN", created=1),
        _plugin("root", "phase: AUTHN", namespace="istio-system"),
        _plugin("low", "phase: AUTHN, priority: -5", created=9),
        _plugin("high", "phase: AUTHN, priority: 5", created=9),
        _plugin("other", "phase: AUTHN, selector: {matchLabels: {app: db}}"),
    )
    names = _names(found.http_filters(SERVER, 80, Phase.AUTHN))
    assert names == ["shop.high", "shop.low", "shop.none", "istio-system.root"]


def test_direction_and_port(shop: Any) -> None:
    found = _extensions(shop, _plugin("x", "match: [{mode: SERVER, ports: [{number: 8080}]}]"))
    taken = [
        bool(found.http_filters(listener_class, port, Phase.UNSPECIFIED))
        for listener_class, port in ((SERVER, 8080), (SERVER, 80), (CLIENT, 8080))
    ]
    assert taken == [True, False, False]


def test_network_filters(shop: Any) -> None:
    found = _extensions(shop, _plugin("x", "type: NETWORK, phase: STATS"))
    assert not found.http_filters(SERVER, 80, Phase.STATS)
    (network,) = found.network_filters(SERVER, 80)
    assert to_json(network)["config_discovery"]["type_urls"][0].endswith("filters.network.wasm.v3.Wasm")


def test_lua_comes_with_its_code(shop: Any) -> None:
    found = _extensions(shop, _plugin("x", "lua: {inlineCode: 'code'}", kind="TrafficExtension"))
    (lua,) = found.http_filters(CLIENT, 80, Phase.UNSPECIFIED)
    assert to_json(lua)["typed_config"]["default_source_code"] == {"inline_string": "code"}
    assert found.configurations(shop.push(), [lua.name]) == []


def test_configuration_of_a_remote_module(shop: Any) -> None:
    secret = base64.b64encode(b'{"auths":{}}').decode()
    shop.put(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: pull, namespace: shop}\n"
        f"data: {{.dockerconfigjson: {secret}}}"
    )
    spec = (
        "{url: registry/x:1, sha256: aa, imagePullPolicy: Always, imagePullSecret: pull, failStrategy: FAIL_OPEN,"
        " pluginConfig: {b: 1, a: x}, vmConfig: {env: [{name: A, value: v}, {name: H, valueFrom: HOST}]}}"
    )
    found = _extensions(
        shop,
        _plugin("x", "").replace("{url: 'file:///x.wasm', }", spec),
    )
    name = "extensions.istio.io/trafficextension/shop.x~istio-translated-wasmplugin"
    (config,) = found.configurations(shop.push(), [name])
    plugin = to_json(config)["typed_config"]["config"]
    vm = plugin["vm_config"]
    assert vm["code"]["remote"]["http_uri"] == {"uri": "oci://registry/x:1", "timeout": "30s", "cluster": "_"}
    assert plugin["configuration"]["value"] == '{"a":"x","b":1}'
    assert plugin["failure_policy"] == "FAIL_OPEN"
    assert vm["environment_variables"] == {
        "host_env_keys": ["H"],
        "key_values": {
            "A": "v",
            "ISTIO_META_WASM_IMAGE_PULL_POLICY": "Always",
            "ISTIO_META_WASM_IMAGE_PULL_SECRET": '{"auths":{}}',
            "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1",
        },
    }
