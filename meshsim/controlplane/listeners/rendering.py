"""Listeners as messages: chains with their matches, inspectors, and the chain for everything else.

istio pilot/pkg/networking/core/listener.go (buildListenerFromEntry, buildGatewayListener, finalizeOutboundListeners)
and listener_builder.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from meshsim.controlplane import filters
from meshsim.controlplane.listeners.chains import PLAINTEXT_HTTP_ALPNS, ChainSpec, socket_address
from meshsim.controlplane.listeners.connection_manager import http_filter
from meshsim.controlplane.listeners.policies import NO_POLICIES, ChainPolicies
from meshsim.controlplane.listeners.profile import Profile
from meshsim.controlplane.protobuf_values import duration, uint32
from meshsim.controlplane.routes.http_routes import config_metadata
from meshsim.units import SECOND
from meshsim.xds.messages import base_pb2, listener_components_pb2, listener_pb2, wrappers_pb2
from meshsim.xds.packing import pack

Listener = listener_pb2.Listener
FilterChain = listener_components_pb2.FilterChain
FilterChainMatch = listener_components_pb2.FilterChainMatch

PASSTHROUGH_CHAIN: Final = "PassthroughFilterChain"
TLS_SOCKET: Final = "envoy.transport_sockets.tls"
_HANDSHAKE_TIMEOUT: Final = 15 * SECOND
"""Istio's guard of its own listeners against slow TLS handshakes."""
_ONE: Final = 1
"""Connections accepted in one turn (MAX_CONNECTIONS_TO_ACCEPT_PER_SOCKET_EVENT)."""


def bare_listener(
    name: str, bind: str, port: int, direction: base_pb2.TrafficDirection.ValueType, *, limited: bool
) -> listener_pb2.Listener:
    """A listener without chains; `limited` = it takes connections one a turn, so that workers share them."""
    return Listener(
        name=name,
        address=socket_address(bind, port),
        traffic_direction=direction,
        max_connections_to_accept_per_socket_event=uint32(_ONE) if limited else None,
    )


def balance_exactly(listener: listener_pb2.Listener) -> None:
    """Workers take turns with new connections."""
    listener.connection_balance_config.exact_balance.SetInParent()


def render_chain(
    profile: Profile, listener_name: str, spec: ChainSpec, policies: ChainPolicies = NO_POLICIES
) -> listener_components_pb2.FilterChain:
    """The chain of an outbound or gateway listener."""
    out = FilterChain(transport_socket_connect_timeout=duration(_HANDSHAKE_TIMEOUT))
    out.filters.extend(spec.filters)
    if spec.http is not None:
        prefix = spec.http.stat_prefix or f"outbound_{listener_name};"
        out.filters.append(http_filter(profile, spec.http.settings, prefix, spec.http.route_config_name, policies))
    match = spec.match()
    if match is not None:
        out.filter_chain_match.CopyFrom(match)
    if spec.virtual_service is not None:
        out.metadata.CopyFrom(config_metadata(spec.virtual_service))
    if spec.tls is not None:
        out.transport_socket.name = TLS_SOCKET
        out.transport_socket.typed_config.CopyFrom(pack(spec.tls))
    return out


def needs_http_inspector(chains: Iterable[ChainSpec]) -> bool:
    """Whether a chain matches what the HTTP inspector reports."""
    return any(protocol in PLAINTEXT_HTTP_ALPNS for chain in chains for protocol in chain.application_protocols)


def render_outbound(
    profile: Profile,
    name: str,
    bind: str,
    port: int,
    chains: Sequence[ChainSpec],
    fallback: Sequence[listener_components_pb2.Filter],
    *,
    bind_to_port: bool,
) -> listener_pb2.Listener:
    """An outbound listener of a sidecar; `fallback` serves traffic that no chain is for."""
    out = bare_listener(name, bind, port, base_pb2.TrafficDirection.OUTBOUND, limited=bind_to_port)
    out.continue_on_listener_filters_timeout = True
    if not bind_to_port:
        out.bind_to_port.CopyFrom(wrappers_pb2.BoolValue(value=False))
    if profile.network.exact_outbound_balance:
        balance_exactly(out)
    if any(chain.needs_tls_inspector for chain in chains):
        out.listener_filters.append(filters.tls_inspector())
    sniffs = needs_http_inspector(chains)
    if sniffs:
        out.listener_filters.append(filters.http_inspector())
    out.listener_filters_timeout.CopyFrom(duration(profile.mesh.protocol_detection_timeout if sniffs else 0))
    rest = None
    for spec in chains:
        chain = render_chain(profile, name, spec)
        if spec.matches_all:
            rest = chain
        if spec.matches_all and len(chains) > 1:
            out.default_filter_chain.CopyFrom(chain)
        else:
            out.filter_chains.append(chain)
    if rest is None:
        out.default_filter_chain.name = PASSTHROUGH_CHAIN
        out.default_filter_chain.filter_chain_match.SetInParent()
        out.default_filter_chain.filters.extend(fallback)
    return out
