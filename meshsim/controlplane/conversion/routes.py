"""Gateway API routes as VirtualServices, one for each listener and host.

Modelled on istio pilot/pkg/config/kube/gateway/route_collections.go, release 1.31.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.attachment import Attachment, attach
from meshsim.controlplane.conversion.backends import (
    Body,
    UnusableRouteError,
    build_tcp_destinations,
    weight_sum,
)
from meshsim.controlplane.conversion.http_rules import convert_grpc_rules, convert_http_rules, sort_http_routes
from meshsim.controlplane.conversion.inputs import (
    GATEWAY_GROUP,
    GATEWAY_NAME,
    PARENTS_ANNOTATION,
    ConversionInputs,
    by_age,
    make_config,
)
from meshsim.controlplane.conversion.listeners import Listeners
from meshsim.controlplane.host_names import hosts_overlap
from meshsim.controlplane.virtual_services import ROUTE_SEMANTICS_ANNOTATION, RouteSemantics

_Rules = Callable[[ConversionInputs, ApiObject, bool], list[Body]]

_NOWHERE: Final[Body] = {
    "destination": {"host": "internal.cluster.local", "subset": "zero-weight", "port": {"number": 65535}}
}
"""A destination that refuses connections: TCP has no status to answer with."""


class _HttpPart(NamedTuple):
    """What one route contributes to the VirtualService of a key."""

    source: ApiObject
    order: str
    host: str
    gateway: str
    routes: Sequence[Body]


def convert_http_routes(inputs: ConversionInputs, listeners: Listeners) -> list[ApiObject]:
    """VirtualServices of all HTTPRoutes and GRPCRoutes: what has one listener and host in common is one."""
    parts: dict[str, list[_HttpPart]] = {}
    sources = [
        *inputs.objects.select("HTTPRoute", GATEWAY_GROUP),
        *inputs.objects.select("GRPCRoute", GATEWAY_GROUP),
    ]
    for route in by_age(sources):
        rules = convert_http_rules if route.kind == "HTTPRoute" else convert_grpc_rules
        converted = _Converted(inputs, route, rules)
        count = 0
        for parent in attach(inputs, listeners, route):
            routes = converted.routes(parent.is_mesh)
            if not routes:
                continue
            for host in parent.mesh_hosts if parent.is_mesh else _hostnames(route):
                if not parent.takes(host):
                    continue
                key = _http_key(parent, route, host)
                order = f"{route.name}~{count}~{GATEWAY_NAME}"
                parts.setdefault(key, []).append(
                    _HttpPart(route, order, host, parent.gateway, _with_port(routes, parent))
                )
                count += 1
    return [_merge(key, found) for key, found in parts.items()]


class _Converted:
    """The rules of a route, translated when first needed: those for gateways check ReferenceGrants."""

    def __init__(self, inputs: ConversionInputs, route: ApiObject, rules: _Rules) -> None:
        self._inputs, self._route, self._rules = inputs, route, rules
        self._done: dict[bool, list[Body]] = {}

    def routes(self, mesh: bool) -> list[Body]:
        found = self._done.get(mesh)
        if found is None:
            try:
                found = self._rules(self._inputs, self._route, mesh)
            except UnusableRouteError as failure:
                self._inputs.report(self._route, failure.reason, failure.message)
                found = []
            self._done[mesh] = found
        return found


def _hostnames(route: ApiObject) -> tuple[str, ...]:
    return route.spec.texts("hostnames") or ("*",)


def _http_key(parent: Attachment, route: ApiObject, host: str) -> str:
    """Routes with equal keys are merged: by listener and host, in the mesh by namespace, port and host."""
    if not parent.is_mesh:
        return f"{parent.gateway}/{host}"
    port = f"/{parent.reference.integer('port')}" if "port" in parent.reference else ""
    return f"{route.namespace}{port}/{host}"


def _with_port(routes: Sequence[Body], parent: Attachment) -> Sequence[Body]:
    """The routes for one port of a Service, if the parentRef names one."""
    if not parent.is_mesh or "port" not in parent.reference:
        return routes
    port = parent.reference.integer("port")
    found = []
    for route in routes:
        matches = Fields(route).items("match")
        found.append({**route, "match": [{**match.body, "port": port} for match in matches] or [{"port": port}]})
    return found


def _merge(key: str, parts: Iterable[_HttpPart]) -> ApiObject:
    """One VirtualService of all parts, the oldest giving namespace and age."""
    ordered = sorted(parts, key=lambda part: (part.source.created, part.source.namespace, part.order))
    first = ordered[0]
    annotations = {
        PARENTS_ANNOTATION: ",".join(_parent_name(part.source) for part in ordered),
        ROUTE_SEMANTICS_ANNOTATION: RouteSemantics.GATEWAY.value,
    }
    spec: Body = {
        "hosts": [first.host],
        "gateways": [first.gateway],
        "http": sort_http_routes(copy.copy(route) for part in ordered for route in sort_http_routes(part.routes)),
    }
    return make_config("VirtualService", key.replace("/", "~"), first.source, annotations, spec)


def _parent_name(route: ApiObject) -> str:
    return f"{route.kind}/{route.name}.{route.namespace}"


def convert_tcp_routes(inputs: ConversionInputs, listeners: Listeners) -> list[ApiObject]:
    """One VirtualService for each parent of each TCPRoute."""
    found: list[ApiObject] = []
    for route in by_age(inputs.objects.select("TCPRoute", GATEWAY_GROUP)):
        converted = _Converted(inputs, route, _tcp_rules)
        count = 0
        for parent in attach(inputs, listeners, route):
            routes: Sequence[Body] = converted.routes(parent.is_mesh)
            for host in parent.mesh_hosts or ("*",):
                name = f"{route.name}~tcp~{count}~{GATEWAY_NAME}"
                found.append(_raw(name, route, parent, host, "tcp", _with_port(routes, parent)))
                count += 1
    return found


def convert_tls_routes(inputs: ConversionInputs, listeners: Listeners) -> list[ApiObject]:
    """One VirtualService for each parent and host of each TLSRoute."""
    found: list[ApiObject] = []
    for route in by_age(inputs.objects.select("TLSRoute", GATEWAY_GROUP)):
        converted = _Converted(inputs, route, _tls_rules)
        count = 0
        for parent in attach(inputs, listeners, route):
            routes: Sequence[Body] = converted.routes(parent.is_mesh)
            for host in parent.mesh_hosts or _hostnames(route):
                name = f"{route.name}~tls~{count}~{GATEWAY_NAME}"
                own = [_for_mesh_host(item, parent, host) for item in routes] if parent.is_mesh else routes
                found.append(_raw(name, route, parent, host, "tls", own))
                count += 1
    return found


def _raw(name: str, route: ApiObject, parent: Attachment, host: str, kind: str, routes: Sequence[Body]) -> ApiObject:
    annotations = {
        PARENTS_ANNOTATION: _parent_name(route),
        ROUTE_SEMANTICS_ANNOTATION: RouteSemantics.GATEWAY.value,
    }
    spec: Body = {"hosts": [host], "gateways": [parent.gateway]}
    if routes:
        spec[kind] = list(routes)
    return make_config("VirtualService", name, route, annotations, spec)


def _tcp_rules(inputs: ConversionInputs, route: ApiObject, mesh: bool) -> list[Body]:
    return [{"route": _targets(inputs, route, rule, mesh)} for rule in route.spec.items("rules")]


def _tls_rules(inputs: ConversionInputs, route: ApiObject, mesh: bool) -> list[Body]:
    found: list[Body] = []
    for rule in route.spec.items("rules"):
        out: Body = {"route": _targets(inputs, route, rule, mesh)}
        if weight_sum(rule.items("backendRefs")) != 0:
            out["match"] = [{"sniHosts": list(_hostnames(route))}]
        found.append(out)
    return found


def _targets(inputs: ConversionInputs, route: ApiObject, rule: Fields, mesh: bool) -> list[Body]:
    backends = rule.items("backendRefs")
    return build_tcp_destinations(inputs, route, backends, mesh) if weight_sum(backends) else [_NOWHERE]


def _for_mesh_host(route: Body, parent: Attachment, host: str) -> Body:
    """A TLS route for one host of a mesh parent: its SNI hosts are those of the parent that the route allows."""
    matches = []
    for match in Fields(route).items("match"):
        hosts = list(match.texts("sniHosts"))
        if hosts == ["*"]:
            hosts = list(parent.mesh_hosts)
        if len(hosts) > 1:
            hosts = [name for name in hosts if hosts_overlap(host, name)]
        body: Body = {**match.body, "sniHosts": hosts}
        if "port" in parent.reference:
            body["port"] = parent.reference.integer("port")
        matches.append(body)
    return {**route, "match": matches} if matches else route
