"""Editing containers makes new documents and keeps the order."""

from __future__ import annotations

from typing import Any

from meshsim.admission.containers import containers, edit_proxy, environment, find, has_proxy, move, with_containers

POD: dict[str, Any] = {
    "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "istio-proxy", "env": []}]}
}


def test_finding_and_moving() -> None:
    items = containers(POD, "containers")
    assert find(items, "b") == {"name": "b"}
    assert find(items, "c") is None
    assert [c["name"] for c in move(items, "b", first=True)] == ["b", "a"]
    assert [c["name"] for c in move(items, "a", first=False)] == ["b", "a"]
    assert move(items, "c", first=True) == items


def test_an_edit_reaches_the_proxy_wherever_it_is() -> None:
    edited = edit_proxy(POD, lambda proxy: {**proxy, "env": [*environment(proxy), {"name": "X"}]})
    assert environment(containers(edited, "initContainers")[0]) == [{"name": "X"}]
    assert environment(containers(POD, "initContainers")[0]) == []
    assert has_proxy(POD)
    assert not has_proxy({"spec": {"containers": [{"name": "a"}]}})


def test_no_init_containers_means_no_field() -> None:
    emptied: Any = with_containers(POD, "initContainers", [])
    assert "initContainers" not in emptied["spec"]
    assert "containers" in with_containers({"spec": {}}, "containers", [])["spec"]  # type: ignore[operator]
