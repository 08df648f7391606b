"""Which VirtualService and DestinationRule were in force for requests to a host, and where they were written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.api.rules.names import covers
from meshsim.scenario import LoadedScenario
from meshsim.units import Nanos

_KINDS: Final = ("VirtualService", "DestinationRule")
_POLICIES: Final = ("loadBalancer", "connectionPool", "outlierDetection", "tls", "portLevelSettings")
_RETRIES: Final = 2
"""Attempts beyond the first of a route without `retries` (istio pilot/pkg/networking/core/route/retry, 1.31)."""


def config_in_force(loaded: LoadedScenario, service: str, route: str, at: Nanos) -> list[str]:
    """A line each for the route and the policy of a host at an instant: file, line, object, what it says."""
    concerned = [item for item in objects_at(loaded, at) if _is_for(item, service)]
    rules = [item for item in concerned if item.kind == "VirtualService"]
    policies = [item for item in concerned if item.kind == "DestinationRule"]
    lines = [_route_line(*_http_route(rules, route), loaded)] if rules else []
    return lines + [_policy_line(item) for item in policies[:1]]


def objects_at(loaded: LoadedScenario, at: Nanos) -> list[ApiObject]:
    """The routing objects there are at an instant, after what the timeline has applied, deleted and undone by then."""
    current: dict[ObjectKey, ApiObject] = {item.key: item for item in loaded.objects if _is_istio(item)}
    for action in loaded.actions:
        if action.at > at or (action.until is not None and at >= action.until):
            continue
        if action.entry.verb == "apply":
            current.update({item.key: item for item in action.objects if _is_istio(item)})
        elif action.entry.verb == "delete":
            gone = {(item.kind, item.namespace, item.name) for item in action.objects}
            gone |= {(reference.kind, reference.namespace, reference.name) for reference in action.references}
            current = {k: item for k, item in current.items() if (k.kind, k.namespace, k.name) not in gone}
    return list(current.values())


def _is_istio(item: ApiObject) -> bool:
    return item.kind in _KINDS and item.group.endswith("istio.io")


def _is_for(item: ApiObject, service: str) -> bool:
    """Whether one of an object's hosts means this one; names without a dot are those of the object's namespace."""
    hosts = item.spec.texts("hosts") if item.kind == "VirtualService" else [item.spec.text("host")]
    return any(
        covers(host, service) if "." in host or host == "*" else service.startswith(f"{host}.{item.namespace}.")
        for host in hosts
    )


def _http_route(rules: list[ApiObject], name: str) -> tuple[ApiObject, Fields | None]:
    """The route of this name, else the first one."""
    routes = [(item, route) for item in rules for route in item.spec.items("http")]
    named = [(item, route) for item, route in routes if name and route.text("name") == name]
    return next(iter((*named, *routes)), (rules[0], None))


def _route_line(item: ApiObject, route: Fields | None, loaded: LoadedScenario) -> str:
    if route is None:
        return f"{_place(item, 'spec')} {item} (no HTTP routes)"
    timeout = route.text("timeout")
    said = [f"timeout {timeout}" if timeout else "no timeout", _retries(route, loaded.scenario.mesh.mesh_config)]
    fault = route.fields("fault")
    said += [f"with a fault ({', '.join(fault)})"] if fault else []
    return f"{_place(item, route.path)} {item} ({', '.join(said)})"


def _retries(route: Fields, mesh: Mapping[str, object]) -> str:
    if "retries" not in route:
        default = Fields(mesh).fields("defaultHttpRetryPolicy").optional_integer("attempts")
        return f"default {_RETRIES} retries" if default is None else f"the mesh's {default} retries"
    attempts = route.fields("retries").integer("attempts")
    return f"{attempts} retries" if attempts else "no retries"


def _policy_line(item: ApiObject) -> str:
    policy = item.spec.fields("trafficPolicy")
    said = [name for name in _POLICIES if name in policy]
    return f"{_place(item, 'spec.trafficPolicy')} {item} ({', '.join(said) or 'no traffic policy'})"


def _place(item: ApiObject, path: str) -> str:
    position = item.position(path)
    return f"{position.file}:{position.line}" if position is not None else "made in the run:"
