"""Gateway API Gateways and ListenerSets as Istio Gateways, and what routes can attach to.

Modelled on istio pilot/pkg/config/kube/gateway/gateway_collection.go and conversion.go (buildListener,
extractGatewayServices), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.classes import GatewayController, controller_of
from meshsim.controlplane.conversion.inputs import (
    GATEWAY_GROUP,
    GATEWAY_NAME,
    GATEWAY_SEMANTICS_ANNOTATION,
    PARENTS_ANNOTATION,
    ConversionInputs,
    by_age,
    make_config,
)
from meshsim.controlplane.conversion.listener_tls import InvalidTlsError, build_tls
from meshsim.controlplane.gateways import GATEWAY_SERVICE_ANNOTATION, PARENT_NAMESPACE_ANNOTATION

_SERVICE_ACCOUNT: Final = "internal.istio.io/service-account-name"
_NAME_OVERRIDE: Final = "gateway.istio.io/name-override"
_ACCOUNT_OVERRIDE: Final = "gateway.istio.io/service-account"
_REVISION_LABEL: Final = "istio.io/rev"

_PROTOCOLS: Final = ("HTTP", "HTTPS", "TLS", "TCP")
_SHARED_BY_SNI: Final = ("HTTPS", "TLS")
_ROUTE_KINDS: Final = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TCP": ("TCPRoute",),
    "TLS": ("TLSRoute",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Parent:
    """A listener that routes can attach to."""

    internal_name: str
    """``namespace/name`` of the Istio Gateway."""
    route_kinds: tuple[str, ...]
    hosts: tuple[str, ...]
    """``namespace/host``: which routes of which namespaces."""
    hostname: str
    """As written; empty = every host."""
    section: str
    port: int
    protocol: str


class ParentKey(NamedTuple):
    """A Gateway or ListenerSet."""

    kind: str
    namespace: str
    name: str


@dataclass(slots=True)
class Listeners:
    """All listeners: Gateways to configure, parents to attach to."""

    gateways: list[ApiObject] = field(default_factory=list)
    parents: dict[ParentKey, list[Parent]] = field(default_factory=dict)


class _Deployment(NamedTuple):
    """The data plane behind a Gateway."""

    services: tuple[str, ...]
    service_account: str
    """Empty where somebody else deploys it."""


class _Listener(NamedTuple):
    """One listener with the object it stands in."""

    owner: ApiObject
    fields: Fields


def convert_gateways(inputs: ConversionInputs) -> Listeners:
    """Convert every Gateway of Istio's classes with the ListenerSets that attach to it."""
    out = Listeners()
    sets: dict[tuple[str, str], list[ApiObject]] = {}
    for item in by_age(inputs.objects.select("ListenerSet", GATEWAY_GROUP)):
        reference = item.spec.fields("parentRef")
        key = (reference.text("namespace", item.namespace), reference.text("name"))
        sets.setdefault(key, []).append(item)
    for gateway in by_age(inputs.objects.select("Gateway", GATEWAY_GROUP)):
        controller = controller_of(inputs, gateway.spec.text("gatewayClassName"))
        revision = gateway.labels.get(_REVISION_LABEL, "default")
        if controller is None or not controller.converts_listeners or revision != "default":
            continue
        deployment = _deployment(inputs, gateway, controller)
        if deployment is None:
            continue
        attached = sets.get((gateway.namespace, gateway.name), ())
        for listener in _valid_listeners(inputs, gateway, attached, controller):
            _add(inputs, out, gateway, listener, deployment)
    return out


def _deployment(inputs: ConversionInputs, gateway: ApiObject, controller: GatewayController) -> _Deployment | None:
    """Services in front of a Gateway: the deployed one, or those its addresses name; `None` when they name none."""
    addresses = gateway.spec.items("addresses")
    types = [address.text("type", "IPAddress") for address in addresses]
    if not addresses or types == ["IPAddress"]:
        default = gateway.name
        if controller.class_suffix:
            default += f"-{gateway.spec.text('gatewayClassName')}"
        name = gateway.annotations.get(_NAME_OVERRIDE, default)
        account = gateway.annotations.get(_ACCOUNT_OVERRIDE, default)
        return _Deployment((f"{name}.{gateway.namespace}.svc.{inputs.domain}",), account)
    services = []
    for address, kind in zip(addresses, types, strict=True):
        value = address.text("value")
        if kind != "Hostname":
            inputs.report(gateway, "UnsupportedAddress", f"only Hostname is supported, ignoring {value}", address.path)
        elif "." in value:
            services.append(value)
        else:
            services.append(f"{value}.{gateway.namespace}.svc.{inputs.domain}")
    return _Deployment(tuple(services), "") if services else None


