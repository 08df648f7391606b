"""Rules of an EnvoyFilter that need no protobuf. Source: istio pkg/config/validation/envoyfilter/envoyfilter.go, 1.31.

Whether a patch's value fits Envoy's messages is checked where those are known, in the control plane.
"""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import check_one_target
from meshsim.api.rules.names import refuse_syntax
from meshsim.api.rules.report import Report

_LISTENER: Final = ("LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER", "LISTENER_FILTER")
_ROUTE: Final = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_MATCHES: Final = ("listener", "routeConfiguration", "cluster")
_MANAGER: Final = frozenset({"envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"})


def check_envoy_filter(spec: Fields, report: Report) -> None:
    """Targets and every patch."""
    hint = "prefer another API where there is one"
    report.warn(spec.path, "an EnvoyFilter depends on internals that change between releases", hint)
    check_one_target(spec, "workloadSelector", report)
    if "workloadSelector" in spec and not spec.fields("workloadSelector").text_map("labels"):
        report.warn(spec.at("workloadSelector"), "a selector without labels selects every workload")
    for patch in spec.items("configPatches"):
        _check_patch(patch, report)


def _check_patch(patch: Fields, report: Report) -> None:
    apply_to = patch.text("applyTo", "INVALID")
    if apply_to == "INVALID":
        report.refuse(patch.at("applyTo"), "a patch says what it applies to", "such as HTTP_FILTER or CLUSTER")
        return
    action = patch.fields("patch")
    operation = action.text("operation", "INVALID")
    if "patch" not in patch:
        report.refuse(patch.path, "a patch needs 'patch'")
    elif operation == "INVALID":
        report.refuse(action.at("operation"), "a patch needs an operation", "such as MERGE or INSERT_BEFORE")
    elif operation != "REMOVE" and "value" not in action:
        report.refuse(action.path, f"the operation {operation} needs a value")
    match = patch.fields("match")
    version = match.fields("proxy").text("proxyVersion")
    if version:
        report.refuse_if(refuse_syntax(version), match.fields("proxy").at("proxyVersion"))
    _check_match(match, apply_to, report)


def _check_match(match: Fields, apply_to: str, report: Report) -> None:
    wanted = "listener" if apply_to in _LISTENER else "routeConfiguration" if apply_to in _ROUTE else "cluster"
    if apply_to in (*_LISTENER, *_ROUTE, "CLUSTER"):
        for field in _MATCHES:
            if field in match and field != wanted:
                report.refuse(match.at(field), f"{apply_to} is matched by '{wanted}', not '{field}'")
    context = match.text("context", "ANY")
    if "waypoint" in match and context != "WAYPOINT":
        report.refuse(match.at("waypoint"), "a waypoint match goes with context WAYPOINT")
    if context == "WAYPOINT":
        for field in _MATCHES[:2]:
            if field in match:
                report.refuse(match.at(field), "the context WAYPOINT is matched by 'waypoint'")
    chain = match.fields("listener").fields("filterChain")
    if "filter" in chain and apply_to in _LISTENER:
        _check_filter(chain.fields("filter"), apply_to, report)


def _check_filter(matched: Fields, apply_to: str, report: Report) -> None:
    name = matched.text("name")
    if not name:
        report.refuse(matched.path, "a filter is matched by its name")
    if "subFilter" not in matched:
        return
    inner = matched.fields("subFilter")
    if apply_to != "HTTP_FILTER":
        report.refuse(inner.path, f"a subFilter is matched for HTTP_FILTER only, not {apply_to}")
    elif name and name not in _MANAGER:
        report.refuse(matched.at("name"), "a subFilter is inside of envoy.filters.network.http_connection_manager")
    if not inner.text("name"):
        report.refuse(inner.path, "a subFilter is matched by its name")
