"""kube-proxy's choice: ready endpoints of the port behind a cluster IP."""

from __future__ import annotations

from meshsim.api import ObjectStore, make_object
from meshsim.world.services import Backends

OBJECTS = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}, {"name": "tls", "port": 443}]},
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "cart-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart"}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        ],
    },
]


def test_a_cluster_ip_leads_to_ready_endpoints() -> None:
    backends = Backends(ObjectStore(make_object(body) for body in OBJECTS))
    assert [str(e) for e in backends.of("10.96.0.1", 80)] == ["10.0.0.1:8080"]
    assert backends.of("10.96.0.1", 443) == ()
    assert backends.of("10.96.0.1", 81) == ()


def test_any_other_address_is_itself() -> None:
    backends = Backends(ObjectStore(make_object(body) for body in OBJECTS))
    assert [str(e) for e in backends.of("192.0.2.1", 443)] == ["192.0.2.1:443"]
