"""Request headers as Envoy holds them, and the header and query matchers of routes and policies.

Rules: Envoy source/common/http/header_map_impl.cc, header_utility.cc and utility.cc; measured on 1.40: the entries of a
repeated header are tested one by one (before 1.39 they were joined with a comma), except for the headers that Envoy
keeps as one entry, which are joined when they arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import (
    Notes,
    StringKind,
    StringMatcher,
    decode_regex,
    decode_string_matcher,
    string_matcher,
)
from meshsim.xds.messages import route_components_pb2

SINGLE_ENTRY: Final = frozenset(
    {
        ":authority",
        ":method",
        ":path",
        ":protocol",
        ":scheme",
        "accept",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "access-control-request-private-network",
        "authorization",
        "cache-control",
        "cdn-loop",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "grpc-accept-encoding",
        "grpc-timeout",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "origin",
        "pragma",
        "proxy-connection",
        "referer",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-client-trace-id",
        "x-envoy-attempt-count",
        "x-envoy-decorator-operation",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-external-address",
        "x-envoy-force-trace",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-internal",
        "x-envoy-ip-tags",
        "x-envoy-is-timeout-retry",
        "x-envoy-max-retries",
        "x-envoy-original-host",
        "x-envoy-original-path",
        "x-envoy-original-url",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-retry-grpc-on",
        "x-envoy-retry-on",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-upstream-rq-timeout-ms",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""Headers that are kept as one entry, later lines appended with a comma; each measured on Envoy 1.40."""


class HeaderMap:
    """Headers of one message: lower-case names, in order of arrival; pseudo-headers too, ``host`` is ``:authority``."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        self.add_all(pairs)

    def add_all(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Further lines, in their order."""
        values = self._values
        for name, value in pairs:
            if name in values or name == "host":
                self.add(name, value)
            else:
                values[name] = [value]

    def copy(self) -> HeaderMap:
        """An independent copy."""
        other = HeaderMap()
        other._values = {name: list(values) for name, values in self._values.items()}
        return other

    def add(self, name: str, value: str) -> None:
        """One more line, joined to the entry for the headers that have one entry."""
        if name == "host":
            name = ":authority"
        values = self._values.get(name)
        if values is None:
            self._values[name] = [value]
        elif values and name in SINGLE_ENTRY:
            values[0] = ",".join(part for part in (values[0], value) if part)
        else:
            values.append(value)

    def set(self, name: str, value: str) -> None:
        """Exactly this value; a new entry stands last."""
        self._values[":authority" if name == "host" else name] = [value]

    def remove(self, name: str) -> bool:
        """Drop every entry; whether there was one."""
        return self._values.pop(":authority" if name == "host" else name, None) is not None

    def remove_any(self, names: frozenset[str]) -> None:
        """Drop every entry of these names, which are no pseudo-headers."""
        values = self._values
        if not names.isdisjoint(values):
            for name in [n for n in values if n in names]:
                del values[name]

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether there is an entry of any of these names, which are no pseudo-headers."""
        return not names.isdisjoint(self._values)

    def get(self, name: str) -> str | None:
        """The first value."""
        values = self._values.get(":authority" if name == "host" else name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every value, empty when absent."""
        return self._values.get(":authority" if name == "host" else name, [])

    def __contains__(self, name: str) -> bool:
        return (":authority" if name == "host" else name) in self._values

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, values in self._values.items():
            for value in values:
                yield name, value

    @property
    def size(self) -> int:
        """Bytes of every entry that is no pseudo-header, names and values."""
        return sum([len(n) + len(v) for n, values in self._values.items() if n[0] != ":" for v in values])

    @property
    def plain(self) -> tuple[tuple[str, str], ...]:
        """Every entry that is no pseudo-header."""
        return tuple([(n, v) for n, values in self._values.items() if n[0] != ":" for v in values])


