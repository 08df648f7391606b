"""EnvoyFilter patches that are refused or do nothing.

The validation webhook refuses a patch whose value is not the Envoy message it is for, and warns of fields that message
does not have (istio pkg/config/validation/envoyfilter/envoyfilter.go, BuildXDSObjectFromStruct, 1.31). A patch whose
match fits nothing changes nothing (counted as pilot_envoy_filter_status where PILOT_ENVOY_FILTER_STATS is on); what a
patch changes is seen by serving the proxies once without it. Istio's analyzers report operations that a kind of object
does not have as IST0152, IST0153 and IST0154.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from google.protobuf.json_format import ParseError
from google.protobuf.message import Message

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, labels_text
from meshsim.analysis.serving import Served, serve
from meshsim.api import ApiObject, Fields, ObjectStore
from meshsim.controlplane.envoy_filters import EnvoyFilterIndex
from meshsim.controlplane.policy_attachment import target_refs
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.xds.messages import (
    cluster_pb2,
    extension_pb2,
    http_connection_manager_pb2,
    listener_components_pb2,
    listener_pb2,
    route_components_pb2,
    route_pb2,
)
from meshsim.xds.packing import from_json, knows_type

_PROXIES: Final = 12
"""A patch is tried on so many proxies."""

_MESSAGES: Final[Mapping[str, type[Message]]] = {
    "CLUSTER": cluster_pb2.Cluster,
    "LISTENER": listener_pb2.Listener,
    "ROUTE_CONFIGURATION": route_pb2.RouteConfiguration,
    "FILTER_CHAIN": listener_components_pb2.FilterChain,
    "HTTP_FILTER": http_connection_manager_pb2.HttpFilter,
    "NETWORK_FILTER": listener_components_pb2.Filter,
    "LISTENER_FILTER": listener_components_pb2.ListenerFilter,
    "VIRTUAL_HOST": route_components_pb2.VirtualHost,
    "HTTP_ROUTE": route_components_pb2.Route,
    "EXTENSION_CONFIG": extension_pb2.TypedExtensionConfig,
}
"""What a patch of each kind is."""

_ONLY_MERGED: Final = {"ADD": "IST0153", "REMOVE": "IST0154", "REPLACE": "IST0152"}
"""Operations that a route configuration does not have."""
_NEVER_REPLACED: Final = ("CLUSTER", "LISTENER", "FILTER_CHAIN", "HTTP_ROUTE")


def check_envoy_filters(cluster: Cluster, report: Report) -> None:
    """Whom each applies to, then each of its patches."""
    served: dict[str, Served] = {}
    for item in cluster.of_kind("EnvoyFilter"):
        applies = _check_selector(cluster, item, report)
        for index, config in enumerate(item.spec.items("configPatches")):
            fits = _check_value(item, config, report)
            if _check_operation(item, config, report) and fits and applies:
                _check_effect(cluster, item, index, config, served, report)


def _check_selector(cluster: Cluster, item: ApiObject, report: Report) -> bool:
    """Whether it applies to some workload."""
    labels = item.spec.fields("workloadSelector").text_map("labels")
    reach = None if item.namespace == cluster.push.mesh.root_namespace else item.namespace
    if target_refs(item) or cluster.pods(labels, reach):
        return True
    if cluster.whole if reach is None else cluster.knows(reach):
        where = "" if reach is None else f" of namespace {reach}"
        having = f" has the labels {labels_text(labels.items())}" if labels else " is there"
        message = f"no workload{where}{having}: this EnvoyFilter applies to nothing"
        report.warn("IST0127", item, "spec.workloadSelector" if labels else "spec", message)
    return False


# --- what a patch says -----------------------------------------------------------------------------------------------


def _check_value(item: ApiObject, config: Fields, report: Report) -> bool:
    """Whether the value is the message that the patch is for."""
    patch = config.fields("patch")
    into = _MESSAGES.get(config.text("applyTo"))
    value = patch.fields("value")
    if into is None or not value:
        return True
    for path, type_url in _types(value.body, value.path):
        if not knows_type(type_url):
            message = f"Envoy has no message of the type {type_url}: the validation webhook refuses this object"
            report.refuse("MSH0571", item, path, message, "the type is that of the v3 API of the extension")
            return False
    try:
        from_json(value.body, into, ignore_unknown=True)
    except ParseError as error:
        message = f"no {into.DESCRIPTOR.full_name}, the validation webhook refuses this object: {_reason(error)}"
        report.refuse("MSH0571", item, value.path, message)
        return False
    try:
        from_json(value.body, into)
    except ParseError as error:
        report.warn("IST0133", item, value.path, f"Pilot skips what it does not know: {_reason(error)}")
    return True


def _reason(error: ParseError) -> str:
    return str(error).replace("\n", " ")


def _types(value: object, path: str) -> Iterator[tuple[str, str]]:
    """The `@type` of every packed message in a value, with its path."""
    if isinstance(value, Mapping):
        name = value.get("@type")
        if isinstance(name, str):
            yield f"{path}.@type", name
        for key, inner in value.items():
            yield from _types(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _types(inner, f"{path}[{index}]")


def _check_operation(item: ApiObject, config: Fields, report: Report) -> bool:
    """Whether the kind of object has the operation."""
    kind, patch = config.text("applyTo"), config.fields("patch")
    operation = patch.text("operation")
    if kind == "ROUTE_CONFIGURATION" and operation in _ONLY_MERGED:
        code, hint = _ONLY_MERGED[operation], "only MERGE is for a whole route configuration"
    elif operation == "REPLACE" and kind in _NEVER_REPLACED:
        code, hint = "IST0152", "use MERGE"
    else:
        return True
    report.warn(code, item, patch.at("operation"), f"istiod ignores {operation} for {kind}", hint)
    return False


# --- what a patch changes --------------------------------------------------------------------------------------------


def _check_effect(
    cluster: Cluster, item: ApiObject, index: int, config: Fields, served: dict[str, Served], report: Report
) -> None:
    if config.text("applyTo") not in _MESSAGES:
        return
    alone = EnvoyFilterIndex((item,), cluster.push.mesh.root_namespace)
    proxies = [proxy for proxy in cluster.proxies if alone.for_proxy(proxy)][:_PROXIES]
    if not proxies:
        return
    without = _without(cluster.push, item, index)
    for proxy in proxies:
        if proxy.id not in served:
            served[proxy.id] = serve(cluster.push, proxy)
        if served[proxy.id] != serve(without, proxy):
            return
    what = config.text("applyTo")
    whom = proxies[0].id if len(proxies) == 1 else f"the {len(proxies)} proxies it was tried on"
    message = (
        f"this patch of {what} changes nothing at {whom}: its match fits nothing there, "
        "or another patch has the last word"
    )
    report.warn("MSH0572", item, config.path, message, "compare its match with what the proxy has")


def _without(push: PushContext, item: ApiObject, index: int) -> PushContext:
    """The reading of the same objects, this EnvoyFilter without one of its patches."""
    patches = list(item.spec.body["configPatches"])  # type: ignore[call-overload]
    del patches[index]
    changed = replace(item, body={**item.body, "spec": {**item.spec.body, "configPatches": patches}})
    store = ObjectStore(other for kind in push.objects.kinds() for other in push.objects.listed(kind))
    store.put(changed)
    return build_push_context(store, push.mesh, push)