def _valid_listeners(
    inputs: ConversionInputs, gateway: ApiObject, sets: Sequence[ApiObject], controller: GatewayController
) -> Iterator[_Listener]:
    """The Gateway's own listeners, then those of ListenerSets that contradict none before them."""
    taken: dict[int, list[tuple[str, str]]] = {}
    for listener in gateway.spec.items("listeners"):
        if listener.integer("port") == 15008 and not controller.converts_mesh_port:
            continue
        taken.setdefault(listener.integer("port"), []).append((listener.text("protocol"), listener.text("hostname")))
        yield _Listener(gateway, listener)
    for item in sets:
        if not _allows_set(inputs, gateway, item):
            inputs.report(item, "NotAllowed", f"{gateway} does not allow this ListenerSet")
            continue
        for listener in item.spec.items("listeners"):
            mine = (listener.text("protocol"), listener.text("hostname"))
            others = taken.setdefault(listener.integer("port"), [])
            if any(_conflict(mine, other) for other in others):
                inputs.report(
                    item, "Conflicted", f"listener {listener.text('name')} contradicts an earlier one", listener.path
                )
                continue
            others.append(mine)
            yield _Listener(item, listener)


def _conflict(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two listeners of a port cannot be told apart; TLS and HTTPS are by SNI."""
    if one[0] == other[0]:
        return one[1] == other[1]
    return not (one[0] in _SHARED_BY_SNI and other[0] in _SHARED_BY_SNI)


def _allows_set(inputs: ConversionInputs, gateway: ApiObject, item: ApiObject) -> bool:
    """`allowedListeners` of a Gateway; it allows none unless it says so."""
    namespaces = gateway.spec.fields("allowedListeners").fields("namespaces")
    choice = namespaces.text("from")
    if choice:
        return (
            choice == "All"
            or (choice == "Same" and item.namespace == gateway.namespace)
            or (choice == "Selector" and inputs.namespace_matches(item.namespace, namespaces.fields("selector")))
        )
    return "selector" in namespaces and inputs.namespace_matches(item.namespace, namespaces.fields("selector"))


def _add(
    inputs: ConversionInputs, out: Listeners, gateway: ApiObject, listener: _Listener, deployment: _Deployment
) -> None:
    """The Istio Gateway of one listener, if it is valid, and the parent it is for routes, valid or not."""
    owner, fields = listener
    section, port, protocol = fields.text("name"), fields.integer("port"), fields.text("protocol")
    name = f"{owner.name}~{GATEWAY_NAME}~{section}"
    hosts = _hosts(inputs, owner, fields)
    parents = out.parents.setdefault(ParentKey(owner.kind, owner.namespace, owner.name), [])
    parents.append(
        Parent(
            internal_name=f"{owner.namespace}/{name}",
            route_kinds=_route_kinds(fields),
            hosts=tuple(hosts),
            hostname=fields.text("hostname"),
            section=section,
            port=port,
            protocol=protocol,
        )
    )
    server: dict[str, object] = {
        "port": {"name": "default", "number": port, "protocol": protocol},
        "hosts": hosts,
    }
    if protocol not in _PROTOCOLS:
        inputs.report(owner, "UnsupportedProtocol", f"protocol {protocol} is unsupported", fields.path)
        return
    try:
        tls = build_tls(inputs, owner, fields, gateway.spec.fields("tls").fields("frontend"))
    except InvalidTlsError as failure:
        inputs.report(owner, failure.reason, f"listener {section}: {failure.message}", fields.at("tls"))
        return
    if tls is not None:
        server["tls"] = tls
    annotations = _annotations(gateway, owner, section, deployment)
    out.gateways.append(make_config("Gateway", name, owner, annotations, {"servers": [server]}))


def _annotations(gateway: ApiObject, owner: ApiObject, section: str, deployment: _Deployment) -> Mapping[str, str]:
    annotations = {
        PARENTS_ANNOTATION: f"{owner.kind}/{owner.name}/{section}.{owner.namespace}",
        GATEWAY_SEMANTICS_ANNOTATION: "gateway",
        GATEWAY_SERVICE_ANNOTATION: ",".join(deployment.services),
        _SERVICE_ACCOUNT: deployment.service_account,
    }
    if owner is not gateway:
        annotations[PARENT_NAMESPACE_ANNOTATION] = gateway.namespace
    return annotations


def _hosts(inputs: ConversionInputs, owner: ApiObject, listener: Fields) -> list[str]:
    """``namespace/host`` for each namespace whose routes may attach; ``~/host`` when none may."""
    hostname = listener.text("hostname", "*")
    namespaces = listener.fields("allowedRoutes").fields("namespaces")
    choice = namespaces.text("from", "Same")
    if choice == "Same":
        allowed = [owner.namespace]
    elif choice == "All" or "selector" not in namespaces:
        allowed = ["*"]
    else:
        allowed = inputs.namespaces_matching(namespaces.fields("selector"))
    return [f"{namespace}/{hostname}" for namespace in allowed] or [f"~/{hostname}"]


def _route_kinds(listener: Fields) -> tuple[str, ...]:
    """Kinds of routes that may attach: those of the protocol, or the given ones among them."""
    supported = _ROUTE_KINDS.get(listener.text("protocol"), ())
    if listener.text("protocol") == "TLS" and listener.fields("tls").text("mode") == "Terminate":
        supported = ("TLSRoute", "TCPRoute")
    given = listener.fields("allowedRoutes").items("kinds")
    if not given:
        return supported
    wanted = [kind.text("kind") for kind in given if kind.text("group", GATEWAY_GROUP) == GATEWAY_GROUP]
    return tuple(kind for kind in supported if kind in wanted)
