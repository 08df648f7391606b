"""What a route does with a request: forward, redirect, answer itself.

Modelled on istio pilot/pkg/networking/core/route/route.go (applyHTTPRouteDestination, ApplyRedirect,
ApplyDirectResponse), release 1.31.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.routes.destinations import Meaning, destination_cluster
from meshsim.controlplane.routes.hash_policy import build_hash_policy
from meshsim.controlplane.routes.headers import header_operations
from meshsim.controlplane.routes.retry import build_retry_policy
from meshsim.controlplane.routes.values import duration, exact_percent, whole_percent
from meshsim.xds.messages import (
    base_pb2,
    duration_pb2,
    percent_pb2,
    regex_pb2,
    route_components_pb2,
    wrappers_pb2,
)

_Route = route_components_pb2.Route
_RouteAction = route_components_pb2.RouteAction
_RedirectAction = route_components_pb2.RedirectAction

NO_TIMEOUT: Final = duration_pb2.Duration()

_REDIRECT_CODES: Final = {
    0: _RedirectAction.MOVED_PERMANENTLY,
    301: _RedirectAction.MOVED_PERMANENTLY,
    302: _RedirectAction.FOUND,
    303: _RedirectAction.SEE_OTHER,
    307: _RedirectAction.TEMPORARY_REDIRECT,
    308: _RedirectAction.PERMANENT_REDIRECT,
}
_GO_META: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True, slots=True)
class RouteContext:
    """Where routes are built for: the listener, the proxy's side, and how names are looked up there."""

    listener_port: int
    """0 for HTTP proxy and unix socket listeners."""
    proxy_labels: Mapping[str, str]
    proxy_namespace: str
    gateway_names: Sequence[str]
    """``("mesh",)`` for sidecars, else the one gateway."""
    meaning: Callable[[str], Meaning]
    """What the host of a destination means."""
    lookup_hash: Callable[[Fields], Fields | None]
    """The consistentHash of a destination."""
    default_retries: Fields | None
    """`defaultHttpRetryPolicy` of the mesh."""
    tls: bool = False
    """Whether the listener terminates TLS."""

    def cluster(self, destination: Fields) -> str:
        """The cluster a destination means here."""
        return destination_cluster(destination, self.meaning(destination.text("host")), self.listener_port)


def apply_forwarding(
    out: route_components_pb2.Route,
    http: Fields,
    authority: str,
    gateway_semantics: bool,
    context: RouteContext,
) -> None:
    """Forward to the destinations of `http`; `authority` is the host that header operations set."""
    action = out.route
    set_timeout(action, http)
    if gateway_semantics:
        action.cluster_not_found_response_code = _RouteAction.INTERNAL_SERVER_ERROR
    if "rewrite" in http:
        rewrite = http.fields("rewrite")
        _apply_rewrite(action, rewrite, out.match, gateway_semantics)
        authority = rewrite.text("authority") or authority
    if authority:
        action.host_rewrite_literal = authority
    _apply_mirrors(action, http, context)
    routes = http.items("route")
    hashed = False
    if len(routes) == 1:
        hashed = _apply_single(out, routes[0], context)
    else:
        _apply_weighted(action, routes, context)
    policy = http.fields("retries") if "retries" in http else context.default_retries
    retries = build_retry_policy(policy, hashed)
    if retries is not None:
        action.retry_policy.CopyFrom(retries)


def set_timeout(action: route_components_pb2.RouteAction, http: Fields | None) -> None:
    """The route's timeout, and the same for gRPC's own header; none unless it is given."""
    given = http.duration("timeout") if http is not None else None
    timeout = duration(given) if given is not None else NO_TIMEOUT
    action.timeout.CopyFrom(timeout)
    action.max_grpc_timeout.CopyFrom(timeout)


def _apply_rewrite(
    action: route_components_pb2.RouteAction,
    rewrite: Fields,
    match: route_components_pb2.RouteMatch,
    gateway_semantics: bool,
) -> None:
    uri = rewrite.text("uri")
    if "uriRegexRewrite" in rewrite:
        regex = rewrite.fields("uriRegexRewrite")
        pattern, substitution = regex.text("match"), regex.text("rewrite")
    elif uri == "/" and gateway_semantics:
        # Removing a prefix must leave one slash, whether or not one follows the prefix.
        pattern, substitution = f"^{_quote(match.path_separated_prefix)}(/?)(.*)", r"/\2"
    else:
        action.prefix_rewrite = uri
        return
    action.regex_rewrite.pattern.CopyFrom(regex_pb2.RegexMatcher(regex=pattern))
    action.regex_rewrite.substitution = substitution


def _quote(text: str) -> str:
    """The text as a regular expression that matches just it (Go regexp.QuoteMeta)."""
    return _GO_META.sub(r"\\\1", text)


