"""Editing the containers of a pod document; documents are never changed in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from meshsim.admission.context import PROXY
from meshsim.admission.parts import Body
from meshsim.api import Fields


def containers(body: Mapping[str, object], kind: str) -> list[Body]:
    """The containers of a pod document."""
    return [dict(c.body) for c in Fields(body).fields("spec").items(kind)]


def with_containers(body: Body, kind: str, items: Sequence[Body]) -> Body:
    spec = {**Fields(body).fields("spec").body}
    if items or kind == "containers":
        spec[kind] = list(items)
    else:
        spec.pop(kind, None)
    return {**body, "spec": spec}


def find(items: Sequence[Body], name: object) -> Body | None:
    return next((c for c in items if c.get("name") == name), None)


def edit_proxy(body: Body, edit: Callable[[Body], Body]) -> Body:
    """The pod with its first istio-proxy container edited, looked for among containers first."""
    for kind in ("containers", "initContainers"):
        items = containers(body, kind)
        if find(items, PROXY) is not None:
            return with_containers(body, kind, [edit(c) if c.get("name") == PROXY else c for c in items])
    return body


def has_proxy(body: Body) -> bool:
    return any(find(containers(body, kind), PROXY) is not None for kind in ("containers", "initContainers"))


def environment(proxy: Body) -> list[Body]:
    return [dict(entry.body) for entry in Fields(proxy).items("env")]


def move(items: list[Body], name: str, *, first: bool) -> list[Body]:
    found = [c for c in items if c.get("name") == name]
    rest = [c for c in items if c.get("name") != name]
    return [*found[-1:], *rest] if first else [*rest, *found[-1:]]
