"""Endpoint slices: who is behind a service, ports by name, slices filled and split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.api import make_object
from meshsim.kube import KubeSettings

if TYPE_CHECKING:
    from meshsim.api import ApiObject
    from tests.kube.conftest import Cluster, Make, Start


def _slices(cluster: Cluster, service: str) -> list[ApiObject]:
    found = cluster.kube.server.objects.select("EndpointSlice", None, "shop")
    return [item for item in found if item.labels["kubernetes.io/service-name"] == service]


def test_a_slice_says_where_and_who(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 1), make.service("web")])
    (item,) = _slices(cluster, "web")
    (pod,) = cluster.kube.pods("shop")
    assert item.labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert item.fields.text("addressType") == "IPv4"
    assert item.body["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    (endpoint,) = item.fields.items("endpoints")
    assert endpoint.text("nodeName") == pod.spec.text("nodeName")
    assert endpoint.text("zone").startswith("region-1")
    assert endpoint.fields("targetRef").text("name") == pod.name


def test_named_target_ports_may_differ_by_pod(make: Make, start: Start) -> None:
    def pod(name: str, port: int) -> ApiObject:
        app = {"name": "app", "image": "x", "ports": [{"name": "http", "containerPort": port}]}
        return make.pod(name, {"app": "web"}, containers=[app])

    cluster = start([pod("a", 8080), pod("b", 8081), pod("c", 8080), make.service("web")])
    ports = {
        item.fields.items("ports")[0].integer("port"): len(item.fields.items("endpoints"))
        for item in _slices(cluster, "web")
    }
    assert ports == {8080: 2, 8081: 1}


def test_slices_hold_a_hundred_endpoints_and_are_filled_before_new_ones(make: Make, start: Start) -> None:
    settings = KubeSettings(endpoints_per_slice=10)
    cluster = start([make.workload("web", 25), make.service("web")], settings=settings)
    sizes = [len(item.fields.items("endpoints")) for item in _slices(cluster, "web")]
    assert sorted(sizes) == [5, 10, 10]
    names = [item.name for item in _slices(cluster, "web")]
    cluster.kube.scale(cluster.ref("web"), 28)
    cluster.run(30)
    assert sorted(len(item.fields.items("endpoints")) for item in _slices(cluster, "web")) == [8, 10, 10]
    assert [item.name for item in _slices(cluster, "web")] == names


def test_an_endpoint_stays_in_its_slice(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 3), make.service("web")])
    (before,) = _slices(cluster, "web")
    order = [e.texts("addresses")[0] for e in before.fields.items("endpoints")]
    cluster.kube.kill(cluster.kube.pods("shop")[1:2])
    cluster.run(20)
    (after,) = _slices(cluster, "web")
    kept = [a for a in order if a in cluster.ready("web")]
    assert [e.texts("addresses")[0] for e in after.fields.items("endpoints")][:2] == kept


def test_a_service_without_pods_has_an_empty_slice(make: Make, start: Start) -> None:
    cluster = start([make.service("web")])
    (item,) = _slices(cluster, "web")
    assert item.body["endpoints"] == []


def test_a_service_without_selector_is_left_alone(make: Make, start: Start) -> None:
    own = make_object(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "own", "namespace": "shop", "labels": {"kubernetes.io/service-name": "ext"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"]}],
            "ports": [{"port": 80}],
        }
    )
    cluster = start([make.service("ext", selector=None), own])
    assert [item.name for item in _slices(cluster, "ext")] == ["own"]


def test_headless_and_unready_addresses(make: Make, start: Start) -> None:
    service = make.service("db", clusterIP="None", publishNotReadyAddresses=True)
    cluster = start([make.workload("db", 1, kind="StatefulSet", serviceName="db"), service])
    (item,) = _slices(cluster, "db")
    assert item.labels["service.kubernetes.io/headless"] == ""
    assert item.fields.items("endpoints")[0].text("hostname") == "db-0"
    cluster.kube.crash(cluster.kube.pods("shop"))
    cluster.run(1.1)
    (state,) = cluster.endpoints("db").values()
    assert [state.flag(key) for key in ("ready", "serving")] == [True, False]


def test_a_changed_selector_and_changed_labels(make: Make, start: Start) -> None:
    cluster = start([make.workload("v1", 1), make.workload("v2", 1), make.service("web", selector={"app": "v1"})])
    cluster.kube.apply(make.service("web", selector={"app": "v2"}))
    cluster.run(1)
    (address,) = cluster.ready("web")
    (pod,) = cluster.kube.pods("shop", {"app": "v2"})
    assert address == pod.status.text("podIP")
    relabelled = {**pod.metadata.body, "labels": {"app": "elsewhere"}}
    cluster.kube.apply(make_object({**pod.body, "metadata": relabelled}))
    cluster.run(1)
    assert address not in cluster.ready("web")


def test_latency_from_pod_to_slice(make: Make, start: Start) -> None:
    cluster = start([make.workload("web", 2), make.service("web")])
    cluster.kube.kill(cluster.kube.pods("shop")[:1])
    cluster.run(1)
    seen = [c.written for c in cluster.changes if c.object.kind == "EndpointSlice"]
    settings = cluster.kube.settings
    assert seen[0] == settings.watch_latency + settings.controller_latency
