"""What a route, or a rule of a filter, asks of a request (Envoy source/common/router/config_impl.cc, matchRoute).

The tests run in Envoy's order: runtime fraction, gRPC, headers, query, TLS context, metadata, then the path. Every path
specifier sees the path without query and fragment (measured on 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from meshsim.dataplane.decide.chances import Chance, Fractional, decode_fraction
from meshsim.dataplane.decide.headers import (
    HeaderMap,
    HeaderMatcher,
    QueryMatcher,
    decode_header_matcher,
    decode_query_matcher,
    query_parameters,
)
from meshsim.dataplane.decide.metadata import DynamicMetadata, MetadataMatcher, decode_metadata_matcher
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import Notes, StringMatcher, ascii_lower, decode_regex
from meshsim.dataplane.decide.uri_template import UriTemplate, parse_uri_template
from meshsim.dataplane.decide.values import Connection
from meshsim.xds.messages import route_components_pb2, uri_template_match_pb2


class PathKind(Enum):
    """Path specifier of a route match."""

    PREFIX = "prefix"
    PATH = "path"
    REGEX = "safe_regex"
    SEPARATED_PREFIX = "path_separated_prefix"
    TEMPLATE = "path_match_policy"
    CONNECT = "connect_matcher"


@dataclass(frozen=True, slots=True)
class RuntimeFraction:
    """A share of the streams, by the stream's random number; a runtime key may override it."""

    fraction: Fractional
    key: str


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """What a route asks of a request."""

    kind: PathKind
    path: str
    """As written; `folded` is what a path is compared with."""
    case_sensitive: bool = True
    regex: StringMatcher | None = None
    template: UriTemplate | None = None
    fraction: RuntimeFraction | None = None
    headers: tuple[HeaderMatcher, ...] = ()
    query: tuple[QueryMatcher, ...] = ()
    grpc: bool = False
    certificate_presented: bool | None = None
    certificate_validated: bool | None = None
    metadata: tuple[MetadataMatcher, ...] = ()
    unmodelled: str = ""
    """A condition the model cannot evaluate: the route then never matches, and its decoder noted it."""
    folded: str = field(init=False, compare=False, repr=False)
    """The path in lower case unless case counts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folded", self.path if self.case_sensitive else ascii_lower(self.path))

    def why_not(self, stream: Stream) -> str:
        """The first test that fails, in words; empty when everything matches."""
        if self.fraction and not stream.runtime_fraction(self.fraction):
            return "runtime fraction missed"
        if self.grpc and not stream.is_grpc:
            return "not gRPC"
        for header in self.headers:
            if not header.matches(stream.headers):
                return f"{header} does not match"
        for parameter in self.query:
            if not parameter.matches(stream.query):
                return f"{parameter} does not match"
        if self.certificate_presented is not None and self.certificate_presented != stream.certificate_presented:
            return "TLS context differs"
        if self.certificate_validated is not None and self.certificate_validated != stream.certificate_presented:
            return "TLS context differs"
        for matcher in self.metadata:
            if not matcher.matches(stream.metadata):
                return f"{matcher} does not match"
        if self.unmodelled:
            return f"{self.unmodelled} is not modelled"
        return "" if self.path_matches(stream) else f"{self.kind.value} {self.path!r} does not match"

    def path_matches(self, stream: Stream) -> bool:
        """Whether the path specifier holds."""
        kind = self.kind
        if kind is PathKind.CONNECT:
            return stream.headers.get(":method") == "CONNECT"
        path = stream.bare_path
        if path is None:
            return False
        if kind is PathKind.REGEX:
            return self.regex is not None and self.regex.matches(path)
        if kind is PathKind.TEMPLATE:
            return self.template is not None and self.template.matches(path)
        if not self.case_sensitive:
            path = ascii_lower(path)
        if kind is PathKind.PREFIX:
            return path.startswith(self.folded)
        if kind is PathKind.PATH:
            return path == self.folded
        return path.startswith(self.folded) and path[len(self.path) : len(self.path) + 1] in ("", "/")

    def matched_length(self, bare_path: str) -> int:
        """How much of a matching path the specifier covers, which is what a prefix rewrite replaces."""
        return len(self.path) if self.kind in (PathKind.PREFIX, PathKind.SEPARATED_PREFIX) else len(bare_path)

    def __str__(self) -> str:
        parts = [f"{self.kind.value} {self.path!r}"]
        parts += [str(m) for m in (*self.headers, *self.query, *self.metadata)]
        if self.fraction:
            parts.append(f"{self.fraction.fraction.numerator}/{self.fraction.fraction.denominator} of streams")
        return ", ".join(parts)


class Stream:
    """A request while routes are looked for: its headers now, and what was derived from them."""

    __slots__ = ("_path", "_query", "bare_path", "chance", "connection", "headers", "metadata")

    def __init__(self, headers: HeaderMap, connection: Connection, chance: Chance, metadata: DynamicMetadata) -> None:
        self.headers = headers
        self.connection = connection
        self.chance = chance
        self.metadata = metadata
        self._path = headers.get(":path")
        self.bare_path = without_query(self._path) if self._path is not None else None
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """First values of the query parameters."""
        if self._query is None:
            self._query = query_parameters(self._path or "")
        return self._query

    @property
    def is_grpc(self) -> bool:
        """Whether the request is gRPC by its content type."""
        return self._path is not None and is_grpc(self.headers)

    @property
    def certificate_presented(self) -> bool:
        """Whether the client showed a certificate."""
        return self.connection.certificate is not None

    def runtime_fraction(self, runtime: RuntimeFraction) -> bool:
        """Whether the stream falls into a fraction; no runtime key is set."""
        return self.chance.stream_below(runtime.fraction.denominator, runtime.fraction.numerator)


def is_grpc(headers: HeaderMap) -> bool:
    """Whether the content type says gRPC."""
    content_type = headers.get("content-type") or ""
    return content_type == "application/grpc" or content_type.startswith("application/grpc+")


def without_query(path: str) -> str:
    """A path up to its query or fragment."""
    for mark in "?#":
        at = path.find(mark)
        if at >= 0:
            path = path[:at]
    return path


def decode_match(message: route_components_pb2.RouteMatch, notes: Notes) -> RouteMatch:
    """A RouteMatch; raises `ResourceRejectedError` for one that Envoy refuses."""
    field = message.WhichOneof("path_specifier")
    if field is None:
        raise ResourceRejectedError("RouteMatchValidationError.PathSpecifier: value is required")
    kind = PathKind(field)
    case_sensitive = message.case_sensitive.value if message.HasField("case_sensitive") else True
    path, regex, template = _path(message, kind, notes)
    fraction = None
    if message.HasField("runtime_fraction"):
        runtime = message.runtime_fraction
        fraction = RuntimeFraction(decode_fraction(runtime.default_value), runtime.runtime_key)
    unmodelled = "filter state" if message.filter_state else ""
    if unmodelled:
        notes.append("route match on filter state")
    presented, validated = _tls_context(message) if message.HasField("tls_context") else (None, None)
    return RouteMatch(
        kind,
        path,
        case_sensitive,
        regex,
        template,
        fraction,
        tuple(decode_header_matcher(h, notes) for h in message.headers),
        tuple(decode_query_matcher(q, notes) for q in message.query_parameters),
        message.HasField("grpc"),
        presented,
        validated,
        tuple(decode_metadata_matcher(m, notes) for m in message.dynamic_metadata),
        unmodelled,
    )


def _tls_context(message: route_components_pb2.RouteMatch) -> tuple[bool | None, bool | None]:
    tls = message.tls_context
    return (
        tls.presented.value if tls.HasField("presented") else None,
        tls.validated.value if tls.HasField("validated") else None,
    )


def _path(
    message: route_components_pb2.RouteMatch, kind: PathKind, notes: Notes
) -> tuple[str, StringMatcher | None, UriTemplate | None]:
    if kind is PathKind.REGEX:
        regex = decode_regex(message.safe_regex, notes)
        return regex.value, regex, None
    if kind is PathKind.TEMPLATE:
        config = unpack_valid(message.path_match_policy.typed_config, uri_template_match_pb2.UriTemplateMatchConfig)
        template = parse_uri_template(config.path_template)
        return template.text, None, template
    if kind is PathKind.CONNECT:
        return "CONNECT", None, None
    path: str = getattr(message, kind.value)
    if kind is PathKind.SEPARATED_PREFIX and (not path or path.endswith("/") or "?" in path or "#" in path):
        raise ResourceRejectedError(
            'RouteMatchValidationError.PathSeparatedPrefix: value does not match regex pattern "^[^?#]+[^?#/]$"'
        )
    return path, None, None
