"""Names as a pod's resolver completes and answers them (Kubernetes, "DNS for Services and Pods")."""

from __future__ import annotations

import pytest

from meshsim.api import ObjectStore, make_object
from meshsim.network.dns import AnswerKind, Resolver


def _service(name: str, namespace: str, **spec: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _resolver() -> Resolver:
    bodies: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        _service("cart", "shop", clusterIP="10.96.0.1"),
        _service("db", "data", clusterIP="None"),
        _service("alias", "shop", type="ExternalName", externalName="cart.shop.svc.cluster.local"),
        _service("out", "shop", type="ExternalName", externalName="api.example.com"),
        _service("loop", "shop", type="ExternalName", externalName="loop.shop.svc.cluster.local"),
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "db-1", "namespace": "data", "labels": {"kubernetes.io/service-name": "db"}},
            "endpoints": [
                {"addresses": ["10.244.0.5"], "conditions": {"ready": True}},
                {"addresses": ["10.244.0.6"], "conditions": {"ready": False}},
            ],
        },
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "pay", "namespace": "shop"},
            "spec": {"hosts": ["pay.example.com"], "addresses": ["240.0.0.1"]},
        },
    ]
    return Resolver(ObjectStore(make_object(b) for b in bodies))


@pytest.mark.parametrize(
    "name",
    ["cart", "cart.shop", "cart.shop.svc", "cart.shop.svc.cluster.local", "cart.shop.svc.cluster.local.", "CART"],
)
def test_a_service_by_all_its_names(name: str) -> None:
    answer = _resolver().resolve(name, "shop")
    assert answer is not None
    assert (answer.host, answer.addresses) == ("cart.shop.svc.cluster.local", ("10.96.0.1",))


def test_a_short_name_means_the_own_namespace() -> None:
    assert _resolver().resolve("cart", "data") is None


def test_a_headless_service_answers_with_ready_endpoints() -> None:
    answer = _resolver().resolve("db.data", "shop")
    assert answer is not None
    assert (answer.kind, answer.addresses) == (AnswerKind.HEADLESS, ("10.244.0.5",))


def test_external_names_are_followed() -> None:
    resolver = _resolver()
    assert resolver.resolve("alias", "shop").host == "cart.shop.svc.cluster.local"  # type: ignore[union-attr]
    outside = resolver.resolve("out", "shop")
    assert outside is not None
    assert (outside.kind, outside.host) == (AnswerKind.EXTERNAL, "api.example.com")
    assert resolver.resolve("loop", "shop") is None


def test_a_service_entry_answers_with_its_address() -> None:
    answer = _resolver().resolve("pay.example.com", "shop")
    assert answer is not None
    assert (answer.kind, answer.addresses) == (AnswerKind.ENTRY, ("240.0.0.1",))


@pytest.mark.parametrize("name", ["nothing", "nothing.shop", "x.y.svc.cluster.local"])
def test_names_of_the_kube_that_do_not_exist(name: str) -> None:
    assert _resolver().resolve(name, "shop") is None


def test_a_name_outside_has_a_stable_address_of_the_documentation_ranges() -> None:
    one = _resolver().resolve("www.example.org", "shop")
    two = _resolver().resolve("www.example.org", "data")
    assert one == two
    assert one is not None
    assert one.addresses[0].startswith(("192.0.2.", "198.51.100.", "203.0.113."))
