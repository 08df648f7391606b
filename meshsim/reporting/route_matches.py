"""Parts of a route table in istioctl's words (istioctl 1.31, writer/envoy/configdump/route.go and listener.go)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meshsim.xds.messages import base_pb2, route_components_pb2, route_pb2

_SHOWN: Final = 2
_CONFIG_PATH_PARTS: Final = 8


def describe_match(match: route_components_pb2.RouteMatch) -> str:
    """The path condition of a route; headers are left out, as istioctl does."""
    parts: list[str] = []
    if match.prefix:
        parts.append(f"{match.prefix}*")
    if match.path_separated_prefix:
        parts.append(f"PathPrefix:{match.path_separated_prefix}")
    if match.path:
        parts.append(match.path)
    if match.HasField("safe_regex"):
        parts.append(f"regex {match.safe_regex.regex}")
    return " ".join(parts)


def describe_domains(domains: Iterable[str]) -> str:
    """The first two of the domains, without ports and without the longer forms of a shorter one."""
    listed = list(domains)
    if len(listed) < 2:
        return "".join(listed)
    plain = [name for name in listed if ":" not in name or (name.count(":") > 2 and name.endswith("]"))]
    known = set(plain)
    kept = [name for name in plain if not _is_longer_form(name, known)]
    if len(kept) > _SHOWN:
        return f"{', '.join(kept[:_SHOWN])} + {len(kept) - _SHOWN} more..."
    return ", ".join(kept)


def _is_longer_form(name: str, known: set[str]) -> bool:
    return any(
        name.endswith(suffix) and name.removesuffix(suffix) in known for suffix in (".svc.cluster.local", ".svc")
    )


def describe_management(metadata: base_pb2.Metadata) -> str:
    """`name.namespace` of the Istio object a resource was made from, as its metadata says."""
    fields = metadata.filter_metadata["istio"].fields if "istio" in metadata.filter_metadata else {}
    if "config" not in fields:
        return ""
    path = fields["config"].string_value
    if not path.startswith("/apis/networking.istio.io/v1"):
        return "<unknown>"
    parts = path.split("/")
    return f"{parts[7]}.{parts[5]}" if len(parts) == _CONFIG_PATH_PARTS else ""


def describe_inline(table: route_pb2.RouteConfiguration) -> str:
    """A route table inside a listener: its cluster where everything goes there, else its hosts and paths."""
    cluster = _everything_to(table)
    if cluster:
        return cluster if "Cluster" in cluster else f"Cluster: {cluster}"
    return "Inline Route: " + "; ".join(_describe_host(host) for host in table.virtual_hosts)


def _everything_to(table: route_pb2.RouteConfiguration) -> str:
    if len(table.virtual_hosts) != 1 or list(table.virtual_hosts[0].domains) != ["*"]:
        return ""
    routes = table.virtual_hosts[0].routes
    if len(routes) != 1 or routes[0].match.prefix != "/":
        return ""
    return routes[0].route.cluster


def _describe_host(host: route_components_pb2.VirtualHost) -> str:
    domains = "" if list(host.domains) == ["*"] else "/".join(host.domains)
    return f"{domains} {', '.join(describe_match(route.match) for route in host.routes)}".lstrip()
