"""Which watch event asks for which push; the cases were recorded from istiod 1.31 (oracle push/)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
import yaml

from meshsim.api import ApiObject, make_object
from meshsim.controlplane.events import Consequences, EventReader

Reader = Callable[..., "Watched"]

HOST = "web.shop.svc.cluster.local"
HEADLESS = """
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: PORT, port: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: peers-1, namespace: shop, labels: {kubernetes.io/service-name: peers}}
addressType: IPv4
ports: [{name: PORT, port: 8080}]
endpoints: [{addresses: [10.244.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-0, namespace: shop}}]
"""
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mixed, namespace: shop}
spec:
  hosts: [mixed.example.org]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{name: http, number: 80, protocol: HTTP}]
  workloadSelector: {labels: {app: web}}
"""
WORKLOAD = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop}
spec: {address: 10.9.9.9, labels: {app: web}, serviceAccount: web}
"""
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: shop}
spec: {hosts: [web], http: [{delegate: {name: leaf}}, {delegate: {name: leaf, namespace: far}}]}
"""


class Watched:
    """A mesh and the reader of its events."""

    def __init__(self, mesh: Any) -> None:
        self._mesh = mesh
        self.reader = EventReader(mesh.mesh, mesh.store)

    def write(self, body: str | Mapping[str, Any]) -> Consequences:
        """Apply a document."""
        item = make_object(yaml.safe_load(body) if isinstance(body, str) else deepcopy(dict(body)))
        before = self._mesh.store.put(item)
        return self.reader.read("add" if before is None else "update", item, before)

    def delete(self, kind: str, name: str) -> Consequences:
        item = self._mesh.store.find(kind, "shop", name)
        self._mesh.store.remove(item.key)
        return self.reader.read("delete", item, item)

    def body(self, kind: str, name: str) -> dict[str, Any]:
        """A document to change and write again."""
        item: ApiObject = self._mesh.store.find(kind, "shop", name)
        copied: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(item.body)))
        return copied


@pytest.fixture
def watched(small_mesh: Callable[..., Any], shop: Any) -> Callable[[str], Watched]:
    """A shop, with more documents."""

    def make(more: str = "", mesh: str = "") -> Watched:
        found = small_mesh(more, mesh)
        for item in shop.store:
            found.store.put(item)
        return Watched(found)

    return make


def _keys(found: Consequences) -> list[tuple[str, str]]:
    return [(key.kind, key.name) for key in found.request.keys]


# --- services -------------------------------------------------------------------------------------------------


def test_a_service_is_pushed_by_its_host_when_it_differs(watched: Reader) -> None:
    mesh = watched()
    body = mesh.body("Service", "web")
    assert _keys(mesh.write(body)) == [], "the same"
    body["metadata"]["labels"] = {"tier": "front"}
    found = mesh.write(body)
    assert _keys(found) == [("ServiceEntry", HOST)]
    assert found.request.reasons == {"service": 1}
    body["spec"]["ports"][0]["targetPort"] = "named"
    assert _keys(mesh.write(body)) == [("ServiceEntry", HOST)]
    assert _keys(mesh.delete("Service", "web")) == [("ServiceEntry", HOST)]


def test_a_service_exported_to_nobody_is_not_pushed(watched: Reader) -> None:
    mesh = watched()
    hidden = {"networking.istio.io/exportTo": "~"}
    body = {**mesh.body("Service", "web"), "metadata": {"name": "b", "namespace": "shop", "annotations": hidden}}
    assert _keys(mesh.write(body)) == []
    body["spec"] = {**body["spec"], "ports": [{"name": "tcp", "port": 1}]}
    assert _keys(mesh.write(body)) == []
    assert _keys(mesh.delete("Service", "b")) == []


def test_a_service_that_comes_back_brings_its_endpoints_without_a_push_of_their_own(watched: Reader) -> None:
    mesh = watched()
    body, slices = mesh.body("Service", "web"), mesh.body("EndpointSlice", "web-1")
    mesh.delete("Service", "web")
    assert _keys(mesh.write(body)) == [("ServiceEntry", HOST)]
    slices["endpoints"].pop()
    assert _keys(mesh.write(slices)) == [("Endpoints", HOST)], "not a new service any more"


