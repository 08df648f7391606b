"""Annotations of a pod that injection checks before it does anything (istio pkg/kube/inject/validate.go, 1.31)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final

from meshsim.admission.proxyconfig import check_proxy_config
from meshsim.admission.quantities import canonical_quantity
from meshsim.errors import InputError

INJECT: Final = "sidecar.istio.io/inject"
STATUS: Final = "sidecar.istio.io/status"
OVERRIDES: Final = "proxy.istio.io/overrides"
PROXY_CONFIG: Final = "proxy.istio.io/config"
TEMPLATES: Final = "inject.istio.io/templates"
NATIVE_SIDECAR: Final = "sidecar.istio.io/nativeSidecar"
INTERCEPTION_MODE: Final = "sidecar.istio.io/interceptionMode"
STATUS_PORT: Final = "status.sidecar.istio.io/port"
READINESS_INITIAL_DELAY: Final = "readiness.status.sidecar.istio.io/initialDelaySeconds"
READINESS_PERIOD: Final = "readiness.status.sidecar.istio.io/periodSeconds"
READINESS_FAILURES: Final = "readiness.status.sidecar.istio.io/failureThreshold"
INCLUDE_OUTBOUND_RANGES: Final = "traffic.sidecar.istio.io/includeOutboundIPRanges"
EXCLUDE_OUTBOUND_RANGES: Final = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
INCLUDE_INBOUND_PORTS: Final = "traffic.sidecar.istio.io/includeInboundPorts"
EXCLUDE_INBOUND_PORTS: Final = "traffic.sidecar.istio.io/excludeInboundPorts"
INCLUDE_OUTBOUND_PORTS: Final = "traffic.sidecar.istio.io/includeOutboundPorts"
EXCLUDE_OUTBOUND_PORTS: Final = "traffic.sidecar.istio.io/excludeOutboundPorts"
EXCLUDE_INTERFACES: Final = "traffic.sidecar.istio.io/excludeInterfaces"
KUBEVIRT_INTERFACES: Final = "traffic.sidecar.istio.io/kubevirtInterfaces"
REROUTE_INTERFACES: Final = "istio.io/reroute-virtual-interfaces"
MERGE_METRICS: Final = "prometheus.istio.io/merge-metrics"
PROXY_CPU: Final = "sidecar.istio.io/proxyCPU"
PROXY_MEMORY: Final = "sidecar.istio.io/proxyMemory"
PROXY_CPU_LIMIT: Final = "sidecar.istio.io/proxyCPULimit"
PROXY_MEMORY_LIMIT: Final = "sidecar.istio.io/proxyMemoryLimit"

_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_FALSE: Final = ("0", "f", "F", "FALSE", "false", "False")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9._-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UINT32: Final = 1 << 32


def parse_bool(text: str) -> bool | None:
    """A boolean as Go's strconv.ParseBool reads it, ``None`` when it is none."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def check_annotations(annotations: Mapping[str, str]) -> list[str]:
    """What is wrong with the values of the checked annotations, by name."""
    problems = []
    for name in sorted(annotations):
        check = _CHECKS.get(name)
        problem = check(annotations[name]) if check is not None else ""
        if problem:
            problems.append(f"invalid value '{annotations[name]}' for annotation '{name}': {problem}")
    return problems


def _uint(text: str, limit: int) -> str:
    if not text.isascii() or not text.isdigit():
        return f'strconv.ParseUint: parsing "{text}": invalid syntax'
    return "" if int(text) < limit else f'strconv.ParseUint: parsing "{text}": value out of range'


def _port(text: str) -> str:
    problem = _uint(text.strip(), 1 << 16)
    return f"failed parsing port '{text}': {problem}" if problem else ""


def _ports(name: str, text: str) -> str:
    text = text.strip()
    for part in text.split(",") if text else ():
        problem = _port(part)
        if problem:
            return f"{name} invalid: failed parsing port '{part}': {problem}"
    return ""


def _ranges(name: str, text: str) -> str:
    for part in text.split(",") if text else ():
        problem = _prefix(part)
        if problem:
            return f"{name} invalid: failed parsing cidr '{part}': netip.ParsePrefix(\"{part}\"): {problem}"
    return ""


def _prefix(text: str) -> str:
    """Whether Go's netip.ParsePrefix takes it; host bits may be set."""
    address, slash, bits = text.rpartition("/")
    if not slash:
        return "no '/'"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        strange = next((i for i, c in enumerate(address) if c not in "0123456789abcdefABCDEF.:%"), None)
        at = f'unexpected character (at "{address[strange:]}")' if strange is not None else "unable to parse IP"
        return f'ParseAddr("{address}"): {at}'
    if "%" in address:
        return "IPv6 zones cannot be present in a prefix"
    if not bits.isdigit() or (len(bits) > 1 and bits[0] == "0"):
        return f'bad bits after slash: "{bits}"'
    return "" if int(bits) <= parsed.max_prefixlen else "prefix length out of range"


def _interception_mode(text: str) -> str:
    if text in ("REDIRECT", "TPROXY", "NONE"):
        return ""
    return f"interceptionMode invalid, use REDIRECT,TPROXY,NONE: {text}"


def _status_port(text: str) -> str:
    problem = _port(text)
    return f"excludeInboundPorts invalid: {problem}" if problem else ""


def _interfaces(text: str) -> str:
    for part in text.split(",") if text else ():
        name = part.strip()
        if not name:
            return "empty interface name"
        if len(name) > 15:
            return f'interface name "{name}" too long (max 15 chars)'
        if not _INTERFACE.fullmatch(name):
            return f'interface name "{name}" contains invalid characters'
    return ""


def _boolean(text: str) -> str:
    return "" if parse_bool(text) is not None else f'strconv.ParseBool: parsing "{text}": invalid syntax'


def _quantity(text: str) -> str:
    if _CONTROL.search(text):
        return "value contains control characters"
    try:
        canonical_quantity(text)
    except InputError:
        return "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    return ""


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    INTERCEPTION_MODE: _interception_mode,
    STATUS_PORT: _status_port,
    READINESS_INITIAL_DELAY: lambda text: _uint(text, _UINT32),
    READINESS_PERIOD: lambda text: _uint(text, _UINT32),
    READINESS_FAILURES: lambda text: _uint(text, _UINT32),
    INCLUDE_OUTBOUND_RANGES: lambda text: "" if text == "*" else _ranges("includeIPRanges", text),
    EXCLUDE_OUTBOUND_RANGES: lambda text: _ranges("excludeIPRanges", text),
    INCLUDE_INBOUND_PORTS: lambda text: "" if text == "*" else _ports("includeInboundPorts", text),
    EXCLUDE_INBOUND_PORTS: lambda text: _ports("excludeInboundPorts", text),
    EXCLUDE_OUTBOUND_PORTS: lambda text: _ports("excludeOutboundPorts", text),
    EXCLUDE_INTERFACES: _interfaces,
    KUBEVIRT_INTERFACES: _interfaces,
    REROUTE_INTERFACES: _interfaces,
    MERGE_METRICS: _boolean,
    PROXY_CONFIG: check_proxy_config,
    PROXY_CPU: _quantity,
    PROXY_MEMORY: _quantity,
    PROXY_CPU_LIMIT: _quantity,
    PROXY_MEMORY_LIMIT: _quantity,
}

CHECKED: Final = tuple(sorted(_CHECKS))
"""Names of the annotations whose values are checked."""
