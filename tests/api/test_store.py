"""A set of objects against a plain dictionary."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from meshsim.api import ApiObject, ObjectKey, ObjectStore

_OBJECTS = st.builds(
    ApiObject,
    api_version=st.sampled_from(["v1", "networking.istio.io/v1", "gateway.networking.k8s.io/v1"]),
    kind=st.sampled_from(["Service", "Gateway"]),
    name=st.sampled_from(["a", "b"]),
    namespace=st.sampled_from(["x", "y"]),
    created=st.integers(0, 3),
)


@given(st.lists(st.tuples(st.booleans(), _OBJECTS)))
def test_store_is_a_dictionary_by_key(steps: list[tuple[bool, ApiObject]]) -> None:
    store = ObjectStore()
    model: dict[ObjectKey, ApiObject] = {}
    for is_put, item in steps:
        if is_put:
            assert store.put(item) == model.get(item.key)
            model[item.key] = item
        else:
            assert store.remove(item.key) == model.pop(item.key, None)
    assert len(store) == len(model)
    assert {item.key: item for item in store} == model
    for kind in ("Service", "Gateway"):
        wanted = [item for item in model.values() if item.kind == kind]
        assert store.select(kind) == sorted(wanted, key=lambda o: (o.namespace, o.name, o.group))
    assert store.kinds() == sorted({item.kind for item in model.values()})


def test_select_by_group_and_namespace() -> None:
    gateway = ApiObject(api_version="networking.istio.io/v1", kind="Gateway", name="g", namespace="x")
    other = replace(gateway, api_version="gateway.networking.k8s.io/v1")
    store = ObjectStore([gateway, other])
    assert store.select("Gateway", "networking.istio.io") == [gateway]
    assert store.select("Gateway", namespace="y") == []
    assert store.find("Gateway", "x", "g") is gateway
    assert store.find("Gateway", "x", "h") is None
    assert store.get(other.key) is other
