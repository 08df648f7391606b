"""How much of a type a push regenerates."""

from __future__ import annotations

import pytest

from meshsim.api import ObjectStore, make_object
from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.dependencies import NO_SCOPE, Scope
from meshsim.controlplane.generation import affected_hosts, host_of_cluster
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.push_context import PushContext, build_push_context

HOSTS = ("a.shop.svc.cluster.local", "b.shop.svc.cluster.local", "c.far.svc.cluster.local")


def _push() -> PushContext:
    bodies: list[dict[str, object]] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": address, "clusterIPs": [address], "ports": [{"name": "http", "port": 80}]},
        }
        for name, namespace, address in (("a", "shop", "10.1.1.1"), ("b", "shop", "10.1.1.2"), ("c", "far", "10.1.1.3"))
    ]
    bodies.append(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "for-a", "namespace": "shop"},
            "spec": {"host": "a"},
        }
    )
    return build_push_context(ObjectStore(make_object(b) for b in bodies), build_mesh_config({}))


def _hosts(kind: str, name: str, namespace: str) -> set[str]:
    request = PushRequest({ConfigKey(kind, name, namespace): None}, {"config": 1})
    scope = Scope(frozenset(HOSTS), frozenset(), frozenset({"shop", "far"}))
    return set(affected_hosts(request, _push(), scope, scope))


def test_hosts_that_a_change_touches() -> None:
    assert _hosts("Endpoints", HOSTS[0], "shop") == {HOSTS[0]}
    assert _hosts("DestinationRule", "for-a", "shop") == {HOSTS[0]}
    assert _hosts("DestinationRule", "deleted", "shop") == set(HOSTS), "whatever it was for"
    assert _hosts("PeerAuthentication", "default", "shop") == set(HOSTS[:2])
    assert _hosts("VirtualService", "any", "shop") == set()


def test_services_that_came_into_sight_are_sent() -> None:
    after = Scope(frozenset(HOSTS), frozenset(), frozenset())
    request = PushRequest({ConfigKey("Sidecar", "x", "shop"): None}, {"config": 1})
    assert affected_hosts(request, _push(), NO_SCOPE, after) == frozenset(HOSTS)


@pytest.mark.parametrize(
    ("cluster", "host"),
    [
        ("outbound|80|v1|reviews.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
        ("outbound_.443_._.reviews.default.svc.cluster.local", "reviews.default.svc.cluster.local"),
        ("inbound|8080||", ""),
    ],
)
def test_the_host_in_a_cluster_name(cluster: str, host: str) -> None:
    assert host_of_cluster(cluster) == host
