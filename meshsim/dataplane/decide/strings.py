"""String and address matchers as decoded values.

Rules: Envoy source/common/common/matchers.cc and source/common/network/cidr_range.cc.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from meshsim.dataplane.decide.re2 import compile_re2
from meshsim.dataplane.decide.rejected import NotModelledError, ResourceRejectedError
from meshsim.xds.messages import address_pb2, cidr_pb2, regex_pb2, string_pb2

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Notes: TypeAlias = list[str]
"""Where a decoder writes down what Envoy takes and the model does not know."""


class StringKind(Enum):
    """How a string is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "safe_regex"
    NEVER = "not modelled"
    """A matcher the model cannot evaluate; its decoder noted it."""


@dataclass(frozen=True, slots=True)
class StringMatcher:
    """One string matcher; `ignore_case` does not touch regular expressions."""

    kind: StringKind
    value: str
    ignore_case: bool = False
    pattern: re.Pattern[str] | None = None

    def matches(self, text: str) -> bool:
        """Whether the text matches."""
        kind = self.kind
        if kind is StringKind.REGEX:
            return self.pattern is not None and self.pattern.fullmatch(text) is not None
        if self.ignore_case:
            text = ascii_lower(text)
        if kind is StringKind.EXACT:
            return text == self.value
        if kind is StringKind.PREFIX:
            return text.startswith(self.value)
        if kind is StringKind.SUFFIX:
            return text.endswith(self.value)
        return kind is StringKind.CONTAINS and self.value in text

    def __str__(self) -> str:
        return f"{self.kind.value} {self.value!r}"


def ascii_lower(text: str) -> str:
    """Lower case of ASCII letters alone, as absl does it."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def decode_string_matcher(message: string_pb2.StringMatcher, notes: Notes) -> StringMatcher:
    """A StringMatcher; raises `ResourceRejectedError` for a bad pattern or an absent one."""
    kind = message.WhichOneof("match_pattern")
    if kind is None:
        raise ResourceRejectedError("StringMatcherValidationError.MatchPattern: value is required")
    if kind == "safe_regex":
        return decode_regex(message.safe_regex, notes)
    if kind == "custom":
        notes.append(f"string matcher {message.custom.name}")
        return StringMatcher(StringKind.NEVER, message.custom.name)
    value: str = getattr(message, kind)
    if not value and kind != "exact":
        raise ResourceRejectedError(
            f"StringMatcherValidationError.{kind.capitalize()}: value length must be at least 1"
        )
    return string_matcher(StringKind(kind), value, message.ignore_case)


def string_matcher(kind: StringKind, value: str, ignore_case: bool = False) -> StringMatcher:
    """A matcher of plain text."""
    return StringMatcher(kind, ascii_lower(value) if ignore_case else value, ignore_case)


def decode_regex(message: regex_pb2.RegexMatcher, notes: Notes) -> StringMatcher:
    """A RegexMatcher, matched as a whole."""
    if not message.regex:
        raise ResourceRejectedError("RegexMatcherValidationError.Regex: value length must be at least 1")
    return StringMatcher(StringKind.REGEX, message.regex, False, compiled(message.regex, notes))


def compiled(regex: str, notes: Notes) -> re.Pattern[str] | None:
    """The compiled pattern, or None and a note where the model cannot translate it."""
    try:
        return compile_re2(regex)
    except NotModelledError as error:
        notes.append(error.message)
        return None


@lru_cache(maxsize=65536)
def parse_ip(text: str) -> IpAddress | None:
    """The address, or None for what is none (a pipe, a name)."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_loopback(address: IpAddress | None) -> bool:
    """Whether Envoy takes the address for loopback: 127.0.0.1 and ::1 alone, not the rest of 127.0.0.0/8 (measured)."""
    return address is not None and str(address) in ("127.0.0.1", "::1")


def decode_cidr(message: address_pb2.CidrRange | cidr_pb2.CidrRange) -> IpNetwork:
    """A CIDR range, host bits cut; raises `ResourceRejectedError` for a malformed one."""
    length = message.prefix_len.value
    try:
        return ipaddress.ip_network((message.address_prefix, length), strict=False)
    except ValueError as error:
        raise ResourceRejectedError(f"malformed IP address: {message.address_prefix}") from error


def in_network(address: IpAddress | None, network: IpNetwork) -> bool:
    """Whether the address lies in the network; never across address families."""
    return address is not None and address.version == network.version and address in network


def in_any(address: IpAddress | None, networks: Iterable[IpNetwork]) -> bool:
    """Whether the address lies in one of the networks."""
    return any(in_network(address, n) for n in networks)


def longest_prefix(address: IpAddress | None, networks: Sequence[IpNetwork]) -> int:
    """Length of the longest of these prefixes that holds the address, -1 without."""
    return max((n.prefixlen for n in networks if in_network(address, n)), default=-1)
