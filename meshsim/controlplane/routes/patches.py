"""EnvoyFilter patches of route configurations, virtual hosts and routes.

Modelled on istio pilot/pkg/networking/core/envoyfilter/rc_patch.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.envoy_filters import Patch, PatchContext, PatchSet, merge_into
from meshsim.controlplane.gateways import parse_route_name
from meshsim.xds.messages import route_components_pb2, route_pb2

PortMap = Mapping[int, frozenset[int]]
"""Declared ports behind each container port of a gateway."""

_TARGETS: Final = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_ACTIONS: Final = {"ROUTE": "route", "REDIRECT": "redirect", "DIRECT_RESPONSE": "direct_response"}


def patched_body(body: bytes, patches: PatchSet, context: PatchContext, port_map: PortMap) -> bytes:
    """A serialized RouteConfiguration after the patches that are about routes."""
    if not any(patches.of(target) for target in _TARGETS):
        return body
    configuration = route_pb2.RouteConfiguration.FromString(body)
    patch_configuration(configuration, patches, context, port_map)
    return configuration.SerializeToString(deterministic=True)


def patch_configuration(
    configuration: route_pb2.RouteConfiguration, patches: PatchSet, context: PatchContext, port_map: PortMap
) -> None:
    """Apply the patches in place: merges of the whole, then hosts and their routes, then added hosts."""
    wanted = {
        target: [
            patch
            for patch in patches.of(target)
            if patch.in_context(context) and _configuration_matches(patch, configuration.name, context, port_map)
        ]
        for target in _TARGETS
    }
    for patch in wanted["ROUTE_CONFIGURATION"]:
        value = patch.build(route_pb2.RouteConfiguration)
        if patch.operation == "MERGE" and value is not None:
            merge_into(configuration, value)
    hosts = []
    for host in configuration.virtual_hosts:
        patched = _patched_host(host, wanted["VIRTUAL_HOST"])
        if patched is not None:
            _patch_routes(patched, wanted["HTTP_ROUTE"])
            hosts.append(patched)
    for patch in wanted["VIRTUAL_HOST"]:
        added = patch.build(route_components_pb2.VirtualHost) if patch.operation == "ADD" else None
        if added is not None:
            hosts.append(added)
    kept = [route_components_pb2.VirtualHost.FromString(host.SerializeToString()) for host in hosts]
    del configuration.virtual_hosts[:]
    configuration.virtual_hosts.extend(kept)


def _patched_host(
    host: route_components_pb2.VirtualHost, patches: list[Patch]
) -> route_components_pb2.VirtualHost | None:
    for patch in patches:
        if not _host_matches(patch, host):
            continue
        if patch.operation == "REMOVE":
            return None
        value = patch.build(route_components_pb2.VirtualHost)
        if value is not None and patch.operation == "MERGE":
            merge_into(host, value)
        elif value is not None and patch.operation == "REPLACE":
            host = value
    return host


def _patch_routes(host: route_components_pb2.VirtualHost, patches: list[Patch]) -> None:
    wanted = [patch for patch in patches if _host_matches(patch, host)]
    if not wanted:
        return
    routes = [route for route in host.routes if _keep_route(route, wanted)]
    for patch in wanted:
        value = patch.build(route_components_pb2.Route)
        if value is not None:
            _insert_route(routes, patch, value)
    kept = [route_components_pb2.Route.FromString(route.SerializeToString()) for route in routes]
    del host.routes[:]
    host.routes.extend(kept)


def _keep_route(route: route_components_pb2.Route, patches: list[Patch]) -> bool:
    """Merge into a route; false when a patch removes it."""
    for patch in patches:
        if not _route_matches(patch, route):
            continue
        if patch.operation == "REMOVE":
            return False
        value = patch.build(route_components_pb2.Route) if patch.operation == "MERGE" else None
        if value is not None:
            merge_into(route, value)
    return True


def _insert_route(routes: list[route_components_pb2.Route], patch: Patch, value: route_components_pb2.Route) -> None:
    """Put a new route in its place; one that wants a certain neighbour needs it to be there."""
    operation = patch.operation
    if operation == "ADD":
        routes.append(value)
        return
    if operation not in ("INSERT_AFTER", "INSERT_BEFORE", "INSERT_FIRST"):
        return
    if "route" not in patch.match.fields("routeConfiguration").fields("vhost"):
        at = len(routes) if operation == "INSERT_AFTER" else 0
    else:
        found = next((i for i, route in enumerate(routes) if _route_matches(patch, route)), None)
        if found is None:
            return
        at = {"INSERT_AFTER": found + 1, "INSERT_BEFORE": found}.get(operation, 0)
    routes.insert(at, value)


def _configuration_matches(patch: Patch, name: str, context: PatchContext, port_map: PortMap) -> bool:
    match = patch.match.fields("routeConfiguration")
    if match.text("name") not in ("", name):
        return False
    port = match.integer("portNumber")
    if context is not PatchContext.GATEWAY:
        return port in (0, _listener_port(name))
    number, port_name, gateway = parse_route_name(name)
    if port and port not in port_map.get(number, frozenset((number,))):
        return False
    return match.text("portName") in ("", port_name) and match.text("gateway") in ("", gateway)


def _listener_port(name: str) -> int:
    """Port in the name of a sidecar's route configuration, inbound ones being named as clusters are."""
    text = name.split("|")[1] if name.startswith("inbound|") else name
    return int(text) if text.isdecimal() else 0


def _host_matches(patch: Patch, host: route_components_pb2.VirtualHost) -> bool:
    match: Fields = patch.match.fields("routeConfiguration").fields("vhost")
    if match.text("domainName") and match.text("domainName") not in host.domains:
        return False
    return match.text("name") in ("", host.name)


def _route_matches(patch: Patch, route: route_components_pb2.Route) -> bool:
    match = patch.match.fields("routeConfiguration").fields("vhost").fields("route")
    if match.text("name") not in ("", route.name):
        return False
    action = match.text("action", "ANY")
    kind = route.WhichOneof("action")
    return action == "ANY" or kind not in _ACTIONS.values() or _ACTIONS.get(action) == kind
