"""API-server defaults of services, pods and namespaces."""

from __future__ import annotations

from typing import Any

from meshsim.api import ApiObject, Fields, make_object
from meshsim.kube.defaults import default_body
from meshsim.network import Addresses


def _service(**spec: Any) -> ApiObject:
    return make_object(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "shop"}, "spec": spec}
    )


def _spec(item: ApiObject, before: ApiObject | None = None, addresses: Addresses | None = None) -> Fields:
    return Fields(default_body(item, addresses or Addresses(), before)).fields("spec")


def test_a_plain_service_gets_type_address_and_ports() -> None:
    spec = _spec(_service(ports=[{"port": 80}]))
    assert spec.text("type") == "ClusterIP"
    assert spec.text("clusterIP").startswith("10.")
    assert spec.texts("clusterIPs") == (spec.text("clusterIP"),)
    assert spec.items("ports")[0].body == {"port": 80, "protocol": "TCP", "targetPort": 80}


def test_an_address_is_kept_over_updates() -> None:
    addresses = Addresses()
    first = _spec(_service(ports=[{"port": 80}]), None, addresses)
    stored = make_object({**_service().body, "spec": dict(first.body)})
    assert _spec(_service(ports=[{"port": 81}]), stored, addresses).text("clusterIP") == first.text("clusterIP")


def test_headless_and_external_services_get_none() -> None:
    assert _spec(_service(clusterIP="None")).text("clusterIP") == "None"
    assert "clusterIP" not in _spec(_service(type="ExternalName", externalName="a.example"))


def test_node_ports_are_drawn_from_the_range() -> None:
    (port,) = _spec(_service(type="NodePort", ports=[{"port": 80}])).items("ports")
    assert 30000 <= port.integer("nodePort") <= 32767
    (own,) = _spec(_service(type="LoadBalancer", ports=[{"port": 80, "nodePort": 30080}])).items("ports")
    assert own.integer("nodePort") == 30080


def test_pods_and_namespaces() -> None:
    given = {"restartPolicy": "Never"}
    pod = make_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": given})
    spec = _spec(pod)
    assert spec.text("restartPolicy") == "Never"
    assert spec.integer("terminationGracePeriodSeconds") == 30
    namespace = make_object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"a": "b"}}})
    labels = Fields(default_body(namespace, Addresses(), None)).fields("metadata").text_map("labels")
    assert labels == {"a": "b", "kubernetes.io/metadata.name": "n"}
