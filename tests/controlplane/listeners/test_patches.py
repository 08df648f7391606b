from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields, make_object
from meshsim.controlplane.envoy_filters import EnvoyFilterIndex, PatchContext, PatchSet
from meshsim.controlplane.listeners.patches import (
    added_extension_configs,
    patch_listeners,
    relevant_patches,
    touches_listeners,
)
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.xds.messages import listener_pb2
from meshsim.xds.packing import from_json, to_json

HCM = "envoy.filters.network.http_connection_manager"
HCM_TYPE = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
OUTBOUND = PatchContext.SIDECAR_OUTBOUND
INBOUND = PatchContext.SIDECAR_INBOUND
SUB = {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": "b"}}}}


def _patches(*configs: dict[str, Any]) -> PatchSet:
    item = make_object(
        {
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": {"name": "f", "namespace": "n"},
            "spec": {"configPatches": list(configs)},
        }
    )
    proxy = Proxy(
        id="p.n",
        node_id="",
        type=ProxyType.SIDECAR,
        addresses=("10.0.0.1",),
        name="p",
        namespace="n",
        dns_domain="",
        labels={},
        metadata=Fields(None),
    )
    return EnvoyFilterIndex((item,), "root").for_proxy(proxy)


def _config(apply_to: str, operation: str, value: Any = None, context: str = "", **listener: Any) -> dict[str, Any]:
    match: dict[str, Any] = {"context": context} if context else {}
    if listener:
        match["listener"] = listener
    patch = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": apply_to, "match": match, "patch": patch}


def _listener(name: str = "0.0.0.0_80", port: int = 80, **match: Any) -> listener_pb2.Listener:
    filters = [{"name": name} for name in ("a", "b", "c")]
    manager = {"name": HCM, "typed_config": {"@type": HCM_TYPE, "stat_prefix": "x", "http_filters": filters}}
    body = {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "listener_filters": [{"name": "l1"}, {"name": "l2"}],
        "filter_chains": [{"name": "http", "filters": [{"name": "n1"}, manager], "filter_chain_match": match}],
    }
    return from_json(body, listener_pb2.Listener)


def _patched(*configs: dict[str, Any], context: PatchContext = OUTBOUND, **listener: Any) -> list[dict[str, Any]]:
    return [to_json(item) for item in patch_listeners([_listener(**listener)], _patches(*configs), context)]


def _names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def _http(listener: dict[str, Any]) -> list[str]:
    return _names(listener["filter_chains"][0]["filters"][-1]["typed_config"]["http_filters"])


NEW = {"name": "new"}


@pytest.mark.parametrize(
    ("operation", "match", "want"),
    [
        ("ADD", SUB, ["a", "b", "c", "new"]),
        ("INSERT_FIRST", SUB, ["new", "a", "b", "c"]),
        ("INSERT_BEFORE", SUB, ["a", "new", "b", "c"]),
        ("INSERT_AFTER", SUB, ["a", "b", "new", "c"]),
        ("REPLACE", SUB, ["a", "new", "c"]),
        ("REMOVE", SUB, ["a", "c"]),
        ("MERGE", SUB, ["a", "b", "c"]),
        ("INSERT_BEFORE", {}, ["new", "a", "b", "c"]),
        ("INSERT_AFTER", {}, ["a", "b", "c", "new"]),
        ("REPLACE", {}, ["a", "b", "c"]),
        ("REMOVE", {}, ["a", "b", "c"]),
        ("INSERT_AFTER", {"filterChain": {"filter": {"name": HCM, "subFilter": {"name": "z"}}}}, ["a", "b", "c"]),
        ("ADD", {"filterChain": {"filter": {"name": "other"}}}, ["a", "b", "c"]),
        ("ADD", {"portNumber": 81}, ["a", "b", "c"]),
    ],
)
def test_http_filters(operation: str, match: dict[str, Any], want: list[str]) -> None:
    assert _http(_patched(_config("HTTP_FILTER", operation, NEW, **match))[0]) == want


def test_network_filters() -> None:
    match = {"filterChain": {"filter": {"name": HCM}}}
    chain = _patched(_config("NETWORK_FILTER", "INSERT_BEFORE", NEW, **match))[0]["filter_chains"][0]
    assert _names(chain["filters"]) == ["n1", "new", HCM]
    merged = _patched(
        _config("NETWORK_FILTER", "MERGE", {"typed_config": {"@type": HCM_TYPE, "xff_num_trusted_hops": 2}}, **match)
    )[0]["filter_chains"][0]["filters"][1]["typed_config"]
    assert (merged["xff_num_trusted_hops"], merged["stat_prefix"], len(merged["http_filters"])) == (2, "x", 3)


def test_merging_may_replace_lists() -> None:
    value = {"typed_config": {"@type": HCM_TYPE, "http_filters": [{"name": "only"}]}}
    match = {"filterChain": {"filter": {"name": HCM}}}
    assert _http(_patched(_config("NETWORK_FILTER", "MERGE", value, **match))[0]) == ["a", "b", "c", "only"]
    assert _http(_patched(_config("NETWORK_FILTER", "MERGE_AND_REPLACE_LIST", value, **match))[0]) == ["only"]


def test_listener_filters() -> None:
    found = _patched(_config("LISTENER_FILTER", "INSERT_AFTER", NEW, listenerFilter="l1"))[0]
    assert _names(found["listener_filters"]) == ["l1", "new", "l2"]


def test_chains() -> None:
    added = _patched(_config("FILTER_CHAIN", "ADD", {"name": "more", "filters": [{"name": "n"}]}))[0]
    assert _names(added["filter_chains"]) == ["http", "more"]
    removed = _patched(_config("FILTER_CHAIN", "REMOVE", filterChain={"name": "http"}))[0]
    assert "filter_chains" not in removed
    merged = _patched(_config("FILTER_CHAIN", "MERGE", {"transport_socket_connect_timeout": "3s"}))[0]
    assert merged["filter_chains"][0]["transport_socket_connect_timeout"] == "3s"


def test_the_port_means_a_chain_of_a_virtual_listener() -> None:
    config = _config("HTTP_FILTER", "ADD", NEW, portNumber=8080)
    for port, count in ((8080, 4), (9090, 3)):
        found = _patched(config, name="virtualInbound", port=15006, context=INBOUND, destination_port=port)
        assert len(_http(found[0])) == count


def test_listeners_are_removed_merged_and_added() -> None:
    assert _patched(_config("LISTENER", "REMOVE", portNumber=80)) == []
    merged = _patched(_config("LISTENER", "MERGE", {"per_connection_buffer_limit_bytes": 9}, name="0.0.0.0_80"))
    assert merged[0]["per_connection_buffer_limit_bytes"] == 9
    assert _names(_patched(_config("LISTENER", "ADD", NEW))) == ["0.0.0.0_80", "new"]
    # Without a context only outbound and gateway listeners get it, so that sidecars have it once.
    assert _names(_patched(_config("LISTENER", "ADD", NEW), context=INBOUND)) == ["0.0.0.0_80"]


def test_the_context_decides() -> None:
    assert _http(_patched(_config("HTTP_FILTER", "ADD", NEW, context="GATEWAY"))[0]) == ["a", "b", "c"]


def test_patches_of_other_things_do_not_matter() -> None:
    clusters, routes = _patches(_config("CLUSTER", "MERGE", {})), _patches(_config("HTTP_ROUTE", "MERGE", {}))
    assert not relevant_patches(clusters)
    assert relevant_patches(routes) is routes
    assert not touches_listeners(routes)
    assert touches_listeners(_patches(_config("LISTENER", "REMOVE")))


def test_extension_configurations_are_added_by_name() -> None:
    patches = _patches(_config("EXTENSION_CONFIG", "ADD", NEW))
    assert [c.name for c in added_extension_configs(patches, ["new", "old"])] == ["new"]
    assert added_extension_configs(patches, ["old"]) == []
