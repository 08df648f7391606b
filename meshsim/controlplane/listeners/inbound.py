"""`virtualInbound` with all its chains, and the inbound listeners that bind a port of their own.

istio pilot/pkg/networking/core/listener_inbound.go, filterchain_options.go and pilot/pkg/security/authn, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane import filters
from meshsim.controlplane.authn import PeerModes, peer_modes
from meshsim.controlplane.clusters.outbound import stat_name
from meshsim.controlplane.envoy_filters import PatchContext
from meshsim.controlplane.extensions import Phase
from meshsim.controlplane.listeners.chains import (
    ALL_MTLS_ALPNS,
    MTLS_HTTP_ALPNS,
    MTLS_TCP_ALPNS,
    PLAINTEXT_HTTP_ALPNS,
    RAW_BUFFER,
    TLS,
)
from meshsim.controlplane.listeners.connection_manager import HttpSettings, http_filter
from meshsim.controlplane.listeners.inbound_routes import inbound_routes
from meshsim.controlplane.listeners.inspectors import inspectors
from meshsim.controlplane.listeners.outbound import listener_name
from meshsim.controlplane.listeners.policies import ChainPolicies
from meshsim.controlplane.listeners.profile import Profile
from meshsim.controlplane.listeners.proxy_settings import Interception, can_bind, interception
from meshsim.controlplane.listeners.rendering import TLS_SOCKET, balance_exactly, bare_listener
from meshsim.controlplane.listeners.tcp import BLACK_HOLE_CLUSTER, Chain, TcpProxy, complete, tcp_filter
from meshsim.controlplane.listeners.tls_context import mutual_tls_context, proxy_certificates
from meshsim.controlplane.model import (
    MutualTls,
    Protocol,
    Proxy,
    Registry,
    Resolution,
    Service,
    ServicePort,
    ServiceTarget,
)
from meshsim.controlplane.protobuf_values import duration
from meshsim.controlplane.protocols import parse_protocol
from meshsim.controlplane.routes.patches import patch_configuration
from meshsim.controlplane.telemetry import ListenerClass
from meshsim.xds.messages import any_pb2, base_pb2, listener_components_pb2, listener_pb2, wrappers_pb2
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope

VIRTUAL_INBOUND: Final = "virtualInbound"
PASSTHROUGH_CLUSTER: Final = "InboundPassthroughCluster"
_CATCH_ALL_HTTP: Final = "virtualInbound-catchall-http"
_INBOUND: Final = ListenerClass.SIDECAR_INBOUND
CONFLICT_METRIC: Final = "pilot_conflict_inbound_listener"

FilterChain = listener_components_pb2.FilterChain
FilterChainMatch = listener_components_pb2.FilterChainMatch


@dataclass(frozen=True, slots=True)
class InboundPort:
    """A port of the workload, or all those nobody declared (`target_port` 0 or one of a PeerAuthentication)."""

    target_port: int
    port: ServicePort
    """The service port; number 0 for undeclared ones."""
    cluster: str
    service: Service | None = None
    """The oldest service of the port, if it is a service's."""
    hostname: str = ""
    """Of the service, or made up of the Sidecar's name; empty for undeclared ports."""
    bind: str = ""
    bind_to_port: bool = False
    sidecar: str = ""
    """``namespace/name`` of the Sidecar whose ingress listener it is."""

    @property
    def declared(self) -> bool:
        return bool(self.hostname)

    def name(self, *, http: bool) -> str:
        """Name of its chains."""
        if self.declared:
            return listener_name(self.bind, self.target_port)
        return _CATCH_ALL_HTTP if http else VIRTUAL_INBOUND


# --- what to match ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Match:
    """One chain of a port."""

    http: bool
    transport: str
    alpns: tuple[str, ...] = ()
    terminates: bool = False
    """Istio's mTLS ends here."""


def _matches(mode: MutualTls, protocol: Protocol) -> tuple[_Match, ...]:
    """Chains by mTLS mode and protocol (istio filterchain_options.go)."""
    if protocol.is_http:
        return _HTTP_MATCHES[mode]
    if protocol.is_tcp:
        return _TCP_MATCHES[mode]
    return _AUTO_MATCHES[mode] if protocol.is_auto else ()


