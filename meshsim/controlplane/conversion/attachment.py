"""Which listeners, or which part of the mesh, a route attaches to.

Modelled on istio pilot/pkg/config/kube/gateway/conversion.go (extractParentReferenceInfo, referenceAllowed,
hostnameAllowedByIsolation), release 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.classes import controller_of
from meshsim.controlplane.conversion.inputs import GATEWAY_GROUP, ConversionInputs
from meshsim.controlplane.conversion.listeners import Listeners, Parent, ParentKey
from meshsim.controlplane.host_names import MESH_GATEWAY, host_within, hosts_overlap, is_wildcard

_SERVICE_ENTRY_GROUP: Final = "networking.istio.io"
_USE_WAYPOINT: Final = "istio.io/use-waypoint"
_WAYPOINT_NAMESPACE: Final = "istio.io/use-waypoint-namespace"
_LISTENER_OWNERS: Final = ("Gateway", "ListenerSet")


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """A route bound to one parent."""

    gateway: str
    """``mesh``, or the ``namespace/name`` of the Istio Gateway."""
    reference: Fields
    """The parentRef."""
    hostname: str
    """The listener's; empty = every host."""
    other_hostnames: tuple[str, ...]
    """Those of the other listeners with its port and protocol."""
    mesh_hosts: tuple[str, ...] = ()
    """Hosts of the Service or ServiceEntry that is the parent."""

    @property
    def is_mesh(self) -> bool:
        return self.gateway == MESH_GATEWAY

    def takes(self, host: str) -> bool:
        """Whether a host of the route belongs to this listener and not to one with a more specific hostname."""
        own = self.hostname
        if own and not is_wildcard(own):
            return True
        if own and not hosts_overlap(host, own):
            return False
        return not any(len(own) <= len(other) and host_within(host, other) for other in self.other_hostnames)


def attach(inputs: ConversionInputs, listeners: Listeners, route: ApiObject) -> list[Attachment]:
    """The parents that take a route, by the name of their Gateway; those that refuse it are reported."""
    found: list[Attachment] = []
    for reference in sorted(route.spec.items("parentRefs"), key=lambda ref: _order(ref, route.namespace)):
        kind, group = reference.text("kind", "Gateway"), reference.text("group", GATEWAY_GROUP)
        namespace, name = reference.text("namespace", route.namespace), reference.text("name")
        if group == GATEWAY_GROUP and kind in _LISTENER_OWNERS:
            parents = listeners.parents.get(ParentKey(kind, namespace, name), [])
            refusals: dict[str, None] = {}
            before = len(found)
            for parent in parents:
                refusal = _refusal(parent, route, reference)
                if refusal:
                    refusals.setdefault(refusal)
                    continue
                others = dict.fromkeys(
                    other.hostname
                    for other in parents
                    if other is not parent and (other.port, other.protocol) == (parent.port, parent.protocol)
                )
                others.pop(parent.hostname, None)
                found.append(Attachment(parent.internal_name, reference, parent.hostname, tuple(others)))
            if refusals and len(found) == before:
                # One listener that takes the route is enough for its parent to be accepted.
                reasons = [text for text in refusals if not text.startswith("sectionName")] or list(refusals)
                told = f"{kind} {namespace}/{name}: {'; '.join(reasons)}"
                inputs.report(route, "NotAccepted", told, reference.path)
        elif (group, kind) in (("", "Service"), (_SERVICE_ENTRY_GROUP, "ServiceEntry")):
            target = inputs.find(kind, namespace, name, group)
            if target is None:
                inputs.report(route, "NotAccepted", f"parent {kind} {namespace}/{name} not found", reference.path)
            elif not _foreign_waypoint(inputs, target):
                found.append(Attachment(MESH_GATEWAY, reference, "", (), _mesh_hosts(target, inputs.domain)))
    found.sort(key=lambda item: item.gateway)
    return found


def _order(reference: Fields, namespace: str) -> str:
    return "{}/{}/{}/{}/{}.{}".format(
        reference.text("group", GATEWAY_GROUP),
        reference.text("kind", "Gateway"),
        reference.text("name"),
        reference.text("sectionName"),
        reference.integer("port"),
        reference.text("namespace", namespace),
    )


def _mesh_hosts(target: ApiObject, domain: str) -> tuple[str, ...]:
    if target.kind == "ServiceEntry":
        return target.spec.texts("hosts")
    return (f"{target.name}.{target.namespace}.svc.{domain}",)


def _foreign_waypoint(inputs: ConversionInputs, target: ApiObject) -> bool:
    """Whether another controller's waypoint stands before a service: its routes are that controller's then."""
    labels = target.labels if _USE_WAYPOINT in target.labels else inputs.namespace_labels(target.namespace)
    name = labels.get(_USE_WAYPOINT, "")
    if not name or name.lower() == "none":
        return False
    namespace = labels.get(_WAYPOINT_NAMESPACE, target.namespace)
    waypoint = inputs.find("Gateway", namespace, name, GATEWAY_GROUP)
    return waypoint is not None and controller_of(inputs, waypoint.spec.text("gatewayClassName")) is None


def _refusal(parent: Parent, route: ApiObject, reference: Fields) -> str:
    """Why a listener does not take a route; empty when it does."""
    if reference.integer("port") not in (0, parent.port):
        return f"port {reference.integer('port')} not found"
    if reference.text("sectionName") not in ("", parent.section):
        return f"sectionName {reference.text('sectionName')!r} not found"
    # TCPRoutes have no hostnames.
    hostnames = route.spec.texts("hostnames") or ("*",)
    refusal = _host_refusal(parent, hostnames, route.namespace)
    if refusal:
        return refusal
    return "" if route.kind in parent.route_kinds else f"kind {route.kind} is not allowed"


def _host_refusal(parent: Parent, hostnames: Sequence[str], namespace: str) -> str:
    overlapping = False
    for hostname in hostnames:
        for entry in parent.hosts:
            owner, _, host = entry.partition("/")
            if hosts_overlap(host, hostname):
                if owner in ("*", namespace):
                    return ""
                overlapping = True
    if overlapping:
        return f"hostnames matched, but namespace {namespace!r} is not allowed by the parent"
    return f"no hostnames matched parent hostname {parent.hostname!r}"
