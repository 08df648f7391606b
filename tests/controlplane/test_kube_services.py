from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import make_object
from meshsim.controlplane.kube_services import (
    convert_service,
    selected_port,
    service_distribution,
    spiffe_id,
    target_port,
    traffic_distribution,
)
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Protocol, Resolution, Service

MESH = build_mesh_config()


def _convert(spec: dict[str, Any], **metadata: Any) -> Service:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", **metadata}}
    item = make_object({**body, "spec": spec})
    return convert_service(item, MESH, service_distribution(item, {}))


def test_a_cluster_ip_is_balanced_by_the_client() -> None:
    service = _convert({"clusterIP": "10.96.0.1", "ports": [{"port": 80, "name": "http"}], "selector": {"a": "b"}})
    assert service.hostname == "web.shop.svc.cluster.local"
    assert service.resolution is Resolution.CLIENT_SIDE_LB
    assert service.addresses == ("10.96.0.1",)
    assert service.ports[0].protocol is Protocol.HTTP
    assert service.selector == {"a": "b"}


def test_headless_and_external_names() -> None:
    headless = _convert({"clusterIP": "None"})
    assert headless.resolution is Resolution.PASSTHROUGH
    assert headless.is_headless
    assert headless.default_address == "0.0.0.0"
    alias = _convert({"type": "ExternalName", "externalName": "real.example.com"})
    assert alias.resolution is Resolution.ALIAS
    assert alias.mesh_external
    assert alias.external_name == "real.example.com"


def test_addresses_outsiders_use() -> None:
    spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.1", "externalIPs": ["10.1.1.1"]}
    item = make_object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "lb"},
            "spec": spec,
            "status": {"loadBalancer": {"ingress": [{"ip": "10.2.2.2"}, {"hostname": "lb.example.com"}]}},
        }
    )
    assert convert_service(item, MESH, "").external_addresses == ("10.2.2.2", "lb.example.com", "10.1.1.1")


def test_annotations() -> None:
    annotations = {
        "networking.istio.io/exportTo": "., other",
        "alpha.istio.io/canonical-serviceaccounts": "spiffe://x/ns/a/sa/b",
        "alpha.istio.io/kubernetes-serviceaccounts": "c",
    }
    service = _convert({"clusterIP": "10.96.0.1"}, annotations=annotations)
    assert service.export_to == {".", "other"}
    assert service.service_accounts == ("spiffe://x/ns/a/sa/b", spiffe_id("cluster.local", "shop", "c"))


def test_traffic_distribution_comes_from_field_annotation_namespace() -> None:
    key = "networking.istio.io/traffic-distribution"
    assert traffic_distribution("PreferClose") == "PreferSameZone"
    assert traffic_distribution("", {key: "PreferSameNode"}, {key: "PreferClose"}) == "PreferSameNode"
    assert traffic_distribution("", {}, {key: "PreferClose"}) == "PreferSameZone"
    assert traffic_distribution("Any") == ""


@pytest.mark.parametrize(
    ("target", "want"), [(8080, 8080), (None, 80), ("web", 18080), ("native", 19090), ("gone", 0), ("8081", 8081)]
)
def test_target_ports_of_a_pod(target: object, want: int) -> None:
    port = {"port": 80, "name": "http"} | ({} if target is None else {"targetPort": target})
    service = _convert({"clusterIP": "10.96.0.1", "ports": [port]})
    pod = make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {
                "containers": [{"name": "app", "ports": [{"name": "web", "containerPort": 18080}]}],
                "initContainers": [
                    {"name": "i", "ports": [{"name": "gone", "containerPort": 1}]},
                    {"name": "s", "restartPolicy": "Always", "ports": [{"name": "native", "containerPort": 19090}]},
                ],
            },
        }
    )
    assert target_port(service, service.ports[0], pod) == want


def test_ports_of_a_selected_workload_entry() -> None:
    named = _convert({"clusterIP": "1.1.1.1", "ports": [{"port": 80, "name": "http", "targetPort": "web"}]})
    assert selected_port(named, named.ports[0], {"web": 9000}) == 9000
    assert selected_port(named, named.ports[0], {"http": 9000}) == 0
    plain = _convert({"clusterIP": "1.1.1.1", "ports": [{"port": 80, "name": "http", "targetPort": 8080}]})
    assert selected_port(plain, plain.ports[0], {"http": 9000}) == 8080
