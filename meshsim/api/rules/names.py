"""Forms of names, hosts, addresses and patterns. Each function gives the reason why a text is refused, or ``None``.

Source: istio pkg/config/validation/agent/validation.go and pkg/config/labels, 1.31.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from typing import Final

_LABEL: Final = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?\Z")
_WILDCARD_LABEL: Final = re.compile(r"(?:\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)\Z")
_SNI: Final = re.compile(r"outbound_\.\d+_\.[^.]*_\.(.+)\Z")
_TAG_KEY: Final = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[a-zA-Z0-9](?:[-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?\Z"
)
_TAG_VALUE: Final = re.compile(r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?\Z")
_HEADER: Final = re.compile(r"[-A-Za-z0-9!#$%&'*+.^_|~`]+\Z")
_STRICT_HEADER: Final = re.compile(r"[-A-Za-z0-9]+\Z")
MAX_REGEX: Final = 1024
"""Longest pattern the webhook takes."""


def refuse_host(name: str) -> str | None:
    """A fully qualified domain name without wildcard, as destinations have."""
    return _preconditions(name) or _labels(name.split("."), name)


def refuse_wildcard_host(name: str) -> str | None:
    """A domain name whose first label may be or start with ``*``."""
    reason = _preconditions(name)
    if reason or name == "*":
        return reason
    first, dot, rest = name.partition(".")
    if not _WILDCARD_LABEL.match(first) or len(first) > 63:
        return f"'{name}' is not a host name ('{first}' is not a label)"
    return _labels(rest.split("."), name) if dot else _labels([first.lstrip("*-") or "x"], name)


def is_sni_host(name: str) -> bool:
    """The SNI that sidecars send through gateways of mode AUTO_PASSTHROUGH: ``outbound_.80_.v1_.host``."""
    found = _SNI.match(name)
    return found is not None and refuse_host(found.group(1)) is None


def _preconditions(name: str) -> str | None:
    if not name:
        return "a host name must not be empty"
    return f"'{name}' is longer than 255 characters" if len(name) > 255 else None


def _labels(labels: list[str], name: str) -> str | None:
    if labels[-1].lstrip("+-").isdecimal():
        return f"'{name}' is not a host name (its last label '{labels[-1]}' is a number)"
    for index, label in enumerate(labels):
        if not label and index == len(labels) - 1:
            continue
        if not _LABEL.match(label) or len(label) > 63:
            return f"'{name}' is not a host name ('{label}' is not a label)"
    return None


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def refuse_subnet(text: str) -> str | None:
    """An address or a CIDR block."""
    if "/" in text:
        address, _, length = text.partition("/")
        most = 128 if ":" in address else 32
        if is_address(address) and length.isdecimal() and int(length) <= most:
            return None
        return f"'{text}' is not a CIDR block"
    return None if is_address(text) else f"'{text}' is not an IP address"


def is_namespace(text: str) -> bool:
    """Whether a text can be a namespace's name; Istio's check of labels also takes capital letters."""
    return len(text) <= 63 and bool(_LABEL.match(text))


def refuse_unix_path(address: str) -> str | None:
    """The address of a unix domain socket after ``unix://``: an absolute path, or ``@`` and an abstract name."""
    if not address:
        return "the path of a unix domain socket must not be empty"
    if address.startswith("@"):
        return None
    if not address.startswith("/"):
        return f"'{address}' is not an absolute path"
    return f"'{address}' is a folder, not a socket" if address.endswith("/") else None


def refuse_tag_key(key: str) -> str | None:
    """A label name, as Istio calls it a tag."""
    return None if _TAG_KEY.match(key) else f"'{key}' is not a label name"


def refuse_tag_value(value: str) -> str | None:
    """A label value."""
    return None if _TAG_VALUE.match(value) else f"'{value}' is not a label value"


def refuse_subset_name(name: str) -> str | None:
    """A subset's name: a DNS label."""
    if not name:
        return "a subset's name must not be empty"
    return None if _LABEL.match(name) and len(name) <= 63 else f"'{name}' is not a subset name (a DNS label)"


def refuse_port_name(name: str) -> str | None:
    """A port's name: a DNS label."""
    return None if _LABEL.match(name) and len(name) <= 63 else f"'{name}' is not a port name (a DNS label)"


def refuse_header_name(name: str, strict: bool = False) -> str | None:
    """An HTTP header's name; `strict` allows letters, digits and ``-`` only."""
    if not name:
        return "a header name must not be empty"
    pattern = _STRICT_HEADER if strict else _HEADER
    return None if pattern.match(name) else f"'{name}' is not a header name"


def refuse_port(number: int) -> str | None:
    """A port number."""
    return None if 1 <= number <= 65_535 else f"a port is a number from 1 to 65535, this is {number}"


def refuse_regex(pattern: str) -> str | None:
    """A pattern of a match: one RE2 compiles, and not too long."""
    if len(pattern) > MAX_REGEX:
        return f"a pattern has at most {MAX_REGEX} characters, this has {len(pattern)}"
    return refuse_syntax(pattern)


def refuse_syntax(pattern: str) -> str | None:
    """A pattern RE2 does not compile. Python's syntax is a superset but for a few forms, which are rewritten first."""
    for construct in ("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(", "(?#"):
        if construct in pattern:
            return f"'{construct}' does not exist in RE2, whose patterns Istio uses"
    if re.search(r"(?<!\\)(?:\\\\)*\\[1-9]", pattern):
        return "RE2, whose patterns Istio uses, has no back references"
    if re.search(r"(?<!\\)[*+?}]\+", pattern):
        return "RE2, whose patterns Istio uses, has no possessive repetition"
    rewritten = re.sub(r"\\Q(.*?)(?:\\E|\Z)", lambda found: re.escape(found.group(1)), pattern)
    rewritten = re.sub(r"\\[pP](?:\{\^?\w+\}|\w)", "x", rewritten)
    rewritten = re.sub(r"\[:\^?[a-z]+:\]", "x", rewritten).replace(r"\z", r"\Z").replace(r"\C", ".")
    rewritten = re.sub(r"\\x\{([0-9a-fA-F]+)\}", "x", rewritten).replace("(?<", "(?P<")
    rewritten = re.sub(r"\(\?[imsU]*(?:-[imsU]+)?(?=[:)])", "(?:", rewritten).replace("(?:)", "").replace("(?::", "(?:")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(rewritten)
    except (re.error, OverflowError, RecursionError) as error:
        return f"'{pattern}' is not a pattern: {getattr(error, 'msg', None) or error}"
    return None


def covers(pattern: str, name: str) -> bool:
    """Whether every host that `name` stands for is one that `pattern` stands for (both may start with ``*``)."""
    if not pattern.startswith("*"):
        return pattern == name
    return name.removeprefix("*").endswith(pattern[1:])
