"""Indexes follow every change of an object."""

from __future__ import annotations

from typing import Any

from meshsim.api import ApiObject, make_object
from meshsim.kube.index import OwnerIndex, PodIndex


def _pod(name: str, node: str = "", owner: str = "", **labels: str) -> ApiObject:
    references: list[dict[str, Any]] = [{"kind": "ReplicaSet", "name": owner, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "n", "labels": labels, "ownerReferences": references}
    return make_object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}})


def test_pods_by_node_label_and_owner() -> None:
    index = PodIndex()
    first, second = _pod("a", owner="r", app="x", v="1"), _pod("b", owner="r", app="x", v="2")
    index.replace(first, None)
    index.replace(second, None)
    assert [p.name for p in index.labelled("n", {"app": "x"})] == ["a", "b"]
    assert [p.name for p in index.labelled("n", {"app": "x", "v": "2"})] == ["b"]
    assert index.count_on_node("") == 2
    moved = _pod("a", "node-1", "r", app="y")
    index.replace(moved, first)
    assert [p.name for p in index.on_node("node-1")] == ["a"]
    assert [p.name for p in index.labelled("n", {"app": "x"})] == ["b"]
    assert index.labelled("n", {"v": "1"}) == []
    index.discard(moved)
    assert [p.name for p in index.owned("n", "ReplicaSet", "r")] == ["b"]
    assert index.on_node("node-1") == []


def test_owned_objects_keep_their_order() -> None:
    index = OwnerIndex()
    for name in ("z", "a"):
        index.put(_pod(name, owner="r"))
    index.put(_pod("z", "elsewhere", "r"))
    assert [item.name for item in index.owned("n", "ReplicaSet", "r")] == ["z", "a"]