# --- endpoint slices ------------------------------------------------------------------------------------------


def test_changed_endpoints_are_pushed_alone(watched: Reader) -> None:
    mesh = watched()
    body = mesh.body("EndpointSlice", "web-1")
    body["metadata"]["annotations"] = {"touched": "yes"}
    assert _keys(mesh.write(body)) == []
    body["endpoints"][0]["conditions"]["ready"] = False
    found = mesh.write(body)
    assert _keys(found) == [("Endpoints", HOST)]
    assert found.request.reasons == {"endpoint": 1}
    assert _keys(mesh.delete("EndpointSlice", "web-1")) == [("Endpoints", HOST)]


def test_the_first_slice_of_a_service_is_a_full_push(watched: Reader) -> None:
    mesh = watched()
    body = mesh.body("EndpointSlice", "web-1")
    body["metadata"] = {"name": "b-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "b"}}
    assert _keys(mesh.write(body)) == [("ServiceEntry", "b.shop.svc.cluster.local")]


@pytest.mark.parametrize(("port", "kind"), [("http", "DNSName"), ("tcp", "ServiceEntry")])
def test_slices_of_headless_services_also_change_names_or_listeners(watched: Reader, port: str, kind: str) -> None:
    mesh = watched(HEADLESS.replace("PORT", port))
    host = "peers.shop.svc.cluster.local"
    body = mesh.body("EndpointSlice", "peers-1")
    touched = mesh.write(body)
    assert _keys(touched) == [(kind, host)]
    assert touched.request.reasons == {"headlessendpoint": 1}
    body["endpoints"] = []
    found = mesh.write(body)
    assert _keys(found) == [("Endpoints", host), (kind, host)]
    assert found.request.reasons == {"endpoint": 1, "headlessendpoint": 1}


def test_namespaces_out_of_sight_are_silent_until_they_are_chosen(watched: Reader) -> None:
    mesh = watched("", "discoverySelectors: [{matchLabels: {mesh: 'yes'}}]")
    assert _keys(mesh.write(mesh.body("Service", "web"))) == []
    assert _keys(mesh.write(mesh.body("EndpointSlice", "web-1"))) == []
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"mesh": "yes"}}}
    assert ("ServiceEntry", HOST) in _keys(mesh.write(space))
    space["metadata"] = {"name": "shop", "labels": {"mesh": "no"}}
    assert ("ServiceEntry", HOST) in _keys(mesh.write(space))


def test_labels_of_namespaces_mean_nothing_without_selectors(watched: Reader) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "b"}}}
    assert _keys(watched().write(space)) == []


# --- pods -----------------------------------------------------------------------------------------------------


def test_a_relabelled_pod_updates_its_proxy_and_the_endpoints_of_its_services(watched: Reader) -> None:
    mesh = watched()
    body = mesh.body("Pod", "web-0")
    assert mesh.write(body) == Consequences(), "the same"
    body["metadata"]["labels"]["more"] = "yes"
    found = mesh.write(body)
    assert list(found.addresses) == ["10.244.0.1"]
    assert _keys(found) == [("Endpoints", HOST)]


def test_a_pod_updates_its_proxy_whenever_it_becomes_ready(watched: Reader) -> None:
    mesh = watched()
    body = mesh.body("Pod", "web-0")
    body["metadata"]["name"], body["status"]["podIP"] = "web-7", "10.244.0.7"
    ready = body["status"]["conditions"]
    body["status"]["conditions"] = []
    assert list(mesh.write(body).addresses) == []
    for _ in range(2):
        body["status"]["conditions"] = ready
        assert list(mesh.write(body).addresses) == ["10.244.0.7"]
        body["status"]["conditions"] = []
        assert list(mesh.write(body).addresses) == []


# --- ServiceEntries and WorkloadEntries -----------------------------------------------------------------------


def test_a_service_entry_updates_the_proxies_it_begins_or_ceases_to_select(watched: Reader) -> None:
    mesh = watched()
    both = ["10.244.0.1", "10.244.0.2"]
    found = mesh.write(ENTRY)
    assert _keys(found) == [("ServiceEntry", "mixed.example.org")]
    assert sorted(found.addresses) == both
    assert mesh.write(ENTRY) == Consequences(), "the same"
    body = yaml.safe_load(ENTRY)
    body["spec"]["ports"].append({"name": "tcp", "number": 90, "protocol": "TCP"})
    assert sorted(mesh.write(body).addresses) == both
    assert sorted(mesh.delete("ServiceEntry", "mixed").addresses) == both


