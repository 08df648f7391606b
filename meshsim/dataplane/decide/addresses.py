"""Addresses that Envoy can make nothing of, in listeners, static clusters and endpoints by EDS.

Rules: Envoy source/common/network/resolver_impl.cc, source/common/upstream/upstream_impl.cc,
source/extensions/clusters/eds/{eds,leds}.cc, source/common/config/xds_resource.cc; texts measured on Envoy 1.40.
"""

from __future__ import annotations

from typing import Final

from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.decide.strings import parse_ip
from meshsim.xds.messages import address_pb2, endpoint_components_pb2, endpoint_pb2

_IP_RESOLVERS: Final = ("", "envoy.ip")
_HINT: Final = ". Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"
_COLLECTED: Final = "envoy.config.endpoint.v3.LbEndpoint"


def unresolved(message: address_pb2.Address) -> str:
    """Why nothing resolves an address without asking DNS, or an empty text."""
    kind = message.WhichOneof("address")
    if kind is None:
        return "Address must be set: "
    if kind != "socket_address":
        return ""
    socket = message.socket_address
    if socket.resolver_name not in _IP_RESOLVERS:
        return f"Unknown address resolver: {socket.resolver_name}"
    if socket.WhichOneof("port_specifier") == "named_port":
        return f"IP resolver can't handle port specifier type {socket.NAMED_PORT_FIELD_NUMBER}"
    return f"malformed IP address: {socket.address}" if parse_ip(socket.address) is None else ""


def check_listen_address(message: address_pb2.Address) -> None:
    """Raise `ResourceRejectedError` for an address that nobody can listen on."""
    reason = unresolved(message)
    socket = message.socket_address
    if not reason and socket.ipv4_compat:
        ip = parse_ip(socket.address)
        if ip is None or ip.version == 4 or not (ip.is_unspecified or ip.ipv4_mapped):
            shown = f"[{socket.address}]" if ip is not None and ip.version == 6 else socket.address
            reason = (
                "Only IPv6 address '::' or valid IPv4-mapped IPv6 address can set ipv4_compat: "
                f"{shown}:{socket.port_value}"
            )
    if reason:
        raise ResourceRejectedError(reason)


def check_addresses(message: endpoint_pb2.ClusterLoadAssignment, static: str = "") -> None:
    """Raise `ResourceRejectedError` where a host is a name that nothing resolves; `static` names a static cluster."""
    for locality in message.endpoints:
        if locality.HasField("leds_cluster_locality_config"):
            if static:
                raise ResourceRejectedError(
                    f"LEDS is only supported when EDS is used. Static cluster {static} cannot use LEDS."
                )
            _check_collection(locality, message.cluster_name)
        for host in locality.lb_endpoints:
            endpoint = host.endpoint
            for address in (endpoint.address, *(a.address for a in endpoint.additional_addresses)):
                reason = unresolved(address)
                if reason:
                    raise ResourceRejectedError(f"{reason}{_HINT}")
                if address.socket_address.network_namespace_filepath:
                    raise ResourceRejectedError(
                        "Invalid host configuration: hosts cannot specify network namespaces with their address"
                    )
            checked = endpoint.health_check_config
            reason = unresolved(checked.address) if checked.HasField("address") else ""
            if reason:
                raise ResourceRejectedError(reason)


def _check_collection(locality: endpoint_components_pb2.LocalityLbEndpoints, cluster: str) -> None:
    """A locality whose endpoints come by LEDS."""
    config = locality.leds_cluster_locality_config
    name = config.leds_collection_name
    if locality.lb_endpoints:
        raise ResourceRejectedError(
            f"A ClusterLoadAssignment for cluster {cluster} cannot include both LEDS (resource: {name}) and a list of "
            "endpoints."
        )
    scheme, mark, rest = name.partition("://")
    if not mark or scheme not in ("xdstp", "http", "file"):
        raise ResourceRejectedError(f"{name} does not have a xdstp:, http: or file: scheme")
    kind = rest.partition("/")[2].partition("/")[0]
    if scheme != "file" and not kind:
        raise ResourceRejectedError("Resource type missing from /")
    if scheme == "xdstp" and kind != _COLLECTED:
        raise ResourceRejectedError(f"xdstp:// type does not match {_COLLECTED} in {name}")
    if config.leds_config.WhichOneof("config_source_specifier") is None:
        raise ResourceRejectedError(
            "Missing or not supported config source specifier in envoy::config::core::v3::ConfigSource for a "
            "collection. Only ADS and gRPC in delta-xDS mode are supported."
        )
