from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import make_object
from meshsim.controlplane.kube_registry import workload_name
from meshsim.controlplane.model import Health, Locality

HOST = "web.shop.svc.cluster.local"


def _pod(labels: dict[str, str], owner: dict[str, Any] | None) -> Any:
    metadata: dict[str, Any] = {"name": "web-abc-xyz", "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [{"kind": "Node", "name": "n"}, {**owner, "controller": True}]
    return make_object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


@pytest.mark.parametrize(
    ("labels", "owner", "want"),
    [
        ({}, None, "web-abc-xyz"),
        ({"pod-template-hash": "abc"}, {"kind": "ReplicaSet", "name": "web-abc"}, "web"),
        ({}, {"kind": "ReplicaSet", "name": "web-abc"}, "web-abc"),
        ({"rollouts-pod-template-hash": "abc"}, {"kind": "ReplicaSet", "name": "web-abc"}, "web"),
        ({}, {"kind": "StatefulSet", "name": "web"}, "web"),
        ({}, {"kind": "Job", "name": "nightly-28283820"}, "nightly"),
        ({}, {"kind": "Job", "name": "once-12"}, "once-12"),
        ({"deploymentconfig": "dc"}, {"kind": "ReplicationController", "name": "dc-1"}, "dc"),
    ],
)
def test_workload_name(labels: dict[str, str], owner: dict[str, Any] | None, want: str) -> None:
    assert workload_name(_pod(labels, owner)) == want


def test_endpoints_carry_what_pod_and_node_say(shop: Any) -> None:
    first, second = shop.push().registry.kube.endpoints(HOST, "shop")
    assert (first.address, first.port, first.port_name) == ("10.244.0.1", 8080, "http")
    assert first.locality == Locality("eu", "eu-1")
    assert first.service_account == "spiffe://cluster.local/ns/shop/sa/web"
    assert first.tls_mode == "istio"
    assert first.labels["version"] == "v1"
    assert first.labels["topology.kubernetes.io/zone"] == "eu-1"
    assert second.labels["version"] == "v2"


@pytest.mark.parametrize(
    ("conditions", "session", "want"),
    [
        ({}, False, Health.HEALTHY),
        ({"ready": True}, False, Health.HEALTHY),
        ({"ready": False, "terminating": False}, False, Health.UNHEALTHY),
        ({"ready": False, "terminating": True}, False, Health.TERMINATING),
        ({"ready": False, "serving": True, "terminating": True}, True, Health.DRAINING),
        ({"ready": False, "serving": False, "terminating": True}, True, Health.TERMINATING),
    ],
)
def test_health(shop: Any, conditions: dict[str, bool], session: bool, want: Health) -> None:
    if session:
        shop.put(
            "{apiVersion: v1, kind: Service, spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]},"
            " metadata: {name: web, namespace: shop, labels: {istio.io/persistent-session: s}}}"
        )
    shop.put(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{name: http, port: 1}],"
        " metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}},"
        f" endpoints: [{{addresses: [10.244.0.1], conditions: {conditions}}}]}}".replace("'", "")
        .replace("True", "true")
        .replace("False", "false")
    )
    (endpoint,) = shop.push().registry.kube.endpoints(HOST, "shop")
    assert endpoint.health is want


def test_a_slice_that_names_an_unknown_pod_waits_for_it(shop: Any) -> None:
    shop.remove("Pod", "shop", "web-1")
    assert [e.address for e in shop.push().registry.kube.endpoints(HOST, "shop")] == ["10.244.0.1"]


def test_service_targets_are_what_selects_the_pod(shop: Any) -> None:
    targets = shop.push().service_targets(shop.proxy("shop", "web-0"))
    assert [(t.service.hostname, t.port.port, t.target_port) for t in targets] == [(HOST, 80, 8080)]
    assert shop.push().service_targets(shop.proxy("shop", "client-0")) == ()


def test_unchanged_objects_are_not_converted_again(shop: Any) -> None:
    before = shop.push()
    service = before.service(HOST, "shop")
    endpoints = before.registry.endpoint_set(service)
    shop.put("{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {clusterIP: 10.96.0.2}}")
    after = shop.push()
    assert after.service(HOST, "shop") is service
    assert after.registry.endpoint_set(service) is endpoints


def test_a_changed_pod_makes_its_endpoints_anew(shop: Any) -> None:
    before = shop.push()
    before.registry.endpoint_set(before.service(HOST, "shop"))
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop, labels: {app: web, version: v3}},"
        " spec: {nodeName: n1, serviceAccountName: web}, status: {phase: Running, podIP: 10.244.0.1}}"
    )
    after = shop.push()
    service = after.service(HOST, "shop")
    assert service is before.service(HOST, "shop")
    assert [e.labels["version"] for e in after.endpoints(service, service.ports[0])] == ["v3", "v2"]


def test_only_what_changed_is_read_anew(shop: Any) -> None:
    shop.put("{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {selector: {app: x}}}")
    first = shop.push().registry.kube
    assert first.changed is None
    shop.put("{apiVersion: v1, kind: Namespace, metadata: {name: elsewhere}}")
    same = shop.push().registry.kube
    assert same.changed == frozenset()
    assert same.services is first.services
    assert same.sources(HOST, "shop") == first.sources(HOST, "shop")
    shop.put(
        "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}},"
        " spec: {nodeName: n1}, status: {phase: Running, podIP: 10.244.0.2}}"
    )
    after = shop.push().registry.kube
    assert after.changed == {HOST}
    assert not after.same_pods
    assert [service is known for service, known in zip(after.services, first.services)] == [True, True]


def test_of_two_pods_at_one_address_the_first_by_name_counts(shop: Any) -> None:
    shop.push()
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: NAME, namespace: shop}, status: {podIP: 10.244.0.77}}"
    for name, first in (("m", "m"), ("z", "m"), ("a", "a")):
        shop.put(pod.replace("NAME", name))
        assert shop.push().registry.kube.pods_by_ip["10.244.0.77"].name == first
    shop.remove("Pod", "shop", "a")
    assert shop.push().registry.kube.pods_by_ip["10.244.0.77"].name == "m"
    for name in ("m", "z"):
        shop.remove("Pod", "shop", name)
    assert "10.244.0.77" not in shop.push().registry.kube.pods_by_ip