_PLAIN_TCP: Final = _Match(False, RAW_BUFFER)
_FOREIGN_TLS: Final = _Match(False, TLS)
_SNIFFED_HTTP: Final = _Match(True, RAW_BUFFER, PLAINTEXT_HTTP_ALPNS)
_HTTP_MATCHES: Final[Mapping[MutualTls, tuple[_Match, ...]]] = {
    MutualTls.STRICT: (_Match(True, TLS, terminates=True),),
    MutualTls.PERMISSIVE: (_Match(True, TLS, ALL_MTLS_ALPNS, True), _Match(True, RAW_BUFFER)),
    MutualTls.DISABLE: (_Match(True, RAW_BUFFER),),
}
_TCP_MATCHES: Final[Mapping[MutualTls, tuple[_Match, ...]]] = {
    MutualTls.STRICT: (_Match(False, TLS, terminates=True),),
    MutualTls.PERMISSIVE: (_Match(False, TLS, ALL_MTLS_ALPNS, True), _FOREIGN_TLS, _PLAIN_TCP),
    MutualTls.DISABLE: (_PLAIN_TCP,),
}
_AUTO_MATCHES: Final[Mapping[MutualTls, tuple[_Match, ...]]] = {
    MutualTls.STRICT: (_Match(True, TLS, MTLS_HTTP_ALPNS, True), _Match(False, TLS, terminates=True)),
    MutualTls.PERMISSIVE: (
        _Match(True, TLS, MTLS_HTTP_ALPNS, True),
        _SNIFFED_HTTP,
        _Match(False, TLS, MTLS_TCP_ALPNS, True),
        _PLAIN_TCP,
        _FOREIGN_TLS,
    ),
    MutualTls.DISABLE: (_SNIFFED_HTTP, _PLAIN_TCP),
}


# --- ports ------------------------------------------------------------------------------------------------------


class InboundPorts(NamedTuple):
    """The declared ports of a workload by number, and what Pilot says of services that want one differently."""

    ports: tuple[InboundPort, ...]
    conflicts: tuple[str, ...]


def inbound_ports(push: PushContext, proxy: Proxy, scope: SidecarScope, wildcard: str) -> InboundPorts:
    """The ports of a workload's services, or those of its Sidecar alone."""
    found: dict[int, InboundPort] = {}
    conflicts: list[str] = []
    for item in _ingress_ports(proxy, scope) if scope.has_ingress else _service_ports(push, proxy, wildcard):
        current = found.get(item.target_port)
        if current is None:
            found[item.target_port] = item
        elif current.port.protocol is not item.port.protocol and current.hostname != item.hostname:
            conflicts.append(
                f"Conflicting inbound listener:{item.target_port}. "
                f"existing: {current.hostname}, incoming: {item.hostname}"
            )
    return InboundPorts(tuple(found[number] for number in sorted(found)), tuple(conflicts))


def _service_ports(push: PushContext, proxy: Proxy, wildcard: str) -> list[InboundPort]:
    if interception(proxy) is Interception.NONE:
        # The application itself listens on these ports.
        return []
    return [
        InboundPort(
            target_port=target.target_port,
            port=target.port,
            cluster=f"inbound|{target.target_port}||",
            service=target.service,
            hostname=target.service.hostname,
            bind=wildcard,
        )
        for target in push.service_targets(proxy)
        if _can_serve(push, proxy, wildcard, target)
    ]


def _can_serve(push: PushContext, proxy: Proxy, wildcard: str, target: ServiceTarget) -> bool:
    number, protocol = target.target_port, target.port.protocol
    return can_bind(proxy, push.mesh, bind_to_port=False, bind=wildcard, port=number, protocol=protocol)


