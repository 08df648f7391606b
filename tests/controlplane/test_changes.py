"""Which watch event asks for which push (istio pilot/pkg/serviceregistry/kube/controller, pilot/pkg/bootstrap)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from meshsim.api import ApiObject, ObjectStore, make_object
from meshsim.controlplane.changes import PushRequest, request_for

DOMAIN = "cluster.local"


def _object(
    kind: str,
    name: str,
    group: str = "v1",
    spec: Mapping[str, object] | None = None,
    labels: Mapping[str, str] | None = None,
    **more: object,
) -> ApiObject:
    metadata = {"name": name, "namespace": "shop", "labels": dict(labels or {})}
    return make_object({"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec or {}, **more})


def _slice(*endpoints: tuple[str, bool], terminating: bool = False) -> ApiObject:
    return _object(
        "EndpointSlice",
        "cart-1",
        "discovery.k8s.io/v1",
        labels={"kubernetes.io/service-name": "cart"},
        ports=[{"name": "http", "port": 8080}],
        endpoints=[
            {
                "addresses": [address],
                "conditions": {"ready": ready, "terminating": terminating and not ready},
                "targetRef": {"kind": "Pod", "name": f"pod-{address}"},
            }
            for address, ready in endpoints
        ],
    )


def _pod(address: str, account: str) -> ApiObject:
    return _object("Pod", f"pod-{address}", spec={"serviceAccountName": account})


def _keys(request: PushRequest | None) -> list[tuple[str, str]]:
    assert request is not None
    return [(key.kind, key.name) for key in request.keys]


def test_a_service_is_keyed_by_its_full_name() -> None:
    service = _object("Service", "cart", spec={"ports": [{"port": 80}]})
    request = request_for("add", service, None, DOMAIN, ObjectStore())
    assert _keys(request) == [("ServiceEntry", "cart.shop.svc.cluster.local")]
    assert request is not None
    assert request.reasons == {"service": 1}


def test_a_service_update_that_changes_nothing_pushes_nothing() -> None:
    service = _object("Service", "cart", spec={"ports": [{"port": 80}]})
    assert request_for("update", service, service, DOMAIN, ObjectStore()) is None


def test_the_first_endpoints_of_a_service_are_a_full_push() -> None:
    request = request_for("add", _slice(("1", True)), None, DOMAIN, ObjectStore())
    assert _keys(request) == [("ServiceEntry", "cart.shop.svc.cluster.local")]


@pytest.mark.parametrize(
    ("before", "after", "pushes"),
    [
        ([("1", True)], [("1", True), ("2", True)], True),
        ([("1", True), ("2", True)], [("1", True)], True),
        ([("1", True)], [("1", False)], True),
        ([("1", True)], [("1", True)], False),
    ],
)
def test_endpoint_changes_are_incremental(
    before: list[tuple[str, bool]], after: list[tuple[str, bool]], pushes: bool
) -> None:
    objects = ObjectStore([_pod("1", "cart"), _pod("2", "cart")])
    request = request_for("update", _slice(*after), _slice(*before), DOMAIN, objects)
    if pushes:
        assert _keys(request) == [("Endpoints", "cart.shop.svc.cluster.local")]
    else:
        assert request is None


def test_another_service_account_makes_an_endpoint_change_a_full_push() -> None:
    objects = ObjectStore([_pod("1", "cart"), _pod("2", "other")])
    request = request_for("update", _slice(("1", True), ("2", True)), _slice(("1", True)), DOMAIN, objects)
    assert _keys(request) == [("ServiceEntry", "cart.shop.svc.cluster.local")]


def test_a_headless_service_also_asks_for_its_listeners() -> None:
    headless = _object("Service", "cart", spec={"clusterIP": "None"})
    objects = ObjectStore([headless, _pod("1", "cart"), _pod("2", "cart")])
    request = request_for("update", _slice(("1", True), ("2", True)), _slice(("1", True)), DOMAIN, objects)
    assert request is not None
    assert request.reasons == {"endpoint": 1, "headlessendpoint": 1}


def test_an_istio_object_is_its_own_kind() -> None:
    rule = _object("VirtualService", "cart", "networking.istio.io/v1", {"hosts": ["cart"]})
    assert _keys(request_for("add", rule, None, DOMAIN, ObjectStore())) == [("VirtualService", "cart")]
    changed = _object("VirtualService", "cart", "networking.istio.io/v1", {"hosts": ["cart", "b"]})
    assert _keys(request_for("update", changed, rule, DOMAIN, ObjectStore())) == [("VirtualService", "cart")]
    assert request_for("update", rule, rule, DOMAIN, ObjectStore()) is None


def test_kinds_pilot_does_not_read_push_nothing() -> None:
    assert request_for("add", _object("ConfigMap", "x"), None, DOMAIN, ObjectStore()) is None


def test_requests_merge() -> None:
    one = request_for("add", _object("VirtualService", "a", "networking.istio.io/v1"), None, DOMAIN, ObjectStore())
    two = request_for("add", _object("VirtualService", "b", "networking.istio.io/v1"), None, DOMAIN, ObjectStore())
    assert one is not None
    assert two is not None
    one.changes, two.changes = [1], [2]
    one.merge(two)
    assert _keys(one) == [("VirtualService", "a"), ("VirtualService", "b")]
    assert one.reasons == {"config": 2}
    assert one.changes == [1, 2]
