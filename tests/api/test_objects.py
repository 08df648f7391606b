"""One API object."""

from __future__ import annotations

from meshsim.api import ApiObject, ObjectKey, Origin
from meshsim.errors import Position


def test_group_and_key() -> None:
    core = ApiObject(api_version="v1", kind="Service", name="a", namespace="shop")
    assert core.group == ""
    assert str(core) == "Service shop/a"
    gateway = ApiObject(api_version="gateway.networking.k8s.io/v1", kind="Gateway", name="g", namespace="shop")
    assert gateway.key == ObjectKey("gateway.networking.k8s.io", "Gateway", "shop", "g")
    assert str(ObjectKey("", "Node", "", "n1")) == "Node n1"


def test_views_of_the_body() -> None:
    item = ApiObject(
        api_version="v1",
        kind="Service",
        name="a",
        body={"metadata": {"uid": "u"}, "spec": {"type": "ClusterIP"}, "status": {"x": 1}, "data": {"k": "v"}},
    )
    assert item.spec.text("type") == "ClusterIP"
    assert item.spec.at("type") == "spec.type"
    assert item.status.integer("x") == 1
    assert item.metadata.text("uid") == "u"
    assert item.fields.text_map("data") == {"k": "v"}
    empty = ApiObject(api_version="v1", kind="Service", name="a", body={"spec": None})
    assert not empty.spec
    assert not empty.status
    assert not empty.metadata


def test_origin_does_not_count_for_equality() -> None:
    written = ApiObject(api_version="v1", kind="Service", name="a", origin=Origin("m.yaml", 3, "kind: Service\n"))
    made = ApiObject(api_version="v1", kind="Service", name="a")
    assert written == made
    assert made.position("kind") is None
    assert written.position("kind") == Position("m.yaml", 3, 1)
