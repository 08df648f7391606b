"""Endpoint assignments as decoded values (envoy/config/endpoint/v3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToJson

from meshsim.dataplane.decide.chances import NEVER, Fractional, decode_fraction
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import Notes
from meshsim.xds.messages import address_pb2, endpoint_components_pb2, endpoint_pb2

_SOCKET_MATCH: Final = "envoy.transport_socket_match"


class Health(Enum):
    """EDS health status (`Unhealthy` includes TIMEOUT)."""

    UNKNOWN = 0
    HEALTHY = 1
    UNHEALTHY = 2
    DRAINING = 3
    TIMEOUT = 4
    DEGRADED = 5

    @property
    def usable(self) -> bool:
        return self in (Health.UNKNOWN, Health.HEALTHY, Health.DEGRADED)


Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Label names and values, sorted."""
NO_TEXT: Final = "\0"
"""What the value of a label begins with that is no text; JSON follows."""


class Endpoint(NamedTuple):
    """One host of a cluster; `port` 0 and a path as address for a pipe."""

    address: str
    port: int
    weight: int
    health: Health
    socket_labels: Labels
    """``envoy.transport_socket_match`` of its metadata; Istio: ``tlsMode``."""
    workload: str
    """``istio.workload``: name;namespace;canonical service;revision;cluster."""
    hostname: str
    subset: Labels
    """``envoy.lb`` of its metadata."""
    canary: bool = False
    """``canary`` of ``envoy.lb``."""
    checked: bool = True
    """Whether health checks ask it."""

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.port else self.address


class LocalityEndpoints(NamedTuple):
    """Endpoints of one locality and priority."""

    region: str
    zone: str
    sub_zone: str
    weight: int
    priority: int
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class LoadAssignment:
    """Hosts of a cluster by locality; compared by identity, as equal bytes decode to one object."""

    cluster_name: str
    localities: tuple[LocalityEndpoints, ...]
    overprovisioning: int = 140
    weighted_health: bool = False
    """Whether priorities count their hosts by weight."""
    unmodelled: tuple[str, ...] = ()
    drop: Fractional = NEVER
    """Share of the requests that are dropped."""
    picks: dict[tuple[float, bool, bool], tuple[Endpoint, ...]] = field(default_factory=dict, init=False, repr=False)
    """Hosts that a balancer may pick, by what of its cluster counts; filled by `upstreams.candidates`."""
    socket_labels: tuple[Labels, ...] = field(init=False, repr=False)
    """Distinct labels for transport sockets, in the order of the endpoints."""

    def __post_init__(self) -> None:
        distinct = dict.fromkeys(e.socket_labels for locality in self.localities for e in locality.endpoints)
        object.__setattr__(self, "socket_labels", tuple(distinct))

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint, in the order of the assignment."""
        return tuple(e for locality in self.localities for e in locality.endpoints)


def decode_assignment(message: endpoint_pb2.ClusterLoadAssignment) -> LoadAssignment:
    """The assignment; raises `ResourceRejectedError` with the reason of the NACK."""
    if not message.cluster_name:
        raise ResourceRejectedError("ClusterLoadAssignmentValidationError.ClusterName: value length must be at least 1")
    factor = message.policy.overprovisioning_factor
    notes: Notes = []
    drops = message.policy.drop_overloads
    if len(drops) > 1:
        raise ResourceRejectedError(
            f"Cluster drop_overloads config has {len(drops)} categories. Envoy only support one."
        )
    if any(locality.HasField("leds_cluster_locality_config") for locality in message.endpoints):
        notes.append("endpoints of a locality by discovery")
    return LoadAssignment(
        message.cluster_name,
        tuple(_locality(e) for e in message.endpoints),
        factor.value if message.policy.HasField("overprovisioning_factor") else 140,
        message.policy.weighted_priority_health,
        tuple(notes),
        decode_fraction(drops[0].drop_percentage) if drops else NEVER,
    )


def _locality(message: endpoint_components_pb2.LocalityLbEndpoints) -> LocalityEndpoints:
    if message.priority > 128:
        raise ResourceRejectedError(
            "LocalityLbEndpointsValidationError.Priority: value must be less than or equal to 128"
        )
    return LocalityEndpoints(
        message.locality.region,
        message.locality.zone,
        message.locality.sub_zone,
        message.load_balancing_weight.value,
        message.priority,
        tuple(_endpoint(e) for e in message.lb_endpoints),
    )


def _endpoint(message: endpoint_components_pb2.LbEndpoint) -> Endpoint:
    if message.HasField("load_balancing_weight") and message.load_balancing_weight.value == 0:
        raise ResourceRejectedError(
            "LbEndpointValidationError.LoadBalancingWeight: value must be greater than or equal to 1"
        )
    address, port = decode_address(message.endpoint.address)
    metadata = message.metadata.filter_metadata
    return Endpoint(
        address,
        port,
        message.load_balancing_weight.value or 1,
        Health(message.health_status),
        labels(metadata.get(_SOCKET_MATCH)),
        dict(labels(metadata.get("istio"))).get("workload", ""),
        message.endpoint.hostname,
        subset_labels(metadata.get("envoy.lb")),
        "envoy.lb" in metadata and metadata["envoy.lb"].fields["canary"].bool_value,
        not message.endpoint.health_check_config.disable_active_health_check,
    )


def labels(struct: struct_pb2.Struct | None) -> Labels:
    """String fields of a struct, sorted by name."""
    if struct is None:
        return ()
    return tuple((k, struct.fields[k].string_value) for k in sorted(struct.fields))


def subset_labels(struct: struct_pb2.Struct | None) -> Labels:
    """Fields of a struct, sorted by name: texts as they are, values of other kinds as JSON after `NO_TEXT`."""
    if struct is None:
        return ()
    found = []
    for key in sorted(struct.fields):
        value = struct.fields[key]
        if value.WhichOneof("kind") == "string_value":
            found.append((key, value.string_value))
        else:
            found.append((key, NO_TEXT + MessageToJson(value, indent=None, sort_keys=True)))
    return tuple(found)


def decode_address(message: address_pb2.Address) -> tuple[str, int]:
    """(address, port); a pipe is its path, an internal address its listener, both with port 0."""
    kind = message.WhichOneof("address")
    if kind == "pipe":
        return message.pipe.path, 0
    if kind == "envoy_internal_address":
        return f"internal:{message.envoy_internal_address.server_listener_name}", 0
    return message.socket_address.address, message.socket_address.port_value
