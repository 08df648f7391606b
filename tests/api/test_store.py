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


@given(st.lists(st.tuples(st.booleans(), _OBJECTS)), st.booleans())
def test_store_is_a_dictionary_by_key(steps: list[tuple[bool, ApiObject]], asked: bool) -> None:
    store = ObjectStore()
    model: dict[ObjectKey, ApiObject] = {}
    for is_put, item in steps:
        if is_put:
            assert store.put(item) == model.get(item.key)
            model[item.key] = item
        else:
            assert store.remove(item.key) == model.pop(item.key, None)
        if asked:
            # The order is kept from the first time somebody asks for it.
            store.select(item.kind)
    assert len(store) == len(model)
    assert {item.key: item for item in store} == model
    for kind in ("Service", "Gateway"):
        wanted = [item for item in model.values() if item.kind == kind]
        wanted.sort(key=lambda o: (o.namespace, o.name, o.group))
        assert store.select(kind) == list(store.listed(kind)) == wanted
        assert store.select(kind, namespace="x") == [item for item in wanted if item.namespace == "x"]
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


def test_objects_of_a_kind_are_one_tuple_until_one_of_them_changes() -> None:
    item = ApiObject(api_version="v1", kind="Service", name="b", namespace="x")
    first, last = replace(item, name="a"), replace(item, namespace="y")
    store = ObjectStore([last, item])
    listed = store.listed("Service")
    assert listed == (item, last)
    store.put(replace(item, kind="Pod"))
    assert store.listed("Service") is listed
    store.put(first)
    assert store.listed("Service") == (first, item, last)
    assert store.select("Service", namespace="x") == [first, item]
    store.remove(item.key)
    assert store.listed("Service") == (first, last)
    assert store.listed("Secret") == ()
