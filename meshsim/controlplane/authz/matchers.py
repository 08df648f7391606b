"""String, header, path and metadata matchers of authorization rules (istio pilot/pkg/security/authz/matcher, 1.31)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from meshsim.xds.messages import (
    address_pb2,
    metadata_matcher_pb2,
    path_pb2,
    regex_pb2,
    route_components_pb2,
    string_pb2,
    value_pb2,
)

JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
JWT_PAYLOAD: Final = "payload"
_REGEX_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$")


def quote_meta(text: str) -> str:
    """The text as a regular expression that matches it alone (Go regexp.QuoteMeta)."""
    return "".join("\\" + c if c in _REGEX_SPECIAL else c for c in text)


def regex(expression: str) -> string_pb2.StringMatcher:
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=expression))


def string_matcher(value: str, prefix: str = "", ignore_case: bool = False) -> string_pb2.StringMatcher:
    """``*`` any non-empty text, ``*x`` suffix, ``x*`` prefix, else exact; `prefix` is put before the text matched."""
    if value == "*":
        matcher = regex(".+")
    elif value.startswith("*"):
        if prefix:
            matcher = regex(f"{prefix}.*{quote_meta(value[1:])}")
        else:
            matcher = string_pb2.StringMatcher(suffix=value[1:])
    elif value.endswith("*"):
        matcher = string_pb2.StringMatcher(prefix=prefix + value[:-1])
    else:
        matcher = string_pb2.StringMatcher(exact=prefix + value)
    matcher.ignore_case = ignore_case
    return matcher


def header_matcher(name: str, value: str, ignore_case: bool = False) -> route_components_pb2.HeaderMatcher:
    """A header (or pseudo header) against one value of a rule."""
    if value == "*":
        return route_components_pb2.HeaderMatcher(name=name, present_match=True)
    return route_components_pb2.HeaderMatcher(name=name, string_match=string_matcher(value, ignore_case=ignore_case))


def inline_header_matcher(name: str, value: str) -> route_components_pb2.HeaderMatcher:
    """A header that holds a comma-separated list, against one element of it."""
    if value == "*":
        return route_components_pb2.HeaderMatcher(name=name, present_match=True)
    if value.startswith("*"):
        text = quote_meta(value[1:])
        expression = f".*{text}$|.*{text},.*"
    elif value.endswith("*"):
        text = quote_meta(value[:-1])
        expression = f"^{text}.*|.*,{text}.*"
    else:
        text = quote_meta(value)
        expression = f"^{text}$|^{text},.*|.*,{text},.*|.*,{text}$"
    return route_components_pb2.HeaderMatcher(name=name, string_match=regex(expression))


def path_matcher(value: str) -> path_pb2.PathMatcher:
    return path_pb2.PathMatcher(path=string_matcher(value))


def path_template(value: str) -> str | None:
    """Envoy's template for a path with ``{*}`` or ``{**}``, ``None`` for a path without."""
    if "{*}" not in value and "{**}" not in value:
        return None
    return value.replace("{*}", "*").replace("{**}", "**")


def cidr_range(value: str) -> address_pb2.CidrRange | None:
    """An address or CIDR as Envoy's range, ``None`` when it is neither."""
    text, slash, length = value.partition("/")
    try:
        address = ipaddress.ip_address(text)
        bits = int(length) if slash else address.max_prefixlen
    except ValueError:
        return None
    if not 0 <= bits <= address.max_prefixlen:
        return None
    found = address_pb2.CidrRange(address_prefix=str(address))
    found.prefix_len.value = bits
    return found


def any_value(values: Sequence[value_pb2.ValueMatcher]) -> value_pb2.ValueMatcher:
    """Matches when one of the matchers does."""
    if len(values) == 1:
        return values[0]
    return value_pb2.ValueMatcher(or_match=value_pb2.OrMatcher(value_matchers=values))


def any_string(values: Sequence[str]) -> value_pb2.ValueMatcher:
    return any_value([value_pb2.ValueMatcher(string_match=string_matcher(value)) for value in values])


def list_of(value: value_pb2.ValueMatcher) -> value_pb2.ValueMatcher:
    """A list with an element that matches."""
    return value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=value))


def metadata_matcher(
    filter_name: str, path: Sequence[str], value: value_pb2.ValueMatcher
) -> metadata_matcher_pb2.MetadataMatcher:
    """Dynamic metadata that a filter left at a path."""
    segments = [metadata_matcher_pb2.MetadataMatcher.PathSegment(key=key) for key in path]
    return metadata_matcher_pb2.MetadataMatcher(filter=filter_name, path=segments, value=value)


def claim_is(claim: str, matcher: string_pb2.StringMatcher) -> metadata_matcher_pb2.MetadataMatcher:
    """A claim of the verified token that is a string."""
    return metadata_matcher(JWT_FILTER, (JWT_PAYLOAD, claim), value_pb2.ValueMatcher(string_match=matcher))


def claim_has(claims: Sequence[str], values: Sequence[str]) -> metadata_matcher_pb2.MetadataMatcher:
    """A (nested) claim that is one of the values, or a list with one of them."""
    value = any_string(values)
    return metadata_matcher(JWT_FILTER, (JWT_PAYLOAD, *claims), any_value([list_of(value), value]))
