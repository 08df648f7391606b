"""Which change of endpoints asks for which push (istio pilot/pkg/model/endpointshards.go)."""

from __future__ import annotations

from meshsim.controlplane.endpoint_index import EndpointIndex, PushType
from meshsim.controlplane.model import Endpoint, Health, Registry

HOST = ("cart.shop.svc.cluster.local", "shop")
KUBE, EXTERNAL = Registry.KUBERNETES, Registry.EXTERNAL


def _endpoint(address: str, account: str = "cart", health: Health = Health.HEALTHY) -> Endpoint:
    return Endpoint(address=address, port=80, port_name="http", service_account=account, health=health)


def _known(*endpoints: Endpoint) -> EndpointIndex:
    index = EndpointIndex()
    assert index.update(*HOST, KUBE, endpoints) is PushType.FULL, "a new service"
    return index


def test_equal_endpoints_in_any_order_push_nothing() -> None:
    index = _known(_endpoint("1"), _endpoint("2"))
    assert index.update(*HOST, KUBE, [_endpoint("2"), _endpoint("1")]) is PushType.NONE


def test_endpoints_that_come_go_or_change_are_incremental() -> None:
    index = _known(_endpoint("1"))
    assert index.update(*HOST, KUBE, [_endpoint("1"), _endpoint("2")]) is PushType.INCREMENTAL
    assert index.update(*HOST, KUBE, [_endpoint("1")]) is PushType.INCREMENTAL
    assert index.update(*HOST, KUBE, [_endpoint("1", health=Health.UNHEALTHY)]) is PushType.INCREMENTAL


def test_another_identity_is_a_full_push() -> None:
    index = _known(_endpoint("1"))
    assert index.update(*HOST, KUBE, [_endpoint("1"), _endpoint("2", "other")]) is PushType.FULL


def test_a_service_that_lost_all_endpoints_is_not_new_when_they_come_back() -> None:
    index = _known(_endpoint("1"))
    assert index.update(*HOST, KUBE, []) is PushType.INCREMENTAL
    assert index.update(*HOST, KUBE, [_endpoint("1")]) is PushType.INCREMENTAL, "its identities were kept"
    assert index.update(*HOST, KUBE, []) is PushType.INCREMENTAL
    assert index.update(*HOST, KUBE, [_endpoint("1", "other")]) is PushType.FULL


def test_a_deleted_service_is_new_when_it_comes_back() -> None:
    index = _known(_endpoint("1"))
    index.delete(*HOST, KUBE)
    assert index.update(*HOST, KUBE, [_endpoint("1")]) is PushType.FULL


def test_a_host_lives_until_its_last_registry_lets_it_go() -> None:
    index = _known(_endpoint("1"))
    assert index.update(*HOST, EXTERNAL, [_endpoint("9")]) is PushType.INCREMENTAL
    index.delete(*HOST, KUBE)
    assert index.update(*HOST, KUBE, [_endpoint("1")]) is PushType.INCREMENTAL
    index.delete("unknown", "shop", KUBE)


def test_no_endpoints_of_an_unknown_service_make_it_not_known() -> None:
    index = EndpointIndex()
    assert index.update(*HOST, KUBE, []) is PushType.INCREMENTAL
    assert index.update(*HOST, KUBE, [_endpoint("1")]) is PushType.FULL
