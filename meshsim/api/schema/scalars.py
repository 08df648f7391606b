"""The scalar types of the field tables by their names in the notation."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

from meshsim.errors import InputError
from meshsim.units import HOUR, MILLISECOND, SECOND, parse_duration

_QUANTITY: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?\Z")
_MAX_DURATION: Final = 315_576_000_000 * SECOND
"""Greatest span of google.protobuf.Duration, 10,000 years."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)\Z")


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _flag(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _whole(least: int, most: int) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number")
        if not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return check


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def _duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a duration with a unit, such as 500ms or 2s")
    try:
        span = parse_duration(value)
    except InputError:
        raise ValueError("must be a duration with a unit, such as 500ms or 2s") from None
    if abs(span) > _MAX_DURATION:
        raise ValueError("must be a duration of at most 10,000 years")
    return value


def _span(value: object) -> object:
    """A duration the CRDs bound from below: ``must be a valid duration greater than 1ms``."""
    if isinstance(_duration(value), str) and parse_duration(str(value)) < MILLISECOND:
        raise ValueError("must be a duration of at least 1ms")
    return value


def _gateway_duration(value: object) -> object:
    """Gateway API duration (GEP-2257): one to four whole numbers with h, m, s or ms."""
    if not isinstance(value, str) or not re.match(r"(?:\d{1,5}(?:h|m|s|ms)){1,4}\Z", value):
        raise ValueError("must be a duration such as 500ms, 2s or 1h30m (whole numbers)")
    if parse_duration(value) > 100_000 * HOUR:
        raise ValueError("must be a shorter duration")
    return value


def _quantity(value: object) -> object:
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _QUANTITY.match(text):
        raise ValueError("must be a quantity such as 500m, 2 or 128Mi")
    return value


def _int_or_text(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number or text")
    return value


def _time(value: object) -> object:
    if not isinstance(value, str) or not _TIME.match(value):
        raise ValueError("must be a time such as 2024-05-01T12:00:00Z")
    return value


def _bytes(value: object) -> object:
    try:
        if isinstance(value, str):
            base64.b64decode("".join(value.split()), validate=True)
            return value
    except (binascii.Error, ValueError):
        pass
    raise ValueError("must be base64")


def _mapping(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping")
    return value


def _anything(value: object) -> object:
    return value


def _pattern(pattern: str, expected: str) -> Callable[[object], object]:
    compiled = re.compile(rf"(?:{pattern})\Z")

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("must be text")
        if not compiled.match(value):
            raise ValueError(f"must be {expected}")
        return value

    return check


def _port_text(value: object) -> object:
    """A port number as a mapping key, which is text in JSON."""
    if not isinstance(value, str) or not value.isdecimal() or not 1 <= int(value) <= 65_535:
        raise ValueError("must be a port number from 1 to 65535")
    return value


LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label (RFC 1123)."""
SUBDOMAIN: Final = rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*"
"""A DNS name (RFC 1123) as Kubernetes object names are."""

SCALARS: Final[dict[str, Callable[[object], object]]] = {
    "text": _text,
    "bool": _flag,
    "int": _whole(-(1 << 63), (1 << 63) - 1),
    "int32": _whole(-(1 << 31), (1 << 31) - 1),
    "uint32": _whole(0, (1 << 32) - 1),
    "uint64": _whole(0, (1 << 63) - 1),
    "port": _whole(1, 65_535),
    "number": _number,
    "duration": _duration,
    "span": _span,
    "gwduration": _gateway_duration,
    "quantity": _quantity,
    "intstr": _int_or_text,
    "time": _time,
    "bytes": _bytes,
    "object": _mapping,
    "any": _anything,
    "dnslabel": _pattern(LABEL, "a DNS label (lower case letters, digits and '-', at most 63)"),
    "dnsname": _pattern(SUBDOMAIN, "a DNS name (lower case letters, digits, '-' and '.')"),
    "hostname": _pattern(rf"(?:\*\.)?{SUBDOMAIN}", "a host name, perhaps starting with '*.'"),
    "group": _pattern(rf"(?:{SUBDOMAIN})?", "an API group"),
    "kind": _pattern(r"(?=.{1,63}\Z)[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", "a kind"),
    "claimheader": _pattern(r"[-_A-Za-z0-9]+", "an HTTP header name"),
    "headername": _pattern(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}", "an HTTP header name"),
    "probeheader": _pattern(r"[-_A-Za-z0-9]+", "an HTTP header name"),
    "selectorkey": _pattern(r"[^*]+", "a label name without '*' (wildcards are not supported in selectors)"),
    "selectorvalue": _pattern(r"[^*]*", "a label value without '*' (wildcards are not supported in selectors)"),
    "portname": _pattern(r"[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?", "a port name"),
    "porttext": _port_text,
    "nothing": _pattern(r"", "left out: references to other namespaces are not supported"),
    "sha256": _pattern(r"(?:[a-f0-9]{64})?", "64 hexadecimal digits"),
}
