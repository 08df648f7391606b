"""Pods by name and address, and the groups they count for."""

from __future__ import annotations

from meshsim.api import make_object
from meshsim.network import Party
from meshsim.world.behaviour import Behaviour
from meshsim.world.directory import Directory, Group, PodEntry, group_of


def _entry(name: str, address: str, number: int) -> PodEntry:
    return PodEntry(
        name=name,
        namespace="shop",
        uid=name,
        address=address,
        party=Party(),
        group=Group("shop", "cart", "v1"),
        service_account="cart",
        has_proxy=True,
        is_gateway=False,
        number=number,
        proxy_number=number,
        behaviour=Behaviour(0, (), 0, False),
    )


def test_the_newest_holder_of_an_address_counts() -> None:
    directory = Directory()
    old, new = _entry("a", "10.0.0.1", 0), _entry("b", "10.0.0.1", 1)
    directory.add(old)
    directory.add(new)
    assert directory.at("10.0.0.1") is new
    assert directory.get("a.shop") is old
    assert directory.all == [old, new]
    assert new.identity == "ns/shop/sa/cart"


def test_groups_follow_the_canonical_labels() -> None:
    def pod(**labels: str):  # type: ignore[no-untyped-def]
        return make_object(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "labels": labels}}
        )

    assert group_of(pod(app="cart", version="v2"), "w") == Group("n", "cart", "v2")
    assert group_of(pod(), "w") == Group("n", "w", "latest")
    labelled = {"service.istio.io/canonical-name": "c", "app": "cart"}
    assert group_of(pod(**labelled), "w").app == "c"


def test_group_numbers_are_given_once() -> None:
    directory = Directory()
    assert [directory.group_number(Group("n", a, "")) for a in ("x", "y", "x")] == [0, 1, 0]
