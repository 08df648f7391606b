"""Rules of one HTTP route. Source: istio pkg/config/validation/virtualservice.go and validation.go, 1.31."""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.common import (
    check_destination,
    check_gateway_name,
    check_labels,
    check_match,
    check_percentage,
    check_weights,
)
from meshsim.api.rules.headers import check_headers
from meshsim.api.rules.names import is_namespace, refuse_header_name, refuse_port, refuse_regex
from meshsim.api.rules.report import Report
from meshsim.units import SECOND

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"})
_RETRY_ON: Final = frozenset(
    {
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    }
)
_GRPC_STATUS: Final = frozenset(
    {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    }
)
_EXCLUSIVE: Final = (
    ("route", "redirect"),
    ("route", "directResponse"),
    ("redirect", "directResponse"),
    ("redirect", "fault"),
    ("directResponse", "fault"),
    ("redirect", "rewrite"),
    ("directResponse", "rewrite"),
    ("mirror", "mirrors"),
)
_MAX_DIRECT_BODY: Final = 1 << 20
_LARGE_DIRECT_BODY: Final = 100 * 1024
_CLAIM: Final = "@request.auth.claims"


def check_http_route(route: Fields, report: Report, *, delegate: bool, on_gateway: bool) -> None:
    """One route; `delegate` says that its VirtualService is one, `on_gateway` that it is bound to a gateway."""
    for first, second in _EXCLUSIVE:
        if _given(route, first) and _given(route, second):
            report.refuse(route.at(second), f"a route cannot have both '{first}' and '{second}'")
    if "delegate" in route:
        _check_delegate(route, delegate, report)
    elif not any(_given(route, field) for field in ("route", "redirect", "directResponse")):
        report.refuse(route.path, "a route needs one of route, redirect and directResponse")
    for match in route.items("match"):
        _check_match(match, on_gateway, report)
    check_headers(route, report)
    for destination in route.items("route"):
        check_destination(destination.fields("destination"), report)
        check_headers(destination, report, route)
    check_weights(route.items("route"), route.at("route"), report)
    _check_mirrors(route, report)
    if "fault" in route:
        _check_fault(route.fields("fault"), report)
    if "retries" in route:
        _check_retries(route.fields("retries"), report)
    if "redirect" in route:
        _check_redirect(route, report)
    if "directResponse" in route:
        _check_direct_response(route.fields("directResponse"), report)
    if "rewrite" in route:
        _check_rewrite(route.fields("rewrite"), report)
    if "corsPolicy" in route:
        _check_cors(route.fields("corsPolicy"), report)


def _given(route: Fields, field: str) -> bool:
    return bool(route.value(field)) if field in ("route", "mirrors") else field in route


def _check_delegate(route: Fields, delegate: bool, report: Report) -> None:
    if delegate:
        report.refuse(route.at("delegate"), "a delegate VirtualService cannot delegate again")
        return
    for field in ("route", "redirect", "directResponse"):
        if _given(route, field):
            report.refuse(route.at(field), f"a route that delegates has no '{field}' of its own")


def _check_match(match: Fields, on_gateway: bool, report: Report) -> None:
    for field in ("uri", "scheme", "method", "authority"):
        check_match(match.fields(field), report, is_uri=field == "uri")
    for field in ("headers", "withoutHeaders"):
        for name, condition in match.fields_map(field).items():
            if name.startswith(_CLAIM):
                if not on_gateway:
                    report.refuse(condition.path, "routing by JWT claims works at gateways only")
            else:
                # Pseudo headers such as :path can be matched, though not set.
                report.refuse_if(refuse_header_name(name.removeprefix(":")), condition.path)
            check_match(condition, report, is_header=True)
    for condition in match.fields_map("queryParams").values():
        check_match(condition, report)
    if match.integer("port"):
        report.refuse_if(refuse_port(match.integer("port")), match.at("port"))
    check_labels(match, "sourceLabels", report)
    namespace = match.text("sourceNamespace")
    if namespace and not is_namespace(namespace):
        report.refuse(match.at("sourceNamespace"), f"'{namespace}' is not a namespace")
    for index, gateway in enumerate(match.texts("gateways")):
        check_gateway_name(gateway, f"{match.at('gateways')}[{index}]", report)


def _check_mirrors(route: Fields, report: Report) -> None:
    if "mirror" in route:
        check_destination(route.fields("mirror"), report)
    if route.integer("mirrorPercent") > 100:
        report.refuse(
            route.at("mirrorPercent"), f"a percentage is at most 100, this is {route.integer('mirrorPercent')}"
        )
    if "mirrorPercent" in route:
        report.warn(route.at("mirrorPercent"), "mirrorPercent is deprecated", "use mirrorPercentage")
    _check_share(route.fields("mirrorPercentage"), report)
    for mirror in route.items("mirrors"):
        check_destination(mirror.fields("destination"), report)
        _check_share(mirror.fields("percentage"), report)


def _check_share(percentage: Fields, report: Report) -> None:
    value = percentage.number("value")
    if not 0 <= value <= 100:
        report.refuse(percentage.at("value"), f"a percentage is from 0 to 100, this is {value:g}")