def _apply_single(out: route_components_pb2.Route, target: Fields, context: RouteContext) -> bool:
    """Forward to the only destination; returns whether it balances by consistent hash."""
    action = out.route
    destination = target.fields("destination")
    action.cluster = context.cluster(destination)
    if "headers" in target:
        operations = header_operations(target.fields("headers"))
        out.request_headers_to_add.extend(operations.request_add)
        out.request_headers_to_remove.extend(operations.request_remove)
        out.response_headers_to_add.extend(operations.response_add)
        out.response_headers_to_remove.extend(operations.response_remove)
        if operations.authority and not action.WhichOneof("host_rewrite_specifier"):
            action.host_rewrite_literal = operations.authority
    return _add_hash(action, destination, context)


def _apply_weighted(action: route_components_pb2.RouteAction, targets: Sequence[Fields], context: RouteContext) -> None:
    """Spread over the destinations that have a weight."""
    weighted = action.weighted_clusters
    weighted.SetInParent()
    for target in targets:
        weight = target.integer("weight")
        if weight == 0:
            continue
        destination = target.fields("destination")
        cluster = weighted.clusters.add(name=context.cluster(destination))
        cluster.weight.value = weight
        if "headers" in target:
            operations = header_operations(target.fields("headers"))
            cluster.request_headers_to_add.extend(operations.request_add)
            cluster.request_headers_to_remove.extend(operations.request_remove)
            cluster.response_headers_to_add.extend(operations.response_add)
            cluster.response_headers_to_remove.extend(operations.response_remove)
            if operations.authority:
                cluster.host_rewrite_literal = operations.authority
        _add_hash(action, destination, context)


def _add_hash(action: route_components_pb2.RouteAction, destination: Fields, context: RouteContext) -> bool:
    consistent_hash = context.lookup_hash(destination)
    policy = build_hash_policy(consistent_hash)
    if policy is not None:
        action.hash_policy.append(policy)
    return consistent_hash is not None


def _apply_mirrors(action: route_components_pb2.RouteAction, http: Fields, context: RouteContext) -> None:
    if "mirror" in http:
        if "mirrorPercentage" in http:
            percent = exact_percent(http.fields("mirrorPercentage"))
        elif "mirrorPercent" in http:
            percent = whole_percent(http.integer("mirrorPercent"))
        else:
            percent = whole_percent(100)
        _add_mirror(action, http.fields("mirror"), percent, context)
    for mirror in http.items("mirrors"):
        if "destination" in mirror:
            given = "percentage" in mirror
            percent = exact_percent(mirror.fields("percentage")) if given else whole_percent(100)
            _add_mirror(action, mirror.fields("destination"), percent, context)


def _add_mirror(
    action: route_components_pb2.RouteAction,
    destination: Fields,
    percent: percent_pb2.FractionalPercent,
    context: RouteContext,
) -> None:
    """Shadow to a destination; an explicit zero means not at all."""
    if percent.numerator <= 0:
        return
    action.request_mirror_policies.add(
        cluster=context.cluster(destination),
        runtime_fraction=base_pb2.RuntimeFractionalPercent(default_value=percent),
        trace_sampled=wrappers_pb2.BoolValue(value=False),
        disable_shadow_host_suffix_append=True,
    )


def apply_redirect(out: route_components_pb2.Route, redirect: Fields, context: RouteContext) -> None:
    """Answer with a redirect; one with a code Envoy does not know leaves the route without an action."""
    code = _REDIRECT_CODES.get(redirect.integer("redirectCode"))
    if code is None:
        return
    action = _RedirectAction(host_redirect=redirect.text("authority"), response_code=code)
    if "prefixRewrite" in redirect:
        action.prefix_rewrite = redirect.text("prefixRewrite")
    else:
        action.path_redirect = redirect.text("uri")
    scheme = redirect.text("scheme")
    if scheme:
        action.scheme_redirect = scheme
    action.port_redirect = _redirect_port(redirect, scheme, context)
    out.redirect.CopyFrom(action)


def _redirect_port(redirect: Fields, scheme: str, context: RouteContext) -> int:
    """The explicit port of a redirect; 0 where the scheme's own port is meant."""
    port = redirect.integer("port")
    if "port" not in redirect and redirect.text("derivePort") == "FROM_REQUEST_PORT":
        port = context.listener_port
    effective = scheme or ("https" if context.tls else "http")
    return 0 if (port, effective) in ((80, "http"), (443, "https")) else port


def apply_direct_response(out: route_components_pb2.Route, response: Fields) -> None:
    """Answer with a fixed status and body."""
    action = out.direct_response
    action.status = response.integer("status")
    body = response.fields("body")
    if "string" in body:
        action.body.inline_string = body.text("string")
    elif "bytes" in body:
        action.body.inline_bytes = base64.b64decode(body.text("bytes"))
