"""Routes of a VirtualService that no request can reach.

Routes are tried in their order; one without a match takes everything, and istiod leaves the rest out (istio
pilot/pkg/networking/core/route/route.go, BuildHTTPRoutesForVirtualService: it stops at a catch-all route; 1.31). What
Istio's validation says of them is a warning: IST0130 for a route, IST0131 for one of its matches (pkg/config/
validation/validation.go, analyzeUnreachableHTTPRules).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from meshsim.analysis.cluster import ISTIO_NETWORKING, Cluster
from meshsim.analysis.report import Report, labels_text, listed
from meshsim.api import ApiObject, Fields, ObjectKey
from meshsim.controlplane.host_names import MESH_GATEWAY, resolve_gateway_name, resolve_short_name
from meshsim.controlplane.policy_attachment import policies_for

_CLAIM: Final = "@request.auth.claims"
_UNCONDITIONAL: Final = frozenset({"name", "statPrefix"})
"""Fields of a match that are no condition."""


class _Seen(NamedTuple):
    """A match that an earlier route has."""

    match: Fields
    route: int


def check_routes(cluster: Cluster, report: Report) -> None:
    """Routes behind others that take their requests, and conditions that never hold."""
    for item in cluster.of_kind("VirtualService"):
        for kind in ("http", "tls", "tcp"):
            _check_order(item, item.spec.items(kind), report)
        _check_sources(cluster, item, report)
        _check_claims(cluster, item, report)
        _check_protocols(cluster, item, report)


def _check_order(item: ApiObject, routes: Sequence[Fields], report: Report) -> None:
    seen: list[_Seen] = []
    everything: int | None = None
    for number, route in enumerate(routes):
        matches = route.items("match")
        if everything is not None:
            message = f"never used: the route of line {_line(item, routes[everything])} takes every request"
            report.warn("IST0130", item, route.path, message, "put the route that has no match last")
            continue
        if not matches or any(not _conditions(match) for match in matches):
            everything = number
            continue
        covered = [(match, _covering(match, seen)) for match in matches]
        if all(by is not None for _, by in covered):
            lines = listed(str(_line(item, by.match)) for _, by in covered if by is not None)
            message = f"never used: what it matches is taken by the match of line {lines}"
            report.warn("IST0130", item, route.path, message, "put the narrower match first")
        else:
            for match, by in covered:
                if by is not None:
                    message = f"never used: what it matches is taken by the match of line {_line(item, by.match)}"
                    report.inform("IST0131", item, match.path, message)
        seen += [_Seen(match, number) for match in matches]


def _line(item: ApiObject, fields: Fields) -> int:
    position = item.position(fields.path)
    return position.line if position is not None else 0


def takes_everything(match: Fields) -> bool:
    """Whether a match holds for every request of the gateways it is for."""
    return not _conditions(Fields({key: match.value(key) for key in match if key != "gateways"}))


def _conditions(match: Fields) -> Mapping[str, object]:
    """What a match asks; a prefix ``/`` asks nothing."""
    found = {key: match.value(key) for key in match if key not in _UNCONDITIONAL and match.value(key)}
    if match.fields("uri").text("prefix") == "/" and len(found) == 1:
        return {}
    return found


def _covering(match: Fields, seen: Sequence[_Seen]) -> _Seen | None:
    """An earlier match that holds for every request that this one holds for."""
    asked = _conditions(match)
    for earlier in seen:
        wanted = _conditions(earlier.match)
        if all(_implied(key, value, asked, match, earlier.match) for key, value in wanted.items()):
            return earlier
    return None


def _implied(key: str, value: object, asked: Mapping[str, object], match: Fields, earlier: Fields) -> bool:
    """Whether a condition of the earlier match follows from those of this one."""
    if key == "uri" and match.flag("ignoreUriCase") != earlier.flag("ignoreUriCase"):
        return False
    if key in asked and _text(asked[key]) == _text(value):
        return True
    if key == "uri":
        prefix = earlier.fields("uri").text("prefix")
        uri = match.fields("uri")
        return bool(prefix) and (uri.text("prefix") or uri.text("exact")).startswith(prefix)
    if key in ("headers", "queryParams", "sourceLabels", "withoutHeaders") and isinstance(value, Mapping):
        mine = asked.get(key)
        return isinstance(mine, Mapping) and all(k in mine and _text(mine[k]) == _text(v) for k, v in value.items())
    return False


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


# --- conditions on the caller ----------------------------------------------------------------------------------------


def _matches(item: ApiObject) -> Iterator[Fields]:
    for kind in ("http", "tls", "tcp"):
        for route in item.spec.items(kind):
            yield from route.items("match")


def _check_sources(cluster: Cluster, item: ApiObject, report: Report) -> None:
    for match in _matches(item):
        namespace = match.text("sourceNamespace")
        if namespace and cluster.whole and namespace not in cluster.namespaces:
            message = f"there is no namespace {namespace}: this match never holds"
            report.warn("IST0101", item, match.at("sourceNamespace"), message)
            continue
        labels = match.text_map("sourceLabels")
        if labels and cluster.whole and not cluster.pods(labels, namespace or None):
            blame = cluster.blame(labels, namespace or None)
            message = f"no workload has the labels {labels_text(labels.items())}: this match never holds"
            report.warn("IST0127", item, f"{match.at('sourceLabels')}.{blame.key}", message, blame.hint(labels))


def _check_claims(cluster: Cluster, item: ApiObject, report: Report) -> None:
    """Conditions on claims of a token that no gateway of the VirtualService verifies."""
    used = {
        fields.at(key): key
        for match in _matches(item)
        for fields in (match.fields("headers"), match.fields("withoutHeaders"))
        for key in fields
        if key.startswith(_CLAIM)
    }
    if not used:
        return
    for written in item.spec.texts("gateways"):
        namespace, _, name = resolve_gateway_name(written, item.namespace).partition("/")
        gateway = cluster.push.objects.get(ObjectKey(ISTIO_NETWORKING, "Gateway", namespace, name))
        proxies = cluster.routers(gateway.spec.text_map("selector")) if gateway is not None else []
        bare = [p.id for p in proxies if not policies_for(cluster.push, "RequestAuthentication", p, root_first=True)]
        for path, key in used.items() if bare else ():
            message = (
                f"no RequestAuthentication is for {listed(bare)} of Gateway {namespace}/{name}: {key} is never there"
            )
            report.warn("IST0149", item, path, message, "apply a RequestAuthentication to the gateway's pods")


def _check_protocols(cluster: Cluster, item: ApiObject, report: Report) -> None:
    """HTTP routes for services that speak no HTTP."""
    push, spec = cluster.push, item.spec
    if not spec.items("http") or MESH_GATEWAY not in (spec.texts("gateways") or (MESH_GATEWAY,)):
        return
    for index, host in enumerate(spec.texts("hosts")):
        service = push.visible_service(resolve_short_name(host, item.namespace, push.mesh.domain), item.namespace)
        if service is None or not service.ports:
            continue
        if all(port.protocol.is_tcp or port.protocol.value == "UDP" for port in service.ports):
            ports = listed(f"{port.port} ({port.protocol.value})" for port in service.ports)
            message = f"{service.hostname} has no HTTP port, only {ports}: sidecars do not apply the http routes to it"
            hint = "name the port http-... or set appProtocol: http, or write tcp or tls routes"
            report.warn("MSH0504", item, f"spec.hosts[{index}]", message, hint)
