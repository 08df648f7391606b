from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshsim.api import ApiObject, ObjectStore, make_object
from meshsim.controlplane.snapshot import Snapshot, identical, kept


def test_a_later_change_does_not_reach_it(shop: Any) -> None:
    snapshot = Snapshot(shop.store)
    shop.remove("Service", "shop", "web")
    assert [o.name for o in snapshot.select("Service")] == ["web"]
    assert [o.name for o in Snapshot(shop.store).select("Service")] == []


def test_objects_are_selected_by_group_and_namespace(shop: Any) -> None:
    for group in ("networking.istio.io/v1", "gateway.networking.k8s.io/v1"):
        shop.store.put(
            make_object({"apiVersion": group, "kind": "Gateway", "metadata": {"name": "g", "namespace": "n"}})
        )
    snapshot = Snapshot(shop.store)
    assert len(snapshot.select("Gateway")) == 2
    assert [o.group for o in snapshot.select("Gateway", "networking.istio.io")] == ["networking.istio.io"]
    assert snapshot.select("Gateway", None, "other") == []
    item = snapshot.select("Service")[0]
    assert snapshot.get(item.key) is item


def test_kinds_are_the_same_as_long_as_no_object_of_theirs_changed(shop: Any) -> None:
    before = Snapshot(shop.store)
    shop.put("{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {}}")
    after = Snapshot(shop.store)
    assert after.same(before, "Pod", "EndpointSlice")
    assert not after.same(before, "Pod", "Service")
    assert not after.same(None)


def test_identical_means_the_very_objects() -> None:
    one, other = [1], [1]
    assert identical((one,), [one])
    assert not identical((one,), (other,))
    assert not identical((), (one,))


_STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=8)


@given(st.sets(st.integers(0, 5)), _STEPS)
def test_a_difference_names_what_came_and_went(first: set[int], steps: list[tuple[bool, int]]) -> None:
    store = ObjectStore(_pod(number) for number in first)
    before = Snapshot(store)
    for puts, number in steps:
        if puts:
            store.put(_pod(number))
        else:
            store.remove(_pod(number).key)
    after = Snapshot(store)
    gone, come = after.since(before, "Pod")
    old, new = ({id(item) for item in snapshot.select("Pod")} for snapshot in (before, after))
    assert {id(item) for item in gone} == old - new
    assert {id(item) for item in come} == new - old
    assert after.since(before, "Service") == ((), ())


def _pod(number: int) -> ApiObject:
    return ApiObject(api_version="v1", kind="Pod", name=f"pod-{number}", namespace="n")


def test_a_tuple_of_the_same_objects_stays_the_same_tuple() -> None:
    one, other = [1], [2]
    before = (one, other)
    assert kept(before, tuple(iter(before))) is before
    now = (other, one)
    assert kept(before, now) is now
