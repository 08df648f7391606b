"""`proxy-config`: what a proxy has, in istioctl's columns.

Source: istio istioctl/pkg/writer/envoy/configdump/{cluster,endpoint,ecds}.go, release 1.31; listeners and routes have
modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import Message

from meshsim.errors import InputError
from meshsim.exports.proxy_config_listeners import listener_table
from meshsim.exports.proxy_config_routes import describe_management, route_table
from meshsim.exports.proxy_config_text import aligned
from meshsim.units import Nanos, format_duration
from meshsim.xds import type_urls
from meshsim.xds.json_text import to_text
from meshsim.xds.messages import (
    address_pb2,
    base_pb2,
    cluster_pb2,
    endpoint_pb2,
    extension_pb2,
    health_check_pb2,
    listener_pb2,
    route_pb2,
)

if TYPE_CHECKING:
    from meshsim.recording import Run

__all__ = [
    "cluster_table",
    "ecds_table",
    "endpoint_table",
    "listener_table",
    "print_json",
    "print_table",
    "recorded_config",
    "route_table",
]

_PIECES: Final = 4
"""Direction, port, subset and host of a cluster's name."""


class SubsetKey(NamedTuple):
    """The parts of a cluster's name, in the order clusters are sorted by."""

    host: str
    subset: str
    port: int
    direction: str


def subset_key(name: str) -> SubsetKey:
    """The parts of ``outbound|80|v1|reviews.default.svc.cluster.local``; of another name only itself."""
    parts = name.split("|")
    if len(parts) < _PIECES:
        return SubsetKey(name, "", 0, "")
    port = parts[1].removesuffix("_")
    return SubsetKey(parts[3], parts[2], int(port) if port.isdigit() else 0, parts[0].removesuffix("_"))


def cluster_table(clusters: Iterable[cluster_pb2.Cluster]) -> str:
    """The table of clusters with the DestinationRule that shaped each."""
    rows: list[Sequence[object]] = [["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"]]
    for cluster in sorted(clusters, key=lambda item: subset_key(item.name)):
        key = subset_key(cluster.name)
        kind = cluster_pb2.Cluster.DiscoveryType.Name(cluster.type)
        named = [key.port, key.subset or "-", key.direction] if cluster.name.count("|") >= _PIECES - 1 else ["-"] * 3
        rows.append([key.host, *named, kind, describe_management(cluster.metadata)])
    return aligned(rows, 5)


def endpoint_table(assignments: Iterable[endpoint_pb2.ClusterLoadAssignment]) -> str:
    """The table of endpoints with health and locality, as ``istioctl proxy-config eds`` prints it.

    A recording holds what Pilot sent; which hosts an outlier detection had ejected is no part of it.
    """
    rows: list[Sequence[object]] = [["NAME", "STATUS", "LOCALITY", "CLUSTER"]]
    for assignment in sorted(assignments, key=lambda item: subset_key(item.cluster_name)):
        for group in assignment.endpoints:
            rows += [
                [
                    describe_address(item.endpoint.address),
                    health_check_pb2.HealthStatus.Name(item.health_status),
                    describe_locality(group.locality),
                    assignment.cluster_name,
                ]
                for item in group.lb_endpoints
            ]
    return aligned(rows, 5)


def describe_address(address: address_pb2.Address) -> str:
    """``address:port``, the path of a pipe, or the internal listener."""
    match address.WhichOneof("address"):
        case "socket_address":
            return f"{address.socket_address.address}:{address.socket_address.port_value}"
        case "pipe":
            return address.pipe.path
        case "envoy_internal_address" if address.envoy_internal_address.server_listener_name:
            inner = address.envoy_internal_address
            return f"envoy://{inner.server_listener_name}/{inner.endpoint_id}"
    return "unknown"


def describe_locality(locality: base_pb2.Locality) -> str:
    """``region/zone/sub-zone`` as far as they are set (istio pilot/pkg/networking/util LocalityToString, 1.31)."""
    text = locality.region
    if text and locality.zone:
        text += f"/{locality.zone}"
        if locality.sub_zone:
            text += f"/{locality.sub_zone}"
    return text


def ecds_table(extensions: Iterable[extension_pb2.TypedExtensionConfig]) -> str:
    """The table of discovered filter configurations."""
    rows = sorted((item.typed_config.type_url.removeprefix(type_urls.PREFIX), item.name) for item in extensions)
    return aligned([["ECDS NAME", "TYPE"], *([name, kind] for kind, name in rows)], 5)


class _Kind(NamedTuple):
    """A kind of configuration: its resources and its table."""

    type_url: str
    message: type[Message]
    table: Callable[[Any, bool], str]


_KINDS: Final[Mapping[str, _Kind]] = {
    "cluster": _Kind(type_urls.CLUSTER, cluster_pb2.Cluster, lambda items, _: cluster_table(items)),
    "listener": _Kind(type_urls.LISTENER, listener_pb2.Listener, listener_table),
    "route": _Kind(type_urls.ROUTE, route_pb2.RouteConfiguration, route_table),
    "endpoint": _Kind(type_urls.ENDPOINT, endpoint_pb2.ClusterLoadAssignment, lambda items, _: endpoint_table(items)),
    "ecds": _Kind(type_urls.EXTENSION, extension_pb2.TypedExtensionConfig, lambda items, _: ecds_table(items)),
}


def recorded_config(run: Run, proxy: str, kind: str, at: Nanos | None = None) -> list[Message]:
    """What a proxy of a recording had of a kind (`cluster`, `listener`, `route`, `endpoint`, `ecds`) at an instant.

    Endpoints are those Pilot sent and those written into clusters, as in Envoy's own dump. Raises `InputError` for a
    proxy without any (istioctl: ``no routes found``).
    """
    entries = run.config(proxy, at)
    chosen = _KINDS[kind]
    found = [chosen.message.FromString(entry.body) for entry in entries if entry.type_url == chosen.type_url]
    if kind == "endpoint":
        clusters = (cluster_pb2.Cluster.FromString(e.body) for e in entries if e.type_url == type_urls.CLUSTER)
        found += [_named(cluster) for cluster in clusters if cluster.HasField("load_assignment")]
    if not found and kind != "ecds":
        when = f" at {format_duration(at)}" if at is not None else ""
        raise InputError(f"no {kind}s found: '{proxy}' had none{when}")
    return found


def _named(cluster: cluster_pb2.Cluster) -> endpoint_pb2.ClusterLoadAssignment:
    assignment = endpoint_pb2.ClusterLoadAssignment()
    assignment.CopyFrom(cluster.load_assignment)
    assignment.cluster_name = cluster.name
    return assignment


def print_table(kind: str, messages: Sequence[Message], verbose: bool = True) -> str:
    """The table of resources of a kind."""
    return _KINDS[kind].table(messages, verbose)


def print_json(messages: Iterable[Message]) -> str:
    """The resources as a list in protobuf JSON with original field names."""
    return to_text(messages, indent=4)
