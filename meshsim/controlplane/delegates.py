"""Merging a delegate VirtualService's HTTP routes into the route of the root that refers to it.

Modelled on istio pilot/pkg/model/virtualservice.go (mergeHTTPRoutes), release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meshsim.api import Fields

_INHERITED: Final = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrorPercent",
    "mirrorPercentage",
    "corsPolicy",
    "mirrors",
    "headers",
)
"""Fields a delegate's route takes from the root when it does not set them."""

_STRING_MATCHES: Final = ("uri", "scheme", "method", "authority")
_MATCH_MAPS: Final = ("headers", "withoutHeaders", "queryParams")


def merge_routes(root: Fields, delegate: Sequence[Fields]) -> list[Mapping[str, object]]:
    """The delegate's routes narrowed by the root's matches; a route that contradicts the root is left out."""
    return [merged for route in delegate if (merged := _merge_route(root, route)) is not None]


def _merge_route(root: Fields, route: Fields) -> Mapping[str, object] | None:
    matches = _merge_matches(root.items("match"), route.items("match"))
    if matches is None:
        return None
    body = dict(route.body)
    body.pop("match", None)
    if matches:
        body["match"] = matches
    name = _joined(root.text("name"), route.text("name"))
    if name:
        body["name"] = name
    for key in _INHERITED:
        if key not in route and key in root:
            body[key] = root.value(key)
    return body


def _joined(root: str, own: str) -> str:
    return f"{root}-{own}" if root and own else root or own


def _merge_matches(root: Sequence[Fields], own: Sequence[Fields]) -> list[Mapping[str, object]] | None:
    """Each own condition joined with every root condition it does not contradict; `None` when one joins with none."""
    if not root or not own:
        return [match.body for match in (own or root)]
    merged: list[Mapping[str, object]] = []
    for leaf in own:
        partners = [outer for outer in root if not _conflict(outer, leaf)]
        if not partners:
            return None
        merged += [_merge_match(outer, leaf) for outer in partners]
    return merged


def _merge_match(root: Fields, leaf: Fields) -> Mapping[str, object]:
    body = dict(leaf.body)
    name = _joined(root.text("name"), leaf.text("name"))
    if name:
        body["name"] = name
    for key in (*_STRING_MATCHES, "sourceNamespace", "gateways", "statPrefix", "port"):
        if not leaf.value(key) and root.value(key):
            body[key] = root.value(key)
    for key in (*_MATCH_MAPS, "sourceLabels"):
        both = {**_map(root, key), **_map(leaf, key)}
        if both:
            body[key] = both
    return body


def _map(match: Fields, key: str) -> Mapping[str, object]:
    value = match.value(key)
    return value if isinstance(value, Mapping) else {}


def _conflict(root: Fields, leaf: Fields) -> bool:
    """Whether a delegate's condition is not a subset of the root's."""
    if any(_text_conflict(root, leaf, key) for key in _STRING_MATCHES):
        return True
    for key in _MATCH_MAPS:
        outer, inner = root.fields(key), leaf.fields(key)
        if any(_text_conflict(outer, inner, name) for name in inner):
            return True
    if root.flag("ignoreUriCase") != leaf.flag("ignoreUriCase"):
        return True
    if root.integer("port") and leaf.integer("port") and root.integer("port") != leaf.integer("port"):
        return True
    namespace = root.text("sourceNamespace")
    if namespace and leaf.text("sourceNamespace") != namespace:
        return True
    outer_labels = root.text_map("sourceLabels")
    if any(outer_labels.get(key, value) != value for key, value in leaf.text_map("sourceLabels").items()):
        return True
    return _gateways_conflict(root.texts("gateways"), leaf.texts("gateways"))


def _gateways_conflict(root: Sequence[str], leaf: Sequence[str]) -> bool:
    if not root or not leaf:
        return False
    return len(root) < len(leaf) or any(gateway not in root for gateway in leaf)


def _text_conflict(root: Fields, leaf: Fields, key: str) -> bool:
    """Whether two string matches contradict: only the same text, or a longer one under a prefix, goes together."""
    if key not in root or key not in leaf:
        return False
    outer, inner = root.fields(key), leaf.fields(key)
    kinds = ("regex", "prefix", "exact")
    if outer.text("regex") and any(inner.text(kind) for kind in kinds):
        return True
    if inner.text("regex") and any(outer.text(kind) for kind in kinds):
        return True
    if exact := outer.text("exact"):
        return bool(inner.text("prefix")) or inner.text("exact") != exact
    if prefix := outer.text("prefix"):
        if inner.text("prefix"):
            return not inner.text("prefix").startswith(prefix)
        if inner.text("exact"):
            return not inner.text("exact").startswith(prefix)
    return True
