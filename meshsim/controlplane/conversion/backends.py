"""References of routes to backends as destinations.

Modelled on istio pilot/pkg/config/kube/gateway/conversion.go (buildDestination, buildHTTPDestination,
buildTCPDestination), release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.inputs import ConversionInputs

_NETWORKING_GROUP: Final = "networking.istio.io"
_IMPORT_GROUP: Final = "multicluster.x-k8s.io"

Body = dict[str, object]


class UnusableRouteError(Exception):
    """A rule that makes its whole route unusable; `reason` is the one of the route's status condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


def build_destination(inputs: ConversionInputs, route: ApiObject, backend: Fields, mesh: bool) -> Body:
    """The destination of a backend; without a host when the route may not refer to it or its kind is unknown.

    A route of the mesh needs no ReferenceGrant. Raises `UnusableRouteError` for what no condition can mend.
    """
    kind, group, name = backend.text("kind", "Service"), backend.text("group"), backend.text("name")
    namespace = backend.text("namespace", route.namespace)
    if (
        not mesh
        and namespace != route.namespace
        and not inputs.allowed(route.kind, route.namespace, kind, namespace, name)
    ):
        inputs.report(
            route,
            "RefNotPermitted",
            f"backendRef {name}/{namespace} not accessible to a {route.kind} in namespace {route.namespace}"
            " (missing a ReferenceGrant?)",
            backend.path,
        )
        return {}
    if (group, kind) == ("", "Service"):
        if "." in name:
            raise UnusableRouteError("InvalidDestination", "the name of the Service must be used, not the hostname")
        host = f"{name}.{namespace}.svc.{inputs.domain}"
        found = inputs.find("Service", namespace, name) is not None
    elif (group, kind) == (_NETWORKING_GROUP, "Hostname"):
        if "namespace" in backend:
            raise UnusableRouteError("InvalidDestination", "namespace may not be set with Hostname type")
        host = name
        found = inputs.known_host(host, namespace)
    elif (group, kind) == (_IMPORT_GROUP, "ServiceImport"):
        host = f"{name}.{namespace}.svc.{inputs.domain}"
        found = inputs.find("Service", namespace, name) is not None
    else:
        told = f"referencing unsupported backendRef: group {group!r} kind {kind!r}"
        inputs.report(route, "InvalidKind", told, backend.path)
        return {}
    if not found:
        inputs.report(route, "BackendNotFound", f"backend({host}) not found", backend.path)
    if "port" not in backend:
        raise UnusableRouteError("InvalidDestination", "port is required in backendRef")
    return {"host": host, "port": {"number": backend.integer("port")}}


def weight_sum(backends: Sequence[Fields]) -> int:
    """Sum of the weights; one that is not given counts 1."""
    return sum(backend.integer("weight", 1) for backend in backends)


def build_http_destinations(
    inputs: ConversionInputs, route: ApiObject, backends: Sequence[Fields], mesh: bool
) -> list[Body]:
    """HTTPRouteDestinations of the backends that have a weight, with their own header changes."""
    found = []
    for backend, weighted in _weighted(inputs, route, backends, mesh):
        headers: Body = {}
        for filter_ in backend.items("filters"):
            add_header_filter(filter_, headers)
        if headers:
            weighted["headers"] = headers
        found.append(weighted)
    return found


def build_tcp_destinations(
    inputs: ConversionInputs, route: ApiObject, backends: Sequence[Fields], mesh: bool
) -> list[Body]:
    """RouteDestinations of the backends that have a weight."""
    return [weighted for _, weighted in _weighted(inputs, route, backends, mesh)]


def _weighted(
    inputs: ConversionInputs, route: ApiObject, backends: Sequence[Fields], mesh: bool
) -> list[tuple[Fields, Body]]:
    used = [backend for backend in backends if backend.integer("weight", 1) != 0]
    found: list[tuple[Fields, Body]] = []
    for backend in used:
        weighted: Body = {"destination": build_destination(inputs, route, backend, mesh)}
        if len(used) > 1:
            weighted["weight"] = backend.integer("weight", 1)
        found.append((backend, weighted))
    return found


def add_header_filter(filter_: Fields, headers: Body) -> None:
    """Put a header modifier into an Istio `headers` block; raises `UnusableRouteError` for any other filter."""
    kind = filter_.text("type")
    if kind == "RequestHeaderModifier":
        side, modifier = "request", filter_.fields("requestHeaderModifier")
    elif kind == "ResponseHeaderModifier":
        side, modifier = "response", filter_.fields("responseHeaderModifier")
    else:
        raise UnusableRouteError("InvalidFilter", f"unsupported filter type {kind!r}")
    operations: Body = {}
    for key in ("add", "set"):
        values = _header_map(modifier.items(key))
        if values:
            operations[key] = values
    if modifier.texts("remove"):
        operations["remove"] = list(modifier.texts("remove"))
    headers[side] = operations


def _header_map(entries: Sequence[Fields]) -> Mapping[str, str]:
    """Headers by lower-case name; of equal names the first counts."""
    found: dict[str, str] = {}
    for entry in entries:
        found.setdefault(entry.text("name").lower(), entry.text("value"))
    return found