def test_inline_endpoints_update_no_proxy(watched: Reader) -> None:
    body = yaml.safe_load(ENTRY)
    del body["spec"]["workloadSelector"]
    body["spec"]["endpoints"] = [{"address": "10.244.0.1"}]
    mesh = watched()
    assert list(mesh.write(body).addresses) == []
    body["spec"]["endpoints"] = [{"address": "10.244.0.2"}]
    found = mesh.write(body)
    assert _keys(found) == [("Endpoints", "mixed.example.org")]
    assert list(found.addresses) == []


def test_endpoints_that_envoy_resolves_change_the_cluster(watched: Reader) -> None:
    body = yaml.safe_load(ENTRY)
    del body["spec"]["workloadSelector"]
    body["spec"].update(resolution="DNS", endpoints=[{"address": "a.example.org"}])
    mesh = watched()
    mesh.write(body)
    assert mesh.write(body) == Consequences(), "the same"
    body["spec"]["endpoints"] = [{"address": "b.example.org"}]
    assert ("ServiceEntry", "mixed.example.org") in _keys(mesh.write(body))


def test_a_workload_entry_is_an_endpoint_of_what_selects_it(watched: Reader) -> None:
    mesh = watched()
    mesh.write(ENTRY)
    found = mesh.write(WORKLOAD)
    assert sorted(_keys(found)) == [("Endpoints", "mixed.example.org"), ("Endpoints", HOST)]
    assert list(found.addresses) == ["10.9.9.9"]
    assert mesh.write(WORKLOAD) == Consequences(), "the same"
    assert ("Endpoints", HOST) in _keys(mesh.delete("WorkloadEntry", "vm"))


# --- configuration --------------------------------------------------------------------------------------------


def test_istio_objects_are_pushed_even_when_they_did_not_change(watched: Reader) -> None:
    mesh = watched()
    for _ in range(2):
        assert _keys(mesh.write(ROUTE)) == [("VirtualService", "root")]
    assert _keys(mesh.delete("VirtualService", "root")) == [("VirtualService", "root")]


def test_a_delegate_changes_the_virtual_services_that_lead_to_it(watched: Reader) -> None:
    mesh = watched(ROUTE)
    leaf = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": {"http": [{}]}}
    leaf["metadata"] = {"name": "leaf", "namespace": "shop"}
    assert _keys(mesh.write(leaf)) == [("VirtualService", "leaf"), ("VirtualService", "root")]
    assert _keys(mesh.write(leaf)) == [("VirtualService", "leaf")], "the same"
    leaf["metadata"] = {"name": "leaf", "namespace": "far"}
    assert ("VirtualService", "root") in _keys(mesh.write(leaf))
    leaf["metadata"] = {"name": "leaf", "namespace": "elsewhere"}
    assert _keys(mesh.write(leaf)) == [("VirtualService", "leaf")]


def test_a_wasm_plugin_is_also_a_traffic_extension(watched: Reader) -> None:
    plugin = {"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "x"}}
    assert [kind for kind, _ in _keys(watched().write(plugin))] == ["WasmPlugin", "TrafficExtension"]


def test_gateway_api_objects_are_pushed_as_what_istio_makes_of_them(watched: Reader) -> None:
    mesh = watched(
        """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
"""
    )
    api = "gateway.networking.k8s.io/v1"
    gateway = {"apiVersion": api, "kind": "Gateway", "metadata": {"name": "gw", "namespace": "shop"}}
    gateway["spec"] = {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    assert {kind for kind, _ in _keys(mesh.write(gateway))} == {"Gateway"}
    route = {"apiVersion": api, "kind": "HTTPRoute", "metadata": {"name": "r", "namespace": "shop"}}
    route["spec"] = {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}
    assert {kind for kind, _ in _keys(mesh.write(route))} == {"VirtualService"}
    assert _keys(mesh.write(route)) == [], "the same"


def test_kinds_pilot_does_not_read_push_nothing(watched: Reader) -> None:
    assert watched().write({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}) == Consequences()