def _check_fault(fault: Fields, report: Report) -> None:
    if "delay" not in fault and "abort" not in fault:
        report.refuse(fault.path, "a fault needs a delay or an abort")
    delay, abort = fault.fields("delay"), fault.fields("abort")
    for part in (delay, abort):
        check_percentage(part.fields("percentage"), report)
    if "exponentialDelay" in delay:
        report.refuse(delay.at("exponentialDelay"), "exponentialDelay is not supported by Istio yet", "use fixedDelay")
    if "http2Error" in abort:
        report.refuse(
            abort.at("http2Error"), "http2Error is not supported by Istio yet", "use httpStatus or grpcStatus"
        )
    if "httpStatus" in abort and not 200 <= abort.integer("httpStatus") <= 600:
        report.refuse(abort.at("httpStatus"), f"a status is from 200 to 600, this is {abort.integer('httpStatus')}")
    if "grpcStatus" in abort and abort.text("grpcStatus") not in _GRPC_STATUS:
        hint = "such as UNAVAILABLE or NOT_FOUND"
        report.refuse(abort.at("grpcStatus"), f"'{abort.text('grpcStatus')}' is not a gRPC status", hint)
    if "abort" in fault and not any(field in abort for field in ("httpStatus", "grpcStatus", "http2Error")):
        report.warn(abort.path, "an abort without status does nothing", "give httpStatus or grpcStatus")


def _check_retries(retries: Fields, report: Report) -> None:
    attempts = retries.integer("attempts")
    if attempts < 0:
        report.refuse(retries.at("attempts"), f"attempts must not be negative, this is {attempts}")
    others = [field for field in ("perTryTimeout", "retryOn", "retryRemoteLocalities", "backoff") if field in retries]
    if attempts == 0 and [field for field in others if field != "backoff"]:
        report.refuse(retries.at(others[0]), f"'{others[0]}' has no effect when attempts is 0 (no retries)")
    for condition in retries.text("retryOn").split(",") if retries.text("retryOn") else ():
        is_status = condition.isdecimal() and 100 <= int(condition) <= 599
        if condition not in _RETRY_ON and not is_status:
            hint = "separate by ',' without spaces" if condition.strip() in _RETRY_ON else "such as 5xx or reset"
            report.refuse(retries.at("retryOn"), f"'{condition}' is not a condition to retry on", hint)


def _check_redirect(route: Fields, report: Report) -> None:
    redirect = route.fields("redirect")
    if not any(redirect.text(field) for field in ("uri", "authority", "scheme", "prefixRewrite")) and not any(
        field in redirect for field in ("port", "derivePort")
    ):
        report.refuse(redirect.path, "a redirect changes at least one of uri, authority, scheme and port")
    if redirect.text("scheme") not in ("", "http", "https"):
        report.refuse(redirect.at("scheme"), f"a redirect goes to http or https, not '{redirect.text('scheme')}'")
    code = redirect.integer("redirectCode")
    if code and not 300 <= code <= 399:
        report.refuse(redirect.at("redirectCode"), f"a redirect code is from 300 to 399, this is {code}")
    if redirect.integer("port"):
        report.refuse_if(refuse_port(redirect.integer("port")), redirect.at("port"))
    if redirect.text("prefixRewrite"):
        if redirect.text("uri"):
            report.refuse(redirect.at("prefixRewrite"), "a redirect has one of uri and prefixRewrite")
        if any("uri" in match and "prefix" not in match.fields("uri") for match in route.items("match")):
            hint = "match by uri: {prefix: ...}"
            report.refuse(redirect.at("prefixRewrite"), "prefixRewrite needs matches that are prefixes", hint)


def _check_direct_response(response: Fields, report: Report) -> None:
    status = response.integer("status")
    if not 200 <= status <= 600:
        report.refuse(response.at("status"), f"a status is from 200 to 600, this is {status}")
    body = response.fields("body")
    size = max(len(body.text("string").encode()), len(body.text("bytes")) * 3 // 4)
    if size > _MAX_DIRECT_BODY:
        report.refuse(response.at("body"), f"a direct response has at most 1 MiB, this has {size} bytes")
    elif size > _LARGE_DIRECT_BODY:
        report.warn(response.at("body"), f"a direct response of {size} bytes makes every configuration larger")


def _check_rewrite(rewrite: Fields, report: Report) -> None:
    uri, authority = rewrite.text("uri"), rewrite.text("authority")
    regex = rewrite.fields("uriRegexRewrite")
    if not uri and not authority and "uriRegexRewrite" not in rewrite:
        report.refuse(rewrite.path, "a rewrite changes at least one of uri, uriRegexRewrite and authority")
    if uri and "uriRegexRewrite" in rewrite:
        report.refuse(rewrite.at("uriRegexRewrite"), "a rewrite has one of uri and uriRegexRewrite")
    if "uriRegexRewrite" in rewrite:
        if not regex.text("match") or not regex.text("rewrite"):
            report.refuse(regex.path, "uriRegexRewrite needs both match and rewrite")
        else:
            report.refuse_if(refuse_regex(regex.text("match")), regex.at("match"))


def _check_cors(policy: Fields, report: Report) -> None:
    for origin in policy.items("allowOrigins"):
        check_match(origin, report)
        if not any(origin.text(field) for field in ("exact", "prefix", "regex")):
            report.refuse(origin.path, "an allowed origin is one of exact, prefix and regex")
    for index, method in enumerate(policy.texts("allowMethods")):
        if method not in _METHODS:
            report.refuse(f"{policy.at('allowMethods')}[{index}]", f"'{method}' is not an HTTP method")
    for field in ("allowHeaders", "exposeHeaders"):
        for index, name in enumerate(policy.texts(field)):
            report.refuse_if(refuse_header_name(name), f"{policy.at(field)}[{index}]")
    age = policy.duration("maxAge")
    if age is not None and age % SECOND:
        report.refuse(policy.at("maxAge"), "maxAge counts whole seconds")
