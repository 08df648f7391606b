"""Rules of HTTPRoutes and GRPCRoutes as http entries of VirtualServices.

Modelled on istio pilot/pkg/config/kube/gateway/conversion.go (convertHTTPRoute, convertGRPCRoute, sortHTTPRoutes),
release 1.31.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.conversion.backends import (
    Body,
    UnusableRouteError,
    add_header_filter,
    build_destination,
    build_http_destinations,
    weight_sum,
)
from meshsim.controlplane.conversion.inputs import ConversionInputs, duration_text

_RETRY_ON: Final = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_DEFAULT_ATTEMPTS: Final = 2
_ANY_ORIGIN: Final = r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$"
_KIND_RANK: Final = {"exact": 0, "prefix": 1, "regex": 2}


def convert_http_rules(inputs: ConversionInputs, route: ApiObject, mesh: bool) -> list[Body]:
    """One http entry for each match of each rule; raises `UnusableRouteError` when one cannot be."""
    found = []
    for position, rule in enumerate(route.spec.items("rules")):
        for match in rule.items("matches") or (None,):
            found.append(_http_rule(inputs, route, rule, match, position, mesh))
    return found


def convert_grpc_rules(inputs: ConversionInputs, route: ApiObject, mesh: bool) -> list[Body]:
    """The same for a GRPCRoute."""
    found = []
    for position, rule in enumerate(route.spec.items("rules")):
        for match in rule.items("matches") or (None,):
            out = _named(route, rule, position)
            if match is not None:
                out["match"] = [_grpc_match(match)]
            for filter_ in rule.items("filters"):
                _add_filter(inputs, route, filter_, out, mesh, ("RequestMirror",))
            if weight_sum(rule.items("backendRefs")) == 0:
                out["directResponse"] = {"status": 500}
            else:
                out["route"] = build_http_destinations(inputs, route, rule.items("backendRefs"), mesh)
            found.append(out)
    return found


def _http_rule(
    inputs: ConversionInputs, route: ApiObject, rule: Fields, match: Fields | None, position: int, mesh: bool
) -> Body:
    out = _named(route, rule, position)
    if match is not None:
        out["match"] = [_http_match(match)]
    for filter_ in rule.items("filters"):
        _add_filter(inputs, route, filter_, out, mesh, ("RequestMirror", "RequestRedirect", "URLRewrite", "CORS"))
    if "retry" in rule:
        out["retries"] = _retries(rule.fields("retry"))
    _set_timeouts(rule.fields("timeouts"), out)
    backends = rule.items("backendRefs")
    if weight_sum(backends) == 0 and "redirect" not in out:
        # Without a backend that has a weight the API asks for status 500.
        out["directResponse"] = {"status": 500}
    elif backends:
        out["route"] = build_http_destinations(inputs, route, backends, mesh)
    return out


def _named(route: ApiObject, rule: Fields, position: int) -> Body:
    return {"name": rule.text("name") or f"{route.namespace}.{route.name}.{position}"}


def _http_match(match: Fields) -> Body:
    out: Body = {}
    if "path" in match:
        path = match.fields("path")
        value = path.text("value", "/")
        kind = path.text("type", "PathPrefix")
        if kind == "PathPrefix":
            out["uri"] = {"prefix": value if value == "/" else value.removesuffix("/")}
        else:
            out["uri"] = {"exact" if kind == "Exact" else "regex": value}
    for key, target in (("headers", "headers"), ("queryParams", "queryParams")):
        values = {item.text("name"): _text_match(item) for item in match.items(key)}
        if values:
            out[target] = values
    if "method" in match:
        out["method"] = {"exact": match.text("method")}
    return out


def _text_match(item: Fields) -> Mapping[str, str]:
    regex = item.text("type", "Exact") == "RegularExpression"
    return {"regex" if regex else "exact": item.text("value")}


def _grpc_match(match: Fields) -> Body:
    """gRPC calls have the path ``/service/method``."""
    out: Body = {}
    method = match.fields("method")
    if "method" in match:
        service, name = method.text("service"), method.text("method")
        if not service and not name:
            raise UnusableRouteError("InvalidConfiguration", "gRPC match must have method or service defined")
        if method.text("type", "Exact") == "RegularExpression":
            out["uri"] = {"regex": f"/{service or '[^/]+'}/{name or '.+'}"}
        elif not name:
            out["uri"] = {"prefix": f"/{service}/"}
        elif not service:
            out["uri"] = {"regex": f"/[^/]+/{name}"}
        else:
            out["uri"] = {"exact": f"/{service}/{name}"}
    headers = {item.text("name"): _text_match(item) for item in match.items("headers")}
    if headers:
        out["headers"] = headers
    return out


def _add_filter(
    inputs: ConversionInputs, route: ApiObject, filter_: Fields, out: Body, mesh: bool, allowed: Iterable[str]
) -> None:
    kind = filter_.text("type")
    if kind in allowed and kind == "RequestMirror":
        _add_mirror(inputs, route, filter_.fields("requestMirror"), out, mesh)
    elif kind in allowed and kind == "RequestRedirect":
        out["redirect"] = _redirect(filter_.fields("requestRedirect"))
    elif kind in allowed and kind == "URLRewrite":
        rewrite = _rewrite(filter_.fields("urlRewrite"))
        if rewrite:
            out["rewrite"] = rewrite
    elif kind in allowed and kind == "CORS":
        out["corsPolicy"] = _cors(filter_.fields("cors"))
    else:
        headers = out.get("headers")
        merged: Body = dict(headers) if isinstance(headers, dict) else {}
        add_header_filter(filter_, merged)
        out["headers"] = merged


def _add_mirror(inputs: ConversionInputs, route: ApiObject, mirror: Fields, out: Body, mesh: bool) -> None:
    """A mirror to a backend that does not exist or may not be used is left out."""
    backend = mirror.fields("backendRef")
    known = len(inputs.problems)
    destination = build_destination(inputs, route, backend, mesh)
    if len(inputs.problems) > known:
        return
    policy: Body = {"destination": destination}
    if "fraction" in mirror:
        fraction = mirror.fields("fraction")
        policy["percentage"] = {"value": 100 * fraction.integer("numerator") / fraction.integer("denominator", 100)}
    elif "percent" in mirror:
        policy["percentage"] = {"value": mirror.integer("percent")}
    mirrors = out.setdefault("mirrors", [])
    assert isinstance(mirrors, list)
    mirrors.append(policy)


def _redirect(redirect: Fields) -> Body:
    out: Body = {}
    if "statusCode" in redirect:
        out["redirectCode"] = redirect.integer("statusCode")
    for key, target in (("hostname", "authority"), ("scheme", "scheme")):
        if key in redirect:
            out[target] = redirect.text(key)
    if "port" in redirect:
        out["port"] = redirect.integer("port")
    else:
        # Without a port the one of the request stays, unless the scheme changes and brings its own.
        out["derivePort"] = "FROM_PROTOCOL_DEFAULT" if "scheme" in redirect else "FROM_REQUEST_PORT"
    path = redirect.fields("path")
    if path.text("type") == "ReplaceFullPath":
        out["uri"] = path.text("replaceFullPath")
    elif path.text("type") == "ReplacePrefixMatch":
        out["prefixRewrite"] = path.text("replacePrefixMatch")
    return out


def _rewrite(rewrite: Fields) -> Body:
    out: Body = {}
    path = rewrite.fields("path")
    if path.text("type") == "ReplacePrefixMatch":
        out["uri"] = path.text("replacePrefixMatch").removesuffix("/") or "/"
    elif path.text("type") == "ReplaceFullPath":
        out["uriRegexRewrite"] = {"match": "/.*", "rewrite": path.text("replaceFullPath")}
    if rewrite.text("hostname"):
        out["authority"] = rewrite.text("hostname")
    return out


def _cors(cors: Fields) -> Body:
    out: Body = {"unmatchedPreflights": "IGNORE"}
    origins = [_origin(text) for text in cors.texts("allowOrigins") if text]
    if origins:
        out["allowOrigins"] = origins
    if cors.flag("allowCredentials"):
        out["allowCredentials"] = True
    for key in ("allowMethods", "allowHeaders", "exposeHeaders"):
        if cors.texts(key):
            out[key] = list(cors.texts(key))
    if cors.integer("maxAge") > 0:
        out["maxAge"] = f"{cors.integer('maxAge')}s"
    return out


def _origin(text: str) -> Mapping[str, str]:
    if text == "*":
        return {"regex": _ANY_ORIGIN}
    if "*" in text:
        literal = (re.sub(r"([\\.+?()|\[\]{}^$])", r"\\\1", part) for part in text.split("*"))
        return {"regex": f"^{'.*'.join(literal)}$"}
    return {"exact": text}


def _retries(retry: Fields) -> Body:
    attempts = retry.integer("attempts", _DEFAULT_ATTEMPTS)
    out: Body = {}
    if attempts:
        out["attempts"] = attempts
        out["retryOn"] = ",".join((*_RETRY_ON, *(str(code) for code in retry.integers("codes"))))
    backoff = retry.duration("backoff")
    if backoff is not None:
        out["backoff"] = duration_text(backoff)
    return out


def _set_timeouts(timeouts: Fields, out: Body) -> None:
    """The whole request's timeout; a backend's is that of a try when there are retries, else the request's."""
    request = timeouts.duration("request")
    if request:
        out["timeout"] = duration_text(request)
    backend = timeouts.duration("backendRequest")
    if backend:
        retries = out.get("retries")
        if isinstance(retries, dict):
            retries["perTryTimeout"] = duration_text(backend)
        else:
            out["timeout"] = duration_text(backend)


def sort_http_routes(routes: Iterable[Body]) -> list[Body]:
    """In the Gateway API's order of precedence.

    Exact before prefix before regex, longer before shorter, then with a method, more headers, more query parameters;
    entries without a match last, equal ones as they came.
    """
    return sorted(routes, key=_precedence)


def _precedence(route: Body) -> tuple[int, int, int, int, int, int]:
    matches = route.get("match")
    if not isinstance(matches, list) or not matches:
        return (1, 0, 0, 0, 0, 0)
    match = Fields(matches[0])
    uri = match.fields("uri")
    kind = next((kind for kind in _KIND_RANK if kind in uri), "")
    return (
        0,
        _KIND_RANK.get(kind, 3),
        -len(uri.text(kind)),
        0 if "method" in match else 1,
        -len(match.fields_map("headers")),
        -len(match.fields_map("queryParams")),
    )
