"""HTTP match conditions of VirtualServices as Envoy route matches.

Modelled on istio pilot/pkg/networking/core/route/route.go (TranslateRouteMatch), pkg/jwt/routing.go and
pilot/pkg/security/authz/model/util.go (MetadataMatcherForJWTClaims), release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meshsim.api import Fields
from meshsim.xds.messages import (
    metadata_matcher_pb2,
    regex_pb2,
    route_components_pb2,
    string_pb2,
    value_pb2,
    wrappers_pb2,
)

_CLAIM_HEADER: Final = "@request.auth.claims"
_JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
_PSEUDO_HEADERS: Final = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))


def build_route_match(match: Fields | None, path_separated: bool) -> route_components_pb2.RouteMatch:
    """The Envoy match of one condition; everything when there is none.

    `path_separated` makes a prefix match whole path segments, as Ingress and the Gateway API define it.
    """
    out = route_components_pb2.RouteMatch(prefix="/")
    if match is None:
        return out
    for name, text in match.fields_map("headers").items():
        _add_header(out, name, text, inverted=False)
    for name, text in match.fields_map("withoutHeaders").items():
        _add_header(out, name, text, inverted=True)
    out.headers.sort(key=lambda header: header.name)
    if "uri" in match:
        _set_path(out, match.fields("uri"), path_separated)
    out.case_sensitive.CopyFrom(wrappers_pb2.BoolValue(value=not match.flag("ignoreUriCase")))
    for key, name in _PSEUDO_HEADERS:
        if key in match:
            out.headers.append(_header_matcher(name, match.fields(key)))
    for name, text in sorted(match.fields_map("queryParams").items()):
        out.query_parameters.append(_query_matcher(name, text))
    return out


def is_catch_all(match: route_components_pb2.RouteMatch) -> bool:
    """Whether the match takes every request (istio route.go IsCatchAllRoute)."""
    kind = match.WhichOneof("path_specifier")
    anything = (
        (kind == "prefix" and match.prefix == "/")
        or (kind == "path_separated_prefix" and match.path_separated_prefix == "/")
        or (kind == "safe_regex" and match.safe_regex.regex == ".*")
    )
    return anything and not match.headers and not match.query_parameters and not match.dynamic_metadata


def source_matches(
    match: Fields | None,
    proxy_labels: Mapping[str, str],
    proxy_namespace: str,
    gateway_names: Sequence[str],
) -> bool:
    """Whether the condition is meant for this proxy; labels and namespace count only without `gateways`."""
    if match is None:
        return True
    gateways = match.texts("gateways")
    if gateways:
        return any(gateway in gateway_names for gateway in gateways)
    wanted = match.text_map("sourceLabels")
    if any(proxy_labels.get(key) != value for key, value in wanted.items()):
        return False
    return match.text("sourceNamespace") in ("", proxy_namespace)


def string_matcher(text: Fields) -> string_pb2.StringMatcher | None:
    """An Istio StringMatch as Envoy's, `None` for an empty one."""
    if "exact" in text:
        return string_pb2.StringMatcher(exact=text.text("exact"))
    if "prefix" in text:
        return string_pb2.StringMatcher(prefix=text.text("prefix"))
    if "regex" in text:
        return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=text.text("regex")))
    return None


def _set_path(out: route_components_pb2.RouteMatch, uri: Fields, path_separated: bool) -> None:
    if "exact" in uri:
        out.path = uri.text("exact")
    elif "prefix" in uri:
        prefix = uri.text("prefix")
        if path_separated and prefix != "/":
            out.path_separated_prefix = prefix.removesuffix("/")
        else:
            out.prefix = prefix
    elif "regex" in uri:
        out.safe_regex.CopyFrom(regex_pb2.RegexMatcher(regex=uri.text("regex")))


def _add_header(out: route_components_pb2.RouteMatch, name: str, text: Fields, *, inverted: bool) -> None:
    claims = _routing_claims(name)
    if claims:
        metadata = _claim_matcher(claims, string_matcher(text))
        metadata.invert = inverted
        out.dynamic_metadata.append(metadata)
        return
    header = _header_matcher(name, text)
    if inverted:
        header.invert_match = True
        header.treat_missing_header_as_empty = not _is_presence(text)
    out.headers.append(header)


def _header_matcher(name: str, text: Fields) -> route_components_pb2.HeaderMatcher:
    if _is_presence(text):
        return route_components_pb2.HeaderMatcher(name=name, present_match=True)
    return route_components_pb2.HeaderMatcher(name=name, string_match=string_matcher(text))


def _query_matcher(name: str, text: Fields) -> route_components_pb2.QueryParameterMatcher:
    if _is_presence(text):
        return route_components_pb2.QueryParameterMatcher(name=name, present_match=True)
    return route_components_pb2.QueryParameterMatcher(name=name, string_match=string_matcher(text))


def _is_presence(text: Fields) -> bool:
    """Whether only the presence is asked for: no match type, or the regex ``*``, which is none in RE2."""
    return string_matcher(text) is None or ("exact" not in text and "prefix" not in text and text.text("regex") == "*")


def _routing_claims(name: str) -> list[str]:
    """The claim path of an ``@request.auth.claims.a.b`` or ``[a][b]`` header; empty for any other header."""
    if not name.lower().startswith(_CLAIM_HEADER):
        return []
    rest = name[len(_CLAIM_HEADER) :]
    if len(rest) <= 1:
        return []
    if rest.startswith("."):
        return rest[1:].split(".")
    if rest.startswith("[") and rest.endswith("]"):
        return rest[1:-1].split("][")
    return []


def _claim_matcher(
    claims: Sequence[str], text: string_pb2.StringMatcher | None
) -> metadata_matcher_pb2.MetadataMatcher:
    """Matches a claim of the verified token, a text or one entry of a list."""
    single = value_pb2.ValueMatcher(string_match=text or string_pb2.StringMatcher())
    either = value_pb2.OrMatcher(
        value_matchers=[
            value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=single)),
            single,
        ]
    )
    segments = [metadata_matcher_pb2.MetadataMatcher.PathSegment(key=key) for key in ("payload", *claims)]
    return metadata_matcher_pb2.MetadataMatcher(
        filter=_JWT_FILTER, path=segments, value=value_pb2.ValueMatcher(or_match=either)
    )