class HeaderTest(Enum):
    """What a header matcher asks."""

    PRESENT = "present"
    STRING = "string"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class HeaderMatcher:
    """One header matcher; a missing header never matches, inverted or not, except where presence itself is asked."""

    name: str
    test: HeaderTest
    present: bool = True
    string: StringMatcher | None = None
    low: int = 0
    high: int = 0
    """RANGE: half open, [low, high)."""
    invert: bool = False
    missing_is_empty: bool = False
    empty_matches_any: bool = False
    """Deprecated ``exact_match: ""``: any value."""

    def matches(self, headers: HeaderMap) -> bool:
        """Whether the headers match."""
        values = headers.all(self.name)
        if self.test is HeaderTest.PRESENT:
            return (bool(values) == self.present) != self.invert
        if not values:
            if not self.missing_is_empty:
                return False
            values = [""]
        return any(self._value_matches(v) for v in values) != self.invert

    def _value_matches(self, value: str) -> bool:
        if self.test is HeaderTest.RANGE:
            number = _integer(value)
            return number is not None and self.low <= number < self.high
        return self.empty_matches_any or (self.string is not None and self.string.matches(value))

    def __str__(self) -> str:
        what = "present" if self.test is HeaderTest.PRESENT else str(self.string or f"in [{self.low}, {self.high})")
        return f"header {self.name}{' not' if self.invert != (not self.present) else ''} {what}"


def decode_header_matcher(message: route_components_pb2.HeaderMatcher, notes: Notes) -> HeaderMatcher:
    """A HeaderMatcher; without a specifier it asks for presence."""
    if not message.name:
        raise ResourceRejectedError("HeaderMatcherValidationError.Name: value length must be at least 1")
    name = message.name.lower()
    kind = message.WhichOneof("header_match_specifier")
    invert, empty = message.invert_match, message.treat_missing_header_as_empty
    if kind is None:
        return HeaderMatcher(name, HeaderTest.PRESENT, invert=invert)
    if kind == "present_match":
        return HeaderMatcher(name, HeaderTest.PRESENT, present=message.present_match, invert=invert)
    if kind == "range_match":
        bounds = message.range_match
        return HeaderMatcher(name, HeaderTest.RANGE, True, None, bounds.start, bounds.end, invert, empty)
    if kind == "exact_match":
        exact = string_matcher(StringKind.EXACT, message.exact_match)
        any_value = not message.exact_match
        return HeaderMatcher(name, HeaderTest.STRING, True, exact, 0, 0, invert, empty, any_value)
    if kind == "string_match":
        string = decode_string_matcher(message.string_match, notes)
    elif kind == "safe_regex_match":
        string = decode_regex(message.safe_regex_match, notes)
    else:
        value: str = getattr(message, kind)
        if not value:
            raise ResourceRejectedError(f"HeaderMatcherValidationError.{kind}: value length must be at least 1")
        string = string_matcher(StringKind(kind.removesuffix("_match")), value)
    return HeaderMatcher(name, HeaderTest.STRING, True, string, 0, 0, invert, empty)


def _integer(text: str) -> int | None:
    """absl::SimpleAtoi on a signed 64 bit number: surrounding blanks and a sign are fine, anything else is not."""
    stripped = text.strip(" \t\n\v\f\r")
    digits = stripped[1:] if stripped[:1] in ("+", "-") else stripped
    if not digits or not digits.isascii() or not digits.isdigit():
        return None
    number = int(stripped)
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class QueryMatcher:
    """One query parameter matcher: the first occurrence counts, nothing is percent-decoded."""

    name: str
    string: StringMatcher | None
    present: bool = True

    def matches(self, parameters: dict[str, str]) -> bool:
        """Whether the parameters (first occurrences) match."""
        value = parameters.get(self.name)
        if self.string is None:
            return (value is not None) == self.present
        return value is not None and self.string.matches(value)

    def __str__(self) -> str:
        return f"query {self.name} {self.string or ('present' if self.present else 'absent')}"


def decode_query_matcher(message: route_components_pb2.QueryParameterMatcher, notes: Notes) -> QueryMatcher:
    """A QueryParameterMatcher; without a specifier it asks for presence."""
    if not message.name:
        raise ResourceRejectedError("QueryParameterMatcherValidationError.Name: value length must be at least 1")
    kind = message.WhichOneof("query_parameter_match_specifier")
    if kind == "string_match":
        return QueryMatcher(message.name, decode_string_matcher(message.string_match, notes))
    return QueryMatcher(message.name, None, message.present_match if kind else True)


def query_parameters(path: str) -> dict[str, str]:
    """First value of each parameter of a path's query, undecoded."""
    _, mark, query = path.partition("?")
    found: dict[str, str] = {}
    if mark:
        for part in query.split("&"):
            name, _, value = part.partition("=")
            found.setdefault(name, value)
    return found