def _ingress_ports(proxy: Proxy, scope: SidecarScope) -> list[InboundPort]:
    assert scope.sidecar is not None
    hostname = f"{scope.sidecar.name}.{scope.sidecar.namespace}"
    found = []
    for listener in scope.ingress_listeners:
        fields = listener.fields("port")
        number, protocol = fields.integer("number"), parse_protocol(fields.text("protocol"))
        capture = listener.text("captureMode", "DEFAULT")
        bind_to_port = capture == "NONE" or (capture == "DEFAULT" and interception(proxy) is Interception.NONE)
        if not can_bind(
            proxy, None, bind_to_port=bind_to_port, bind=listener.text("bind"), port=number, protocol=protocol
        ):
            continue
        port = ServicePort(name=fields.text("name"), port=number, protocol=protocol)
        found.append(
            InboundPort(
                target_port=number,
                port=port,
                cluster=f"inbound|{number}||",
                hostname=hostname,
                bind=listener.text("bind") or proxy.addresses[0],
                bind_to_port=bind_to_port,
                sidecar=f"{scope.sidecar.namespace}/{scope.sidecar.name}",
            )
        )
    return found


def _stand_in(hostname: str) -> Service:
    """A service for the names of a port that has none."""
    return Service(
        hostname=hostname,
        name=hostname,
        namespace="",
        registry=Registry.EXTERNAL,
        resolution=Resolution.CLIENT_SIDE_LB,
        ports=(),
    )


def _undeclared(number: int) -> InboundPort:
    port = ServicePort(name=VIRTUAL_INBOUND, port=0, protocol=Protocol.UNSUPPORTED)
    return InboundPort(target_port=number, port=port, cluster=PASSTHROUGH_CLUSTER)


# --- listeners --------------------------------------------------------------------------------------------------


