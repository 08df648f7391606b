"""Rules that several kinds share: visibility, labels, target references, ports, match texts, destinations.

Source: istio pkg/config/validation/validation.go and pkg/config/validation/agent/validation.go, 1.31.
"""

from __future__ import annotations

from typing import Final

from meshsim.api.fields import Fields
from meshsim.api.rules.names import (
    is_namespace,
    refuse_host,
    refuse_port,
    refuse_regex,
    refuse_subset_name,
    refuse_tag_key,
    refuse_tag_value,
    refuse_wildcard_host,
)
from meshsim.api.rules.report import Report

PROTOCOLS: Final = frozenset(
    {
        "HTTP",
        "HTTP2",
        "HTTP_PROXY",
        "HTTPS",
        "GRPC",
        "GRPC-WEB",
        "MONGO",
        "REDIS",
        "MYSQL",
        "TCP",
        "TLS",
        "UDP",
        "HBONE",
        "DOUBLE-HBONE",
    }
)
"""Protocol names of ports, in any case (pkg/config/protocol/instance.go)."""
TLS_PROTOCOLS: Final = frozenset({"HTTPS", "TLS"})
HTTP_PROTOCOLS: Final = frozenset({"HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"})
_ATTACHABLE: Final = frozenset(
    {
        ("", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    }
)


def check_export_to(spec: Fields, report: Report, allow_none: bool = False) -> None:
    """``exportTo``: ``.``, ``*`` or namespaces, each once; ``~`` only where `allow_none` (ServiceEntry) and alone."""
    seen: dict[str, str] = {}
    entries = spec.texts("exportTo")
    for index, entry in enumerate(entries):
        path = f"{spec.at('exportTo')}[{index}]"
        if entry == "~" and not allow_none:
            report.refuse(path, "'~' (visible to nobody) is for ServiceEntries only")
        elif entry not in (".", "*", "~") and not is_namespace(entry):
            report.refuse(path, f"'{entry}' is not a namespace", "write '.', '*' or the name of a namespace")
        meaning = report.namespace if entry == "." and report.namespace else entry
        if meaning in seen:
            report.refuse(path, f"'{entry}' and '{seen[meaning]}' mean the same namespace")
        seen.setdefault(meaning, entry)
    if len(entries) > 1 and "*" in entries:
        report.refuse(spec.at("exportTo"), "'*' (visible to all) makes the other entries meaningless")
    if len(entries) > 1 and "~" in entries:
        report.refuse(spec.at("exportTo"), "'~' (visible to nobody) excludes other entries")


def check_labels(fields: Fields, key: str, report: Report) -> None:
    """A map of labels."""
    for name, value in fields.text_map(key).items():
        path = f"{fields.at(key)}.{name}"
        report.refuse_if(refuse_tag_key(name), path)
        report.refuse_if(refuse_tag_value(value), path)


def check_targets(spec: Fields, report: Report) -> None:
    """Which workloads a policy is for: a selector or references, and which kinds can be referred to."""
    check_one_target(spec, "selector", report)
    references = [*spec.items("targetRefs")]
    if "targetRef" in spec:
        references.append(spec.fields("targetRef"))
    for reference in references:
        if (reference.text("group"), reference.text("kind")) not in _ATTACHABLE:
            named = f"{reference.text('group') or 'core'}/{reference.text('kind')}"
            hint = "Service, ServiceEntry, Gateway or GatewayClass (with their groups)"
            report.refuse(reference.at("kind"), f"a policy cannot be attached to a {named}", hint)
    if "selector" in spec and not spec.fields("selector").text_map("matchLabels"):
        report.warn(
            spec.at("selector"), "a selector without labels selects every workload", "leave it out, or add labels"
        )


def check_one_target(spec: Fields, selector: str, report: Report) -> None:
    """A selector and references exclude each other."""
    given = [name for name in (selector, "targetRef", "targetRefs") if name in spec]
    if len(given) > 1:
        report.refuse(spec.at(given[1]), f"'{given[0]}' and '{given[1]}' exclude each other", "give one of them")


def check_match(match: Fields, report: Report, *, is_uri: bool = False, is_header: bool = False) -> None:
    """A text to match: a prefix (but a URI's) must not be empty, a regex must be one.

    A header's regex may also be a lone ``*``, which Istio takes as "present".
    """
    if match.value("prefix") == "" and not is_uri:
        report.refuse(match.at("prefix"), "the prefix to match must not be empty")
    regex = match.value("regex")
    if isinstance(regex, str) and not (is_header and regex == "*"):
        report.refuse_if(refuse_regex(regex) if regex else "the pattern to match must not be empty", match.at("regex"))


def check_destination(destination: Fields, report: Report) -> None:
    """Where a route goes to."""
    host = destination.text("host")
    if host == "*":
        report.refuse(destination.at("host"), "'*' cannot be a destination")
    else:
        report.refuse_if(refuse_wildcard_host(host), destination.at("host"))
    if destination.text("subset"):
        report.refuse_if(refuse_subset_name(destination.text("subset")), destination.at("subset"))
    if "port" in destination:
        port = destination.fields("port")
        report.refuse_if(refuse_port(port.integer("number")), port.at("number") if "number" in port else port.path)


def check_weights(routes: tuple[Fields, ...], path: str, report: Report) -> None:
    """Weights of several destinations: not negative, and together more than nothing."""
    for route in routes:
        weight = route.integer("weight")
        if weight < 0:
            report.refuse(route.at("weight"), f"a weight must not be negative, this is {weight}")
    if len(routes) > 1 and sum(max(route.integer("weight"), 0) for route in routes) == 0:
        report.refuse(path, "the weights add up to 0", "give every destination its weight")


def check_protocol(port: Fields, report: Report) -> None:
    """The protocol of a port, if it is given."""
    protocol = port.text("protocol")
    if protocol and protocol.upper() not in PROTOCOLS:
        report.refuse(port.at("protocol"), f"'{protocol}' is not a protocol", "such as HTTP, HTTPS, GRPC, TCP or TLS")


def check_percentage(percentage: Fields, report: Report) -> None:
    """A share of requests a fault hits: 0, or from 0.0001 to 100."""
    value = percentage.number("value")
    if value != 0 and not 0.0001 <= value <= 100:
        report.refuse(percentage.at("value"), f"a percentage is 0, or from 0.0001 to 100; this is {value:g}")


def check_gateway_name(name: str, path: str, report: Report) -> None:
    """``gateway``, ``namespace/gateway`` or the reserved word ``mesh``; a name with dots is the old form."""
    if name == "mesh":
        return
    if "/" not in name:
        report.refuse_if(refuse_host(name), path)
        if "." in name:
            report.warn(path, "a gateway is named namespace/gateway, the form with dots is old")
        return
    namespace, _, gateway = name.partition("/")
    if not is_namespace(namespace):
        report.refuse(path, f"'{name}' is not the name of a gateway: '{namespace}' is not a namespace")
    if refuse_host(gateway) is not None:
        report.refuse(path, f"'{name}' is not the name of a gateway: '{gateway}' is not a name", "namespace/gateway")
