"""Defaults that the API server fills into Gateway API objects, where the conversion tells a given from a missing value.

From the schemas of Gateway API 1.6; all other defaults read the same as absence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from meshsim.api import ApiObject, ObjectKey, ObjectView
from meshsim.controlplane.conversion.inputs import GATEWAY_GROUP

Body = dict[str, object]

_PATH: Final = {"type": "PathPrefix", "value": "/"}
_REDIRECT_STATUS: Final = 302
_CORS_MAX_AGE: Final = 5


class DefaultedView:
    """Objects as the API server stores them."""

    __slots__ = ("_objects",)

    def __init__(self, objects: ObjectView) -> None:
        self._objects = objects

    def select(self, kind: str, group: str | None = None, namespace: str | None = None) -> list[ApiObject]:
        found = self._objects.select(kind, group, namespace)
        fill = _BY_KIND.get(kind) if group == GATEWAY_GROUP else None
        return found if fill is None else [_filled(item, fill) for item in found]

    def get(self, key: ObjectKey) -> ApiObject | None:
        found = self._objects.get(key)
        fill = _BY_KIND.get(key.kind) if key.group == GATEWAY_GROUP else None
        return found if found is None or fill is None else _filled(found, fill)


def _filled(item: ApiObject, fill: Callable[[Body], None]) -> ApiObject:
    spec = item.body.get("spec")
    body = dict(spec) if isinstance(spec, Mapping) else {}
    fill(body)
    return replace(item, body={**item.body, "spec": body})


def _fill_listeners(spec: Body) -> None:
    listeners = _copies(spec.get("listeners"))
    for listener in listeners:
        tls = listener.get("tls")
        if isinstance(tls, Mapping):
            listener["tls"] = {"mode": "Terminate", **tls}
    spec["listeners"] = listeners


def _fill_http_route(spec: Body) -> None:
    rules = _copies(spec.get("rules")) or [{}]
    for rule in rules:
        matches = _copies(rule.get("matches")) or [{}]
        for match in matches:
            path = match.get("path")
            match["path"] = {**_PATH, **path} if isinstance(path, Mapping) else _PATH
        rule["matches"] = matches
        if "filters" in rule:
            rule["filters"] = [_filled_filter(filter_) for filter_ in _copies(rule["filters"])]
    spec["rules"] = rules


def _filled_filter(filter_: Body) -> Body:
    for key, field, default in (
        ("requestRedirect", "statusCode", _REDIRECT_STATUS),
        ("cors", "maxAge", _CORS_MAX_AGE),
    ):
        value = filter_.get(key)
        if isinstance(value, Mapping):
            filter_[key] = {field: default, **value}
    return filter_


def _copies(value: object) -> list[Body]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [dict(item) if isinstance(item, Mapping) else {} for item in value]


_BY_KIND: Final[Mapping[str, Callable[[Body], None]]] = {
    "Gateway": _fill_listeners,
    "ListenerSet": _fill_listeners,
    "HTTPRoute": _fill_http_route,
}
