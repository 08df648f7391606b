"""VirtualServices as Pilot reads them: names completed, delegates merged, oldest first.

Modelled on istio pilot/pkg/model/virtualservice.go and push_context.go (initVirtualServices), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

from meshsim.api import ApiObject, Fields, ObjectKey, ObjectView
from meshsim.controlplane.delegates import merge_routes
from meshsim.controlplane.host_names import MESH_GATEWAY, resolve_gateway_name, resolve_short_name
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import VirtualService
from meshsim.controlplane.visibility import exported_to

NETWORKING_GROUP: Final = "networking.istio.io"

ROUTE_SEMANTICS_ANNOTATION: Final = "internal.istio.io/route-semantics"
"""Set on VirtualServices that were made from Ingress or Gateway API objects."""


class RouteSemantics(Enum):
    """Whose matching rules a VirtualService follows (istio pkg/config/constants)."""

    ISTIO = ""
    INGRESS = "ingress"
    GATEWAY = "gateway"


def route_semantics(source: ApiObject) -> RouteSemantics:
    """The matching rules of the object a VirtualService was made from."""
    value = source.annotations.get(ROUTE_SEMANTICS_ANNOTATION, "")
    return next((kind for kind in RouteSemantics if kind.value == value), RouteSemantics.ISTIO)


def resolve_virtual_services(
    objects: ObjectView,
    mesh: MeshConfig,
    converted: Iterable[ApiObject] = (),
    previous: Iterable[VirtualService] = (),
) -> tuple[VirtualService, ...]:
    """Every VirtualService that has hosts, oldest first (then by name and namespace), delegates merged in.

    `converted` are those made from Gateway API and Ingress objects. What is made of the same objects as one of the
    `previous` ones, for the same mesh, is that one.
    A route to a delegate that does not exist or is not exported to the root's namespace is left out.
    """
    known = {id(item.source): item for item in previous}
    found: list[VirtualService] = []
    specs: list[tuple[ApiObject, Mapping[str, object]]] = []
    delegates: dict[tuple[str, str], tuple[ApiObject, Mapping[str, object]]] = {}
    for item in (*objects.select("VirtualService", group=NETWORKING_GROUP), *converted):
        before = known.get(id(item))
        if before is not None and not any("delegate" in route for route in item.spec.items("http")):
            found.append(before)
            continue
        spec = _resolved_spec(item, mesh.domain)
        if spec.get("hosts"):
            specs.append((item, spec))
        else:
            delegates[(item.namespace, item.name)] = (item, spec)
    for item, spec in specs:
        made = _virtual_service(item, spec, delegates, mesh)
        before = known.get(id(item))
        same = before is not None and list(map(id, before.delegates)) == list(map(id, made.delegates))
        found.append(before if before is not None and same else made)
    found.sort(key=lambda vs: (vs.created, vs.name, vs.namespace))
    return tuple(found)


def _virtual_service(
    item: ApiObject,
    spec: Mapping[str, object],
    delegates: Mapping[tuple[str, str], tuple[ApiObject, Mapping[str, object]]],
    mesh: MeshConfig,
) -> VirtualService:
    fields = Fields(spec, "spec")
    used: dict[ObjectKey, ApiObject] = {}
    http: list[Mapping[str, object]] = []
    for route in fields.items("http"):
        if "delegate" not in route:
            http.append(route.body)
            continue
        reference = route.fields("delegate")
        key = (reference.text("namespace") or item.namespace, reference.text("name"))
        target = delegates.get(key)
        if target is None or not exported_to(_export_to(Fields(target[1]), mesh), key[0], item.namespace):
            continue
        used[target[0].key] = target[0]
        http += merge_routes(route, Fields(target[1], "spec").items("http"))
    return VirtualService(
        source=item,
        spec=Fields({**spec, "http": http} if "http" in fields else spec, "spec"),
        name=item.name,
        namespace=item.namespace,
        created=item.created,
        hosts=fields.texts("hosts"),
        gateways=fields.texts("gateways") or (MESH_GATEWAY,),
        export_to=_export_to(fields, mesh),
        gateway_semantics=route_semantics(item) is RouteSemantics.GATEWAY,
        delegates=tuple(used.values()),
    )


def _export_to(spec: Fields, mesh: MeshConfig) -> frozenset[str]:
    """The visibility of an object; of a mesh default only ``.`` and ``*`` count, in this order."""
    given = spec.texts("exportTo")
    if given:
        return frozenset(given)
    for choice in (".", "*"):
        if choice in mesh.virtual_service_export_to:
            return frozenset((choice,))
    return frozenset(("~",))


def _resolved_spec(item: ApiObject, domain: str) -> Mapping[str, object]:
    """The spec with hosts, destinations and gateways completed; Gateway API routes have full names already."""
    spec = item.body.get("spec")
    if not isinstance(spec, Mapping):
        return {}
    if route_semantics(item) is RouteSemantics.GATEWAY:
        return spec

    def host(name: str) -> str:
        return resolve_short_name(name, item.namespace, domain)

    def gateway(name: str) -> str:
        return resolve_gateway_name(name, item.namespace)

    out = dict(spec)
    _each_text(out, "hosts", host)
    _each_text(out, "gateways", gateway)
    for kind in ("http", "tcp", "tls"):
        if isinstance(out.get(kind), Sequence):
            out[kind] = [_resolved_route(route, host, gateway) for route in _mappings(out[kind])]
    return out


def _resolved_route(
    route: dict[str, object], host: Callable[[str], str], gateway: Callable[[str], str]
) -> dict[str, object]:
    if "match" in route:
        matches = _mappings(route["match"])
        for match in matches:
            _each_text(match, "gateways", gateway)
        route["match"] = matches
    for key in ("route", "mirrors"):
        if key in route:
            weighted = _mappings(route[key])
            for entry in weighted:
                _host_of(entry, "destination", host)
            route[key] = weighted
    _host_of(route, "mirror", host)
    return route


def _host_of(owner: dict[str, object], key: str, host: Callable[[str], str]) -> None:
    destination = owner.get(key)
    if isinstance(destination, Mapping) and isinstance(destination.get("host"), str):
        owner[key] = {**destination, "host": host(destination["host"])}


def _each_text(owner: dict[str, object], key: str, change: Callable[[str], str]) -> None:
    texts = owner.get(key)
    if isinstance(texts, Sequence) and not isinstance(texts, str):
        owner[key] = [change(str(text)) for text in texts]


def _mappings(value: object) -> list[dict[str, object]]:
    """Copies of the mappings of a list."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [dict(entry) if isinstance(entry, Mapping) else {} for entry in value]