class InboundListeners:
    """The inbound listeners of all sidecars with one profile and the same ports, modes and policies."""

    def __init__(
        self, profile: Profile, ports: Sequence[InboundPort], modes: PeerModes, policies: ChainPolicies
    ) -> None:
        self._profile = profile
        self._network = profile.network
        self._ports = ports
        self._modes = modes
        self._policies = policies
        self._mesh = profile.mesh
        certificates = proxy_certificates(profile.network.proxy)
        self._contexts = {tcp: pack(mutual_tls_context(self._mesh, certificates, tcp=tcp)) for tcp in (False, True)}

    def build(self, undeclared: Sequence[int]) -> list[listener_pb2.Listener]:
        """`virtualInbound` first; `undeclared` are ports that only a PeerAuthentication names."""
        mode = interception(self._network.proxy)
        bound = []
        chains = [self._black_hole()]
        for number in (0, *undeclared):
            chains += self._chains(_undeclared(number), self._modes.at(number) if number else self._modes.mode)
        for port in self._ports:
            own = self._chains(port, self._modes.at(port.target_port))
            if port.bind_to_port:
                bound.append(self._listener(port.name(http=False), port.bind, port.target_port, own, bound=True))
            else:
                chains += own
        if mode is Interception.NONE:
            return bound
        virtual = self._listener(VIRTUAL_INBOUND, self._network.wildcard, self._mesh.inbound_port, chains, bound=False)
        return [virtual, *bound]

    def _listener(
        self,
        name: str,
        bind: str,
        port: int,
        chains: Sequence[listener_components_pb2.FilterChain],
        *,
        bound: bool,
    ) -> listener_pb2.Listener:
        out = bare_listener(name, bind, port, base_pb2.TrafficDirection.INBOUND, limited=True)
        out.continue_on_listener_filters_timeout = True
        if self._network.exact_inbound_balance:
            balance_exactly(out)
        if not bound:
            out.listener_filters.append(filters.original_dst())
            if interception(self._network.proxy) is Interception.TPROXY:
                out.transparent.value = True
                out.listener_filters.append(filters.original_src())
        out.listener_filters.extend(inspectors(chains))
        out.listener_filters_timeout.CopyFrom(duration(self._mesh.protocol_detection_timeout))
        out.access_log.extend(self._network.of(_INBOUND).listener_logs)
        out.filter_chains.extend(chains)
        return out

    def _black_hole(self) -> listener_components_pb2.FilterChain:
        """Connections to the listener's own port would come back to it for ever."""
        proxy = TcpProxy(stat_prefix=BLACK_HOLE_CLUSTER, cluster=BLACK_HOLE_CLUSTER)
        return FilterChain(
            name=f"{VIRTUAL_INBOUND}-blackhole",
            filter_chain_match=FilterChainMatch(
                destination_port=wrappers_pb2.UInt32Value(value=self._mesh.inbound_port)
            ),
            filters=[
                filters.tcp_metadata_exchange(),
                *self._network.of(_INBOUND).stats,
                tcp_filter(self._network, _INBOUND, proxy, logs=False),
            ],
        )

    def _chains(self, port: InboundPort, mode: MutualTls) -> list[listener_components_pb2.FilterChain]:
        out = []
        built: dict[bool, list[listener_components_pb2.Filter]] = {}
        for match in _matches(mode, port.port.protocol):
            if match.http not in built:
                built[match.http] = self._http_filters(port) if match.http else self._tcp_filters(port)
            chain = FilterChain(name=port.name(http=match.http), filters=built[match.http])
            chain.filter_chain_match.transport_protocol = match.transport
            chain.filter_chain_match.application_protocols.extend(match.alpns)
            if port.target_port:
                chain.filter_chain_match.destination_port.value = port.target_port
            if match.terminates:
                chain.transport_socket.CopyFrom(self._socket(self._contexts[not match.http]))
            if port.sidecar:
                namespace, _, name = port.sidecar.partition("/")
                chain.metadata.filter_metadata["istio"]["config"] = (
                    f"/apis/networking.istio.io/v1/namespaces/{namespace}/sidecar/{name}"
                )
            out.append(chain)
        return out

    def _socket(self, context: any_pb2.Any) -> base_pb2.TransportSocket:
        return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=context)

    def _http_filters(self, port: InboundPort) -> list[listener_components_pb2.Filter]:
        extensions = self._network.extensions.network_filters(_INBOUND, port.target_port, *Phase)
        prefix = f"inbound_{port.name(http=True)};" if port.declared else f"{PASSTHROUGH_CLUSTER};"
        settings = HttpSettings(_INBOUND, port.port.protocol, port.target_port)
        routes = inbound_routes(self._mesh, port.cluster, port.hostname, port.port)
        patch_configuration(routes, self._network.patches, PatchContext.SIDECAR_INBOUND, {})
        manager = http_filter(self._profile, settings, prefix, routes, self._policies)
        return [filters.tcp_metadata_exchange(), *extensions, manager]

    def _tcp_filters(self, port: InboundPort) -> list[listener_components_pb2.Filter]:
        proxy = TcpProxy(stat_prefix=self._stat_prefix(port), cluster=port.cluster)
        if self._network.idle_timeout is not None:
            proxy.idle_timeout.CopyFrom(duration(self._network.idle_timeout))
        terminal = [tcp_filter(self._network, _INBOUND, proxy)]
        if port.port.protocol is Protocol.MONGO:
            terminal.insert(0, filters.mongo(proxy.stat_prefix))
        chain = Chain(_INBOUND, port.port.port, self._policies, mutual_tls=True)
        return list(complete(self._network, chain, terminal))

    def _stat_prefix(self, port: InboundPort) -> str:
        pattern = self._mesh.fields.text("inboundClusterStatName")
        if not pattern:
            return port.cluster
        return stat_name(pattern, port.service or _stand_in(port.hostname), "", port.port, port.target_port)


def undeclared_ports(modes: PeerModes, declared: Sequence[int]) -> tuple[int, ...]:
    """Ports with a PeerAuthentication mode of their own that no service declares."""
    return tuple(number for number in sorted(modes.per_port) if number not in declared)


def workload_modes(push: PushContext, proxy: Proxy) -> PeerModes:
    return peer_modes(push, proxy.namespace, proxy.labels)


def declared_ports(push: PushContext, proxy: Proxy, scope: SidecarScope) -> list[int]:
    """Target ports of the workload's services, or the ports of its Sidecar's ingress listeners."""
    if scope.has_ingress:
        return [_number(listener) for listener in scope.ingress_listeners]
    return [target.target_port for target in push.service_targets(proxy)]


def _number(listener: Fields) -> int:
    return listener.fields("port").integer("number")
