"""`proxy-config route`: virtual hosts and routes as istioctl prints them.

Source: istio istioctl/pkg/writer/envoy/configdump/route.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from meshsim.exports.proxy_config_text import aligned, insertion_sorted
from meshsim.xds.messages import base_pb2, route_components_pb2, route_pb2

_SHOWN: Final = 2
"""Domains of a virtual host that are printed."""
_MANY_COLONS: Final = 2
"""An address of version 6 has more colons than a name with a port."""


def route_table(routes: Iterable[route_pb2.RouteConfiguration], verbose: bool = True) -> str:
    """The table of route configurations: one line a route, or one a configuration."""
    ordered = insertion_sorted(list(routes), _before)
    if not verbose:
        rows = [[item.name, str(len(item.virtual_hosts))] for item in ordered]
        return aligned([["NAME", "VIRTUAL HOSTS"], *rows], 5)
    rows = [["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"]]
    for item in ordered:
        for host in item.virtual_hosts:
            domains = describe_domains(host.domains)
            rows += [
                [item.name, host.name, domains, describe_match(route.match), describe_management(route.metadata)]
                for route in host.routes
                if route.route.cluster != "PassthroughCluster"
            ]
            if not host.routes:
                rows.append([item.name, host.name, domains, "/*", "404"])
    return aligned(rows, 5)


def describe_management(metadata: base_pb2.Metadata) -> str:
    """``name.namespace`` of the Istio object that made a resource, from its `istio` metadata; else empty."""
    config = metadata.filter_metadata["istio"].fields["config"].string_value if _has_config(metadata) else ""
    if not config:
        return ""
    parts = config.split("/")
    return f"{parts[7]}.{parts[5]}" if len(parts) == 8 else config


def _has_config(metadata: base_pb2.Metadata) -> bool:
    return "istio" in metadata.filter_metadata and "config" in metadata.filter_metadata["istio"].fields


def describe_domains(domains: Sequence[str]) -> str:
    """The first domains of a virtual host and the number of the others: those with a port and the longer
    forms of a name are left out."""
    if len(domains) == 1:
        return domains[0]
    shown = _shortest([domain for domain in domains if ":" not in domain or domain.count(":") > _MANY_COLONS])
    more = f" + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _shortest(domains: Sequence[str]) -> list[str]:
    """Without ``a.b.svc.cluster.local`` and ``a.b.svc`` where ``a.b`` is there too."""
    known = frozenset(domains)
    return [
        domain
        for domain in domains
        if not any(
            domain.endswith(suffix) and domain.removesuffix(suffix) in known
            for suffix in (".svc.cluster.local", ".svc")
        )
    ]


def describe_match(match: route_components_pb2.RouteMatch) -> str:
    """The path a route matches; headers and the like are not shown."""
    parts = []
    if match.prefix:
        parts.append(f"{match.prefix}*")
    if match.path_separated_prefix:
        parts.append(f"PathPrefix:{match.path_separated_prefix}")
    if match.path:
        parts.append(match.path)
    if match.HasField("safe_regex"):
        parts.append(f"regex {match.safe_regex.regex}")
    return " ".join(parts)


def _before(one: route_pb2.RouteConfiguration, other: route_pb2.RouteConfiguration) -> bool:
    """Numbers by value; whatever else stays where it is."""
    return _number(one.name) is not None and _number(other.name) is not None and int(one.name) < int(other.name)


def _number(name: str) -> int | None:
    digits = name[1:] if name[:1] in "+-" else name
    return int(name) if digits.isascii() and digits.isdigit() else None
