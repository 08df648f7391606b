"""VirtualServices as Pilot reads them: names completed, delegates merged, oldest first, indexed by gateway.

Modelled on istio pilot/pkg/model/virtualservice.go and push_context.go (initVirtualServices), release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meshsim.api import ApiObject, Fields, ObjectKey, ObjectView
from meshsim.controlplane.delegates import merge_routes
from meshsim.controlplane.host_names import MESH_GATEWAY, resolve_gateway_name
from meshsim.controlplane.hosts import resolve_short_name
from meshsim.controlplane.mesh import MeshConfig
from meshsim.units import Nanos

NETWORKING_GROUP: Final = "networking.istio.io"

ROUTE_SEMANTICS_ANNOTATION: Final = "internal.istio.io/route-semantics"
"""Set on VirtualServices that were made from Ingress or Gateway API objects."""

_PUBLIC: Final = "*"
_PRIVATE: Final = "."
_NONE: Final = "~"


class RouteSemantics(Enum):
    """Whose matching rules a VirtualService follows (istio pkg/config/constants)."""

    ISTIO = ""
    INGRESS = "ingress"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VirtualService:
    """A VirtualService after resolution; compared by identity, made once for a change of its objects."""

    name: str
    namespace: str
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    """``mesh`` or ``namespace/name``; never empty."""
    export_to: tuple[str, ...]
    """``*``, ``.``, ``~`` and namespaces, sorted; the mesh default already put in."""
    http: tuple[Fields, ...]
    tcp: tuple[Fields, ...]
    tls: tuple[Fields, ...]
    semantics: RouteSemantics
    created: Nanos
    source: ApiObject
    """The object it was made from; a root's when delegates were merged into it."""
    delegates: tuple[ObjectKey, ...] = ()
    """Keys of the delegates its routes refer to, found or not."""

    @property
    def gateway_semantics(self) -> bool:
        """Made from Gateway API routes."""
        return self.semantics is RouteSemantics.GATEWAY

    @property
    def path_separated_prefix(self) -> bool:
        """Whether a prefix matches whole path segments only."""
        return self.semantics is not RouteSemantics.ISTIO

    @property
    def bound_to_mesh(self) -> bool:
        return MESH_GATEWAY in self.gateways

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def resolve_virtual_services(objects: ObjectView, mesh: MeshConfig) -> tuple[VirtualService, ...]:
    """Every VirtualService that has hosts, oldest first (then by name and namespace), delegates merged in."""
    specs: list[tuple[ApiObject, Mapping[str, object]]] = []
    delegates: dict[tuple[str, str], tuple[ApiObject, Mapping[str, object]]] = {}
    for item in objects.select("VirtualService", group=NETWORKING_GROUP):
        spec = _resolved_spec(item, mesh.domain)
        if spec.get("hosts"):
            specs.append((item, spec))
        else:
            delegates[(item.namespace, item.name)] = (item, spec)
    found = [_virtual_service(item, spec, delegates, mesh) for item, spec in specs]
    found.sort(key=lambda vs: (vs.created, vs.name, vs.namespace))
    return tuple(found)


def _virtual_service(
    item: ApiObject,
    spec: Mapping[str, object],
    delegates: Mapping[tuple[str, str], tuple[ApiObject, Mapping[str, object]]],
    mesh: MeshConfig,
) -> VirtualService:
    fields = Fields(spec, "spec")
    used: list[ObjectKey] = []
    http: list[Fields] = []
    for route in fields.items("http"):
        if "delegate" not in route:
            http.append(route)
            continue
        reference = route.fields("delegate")
        key = (reference.text("namespace") or item.namespace, reference.text("name"))
        used.append(ObjectKey(NETWORKING_GROUP, "VirtualService", *key))
        target = delegates.get(key)
        if target is None or not _reaches(_export_to(target[0], Fields(target[1]), mesh), key[0], item.namespace):
            continue
        http += merge_routes(route, Fields(target[1], "spec").items("http"))
    try:
        semantics = RouteSemantics(item.annotations.get(ROUTE_SEMANTICS_ANNOTATION, ""))
    except ValueError:
        semantics = RouteSemantics.ISTIO
    return VirtualService(
        name=item.name,
        namespace=item.namespace,
        hosts=fields.texts("hosts"),
        gateways=fields.texts("gateways") or (MESH_GATEWAY,),
        export_to=_export_to(item, fields, mesh),
        http=tuple(http),
        tcp=fields.items("tcp"),
        tls=fields.items("tls"),
        semantics=semantics,
        created=item.created,
        source=item,
        delegates=tuple(used),
    )


def _export_to(item: ApiObject, spec: Fields, mesh: MeshConfig) -> tuple[str, ...]:
    """The visibility of an object; of a mesh default only ``.`` and ``*`` count, in this order."""
    given = spec.texts("exportTo")
    if given:
        return tuple(sorted(dict.fromkeys(given)))
    default = mesh.virtual_service_export_to
    for choice in (_PRIVATE, _PUBLIC):
        if choice in default:
            return (choice,)
    return (_NONE,)


def _reaches(export_to: Iterable[str], owner: str, namespace: str) -> bool:
    return any(
        choice in (_PUBLIC, namespace) or (choice == _PRIVATE and owner == namespace)
        for choice in export_to
    )


class VirtualServiceIndex:
    """VirtualServices by who sees them and which gateway they bind to."""

    __slots__ = ("_exported", "_private", "_public", "all")

    def __init__(self, virtual_services: Sequence[VirtualService]) -> None:
        self.all: Final = tuple(virtual_services)
        self._private: dict[tuple[str, str], list[VirtualService]] = {}
        self._exported: dict[tuple[str, str], list[VirtualService]] = {}
        self._public: dict[str, list[VirtualService]] = {}
        for vs in virtual_services:
            for gateway in vs.gateways:
                self._add(vs, gateway)

    def _add(self, vs: VirtualService, gateway: str) -> None:
        if _PUBLIC in vs.export_to:
            self._public.setdefault(gateway, []).append(vs)
        elif _NONE not in vs.export_to:
            for choice in vs.export_to:
                if choice in (_PRIVATE, vs.namespace):
                    self._private.setdefault((vs.namespace, gateway), []).append(vs)
                else:
                    self._exported.setdefault((choice, gateway), []).append(vs)

    def for_gateway(self, namespace: str, gateway: str) -> tuple[VirtualService, ...]:
        """What a proxy of a namespace sees of a gateway (``mesh`` or ``ns/name``).

        Those of its own namespace alone come first, then those exported to it by name, then the public ones;
        each part oldest first (istio push_context.go VirtualServicesForGateway).
        """
        key = (namespace, gateway)
        return (*self._private.get(key, ()), *self._exported.get(key, ()), *self._public.get(gateway, ()))


def _resolved_spec(item: ApiObject, domain: str) -> Mapping[str, object]:
    """The spec with hosts, destinations and gateways completed; Gateway API routes have full names already."""
    spec = item.body.get("spec")
    if not isinstance(spec, Mapping):
        return {}
    if item.annotations.get(ROUTE_SEMANTICS_ANNOTATION) == RouteSemantics.GATEWAY.value:
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
