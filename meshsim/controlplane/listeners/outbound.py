"""Outbound listeners of a sidecar: one for each address and port, shared by the services that meet there.

istio pilot/pkg/networking/core/listener.go (buildSidecarOutboundListeners, buildSidecarOutboundListener,
mergeTCPFilterChains), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from meshsim.controlplane.host_names import is_ip_address
from meshsim.controlplane.listeners.chains import ChainSpec
from meshsim.controlplane.listeners.outbound_chains import OutboundChains, Target, is_mongo_or_mysql, sniffed
from meshsim.controlplane.listeners.policies import ChainPolicies
from meshsim.controlplane.listeners.profile import NetworkProfile
from meshsim.controlplane.listeners.proxy_settings import WILDCARD, Interception, can_bind, interception
from meshsim.controlplane.listeners.tcp import TcpRoutes
from meshsim.controlplane.model import Protocol, Registry, Resolution, Service, ServicePort
from meshsim.controlplane.telemetry import ListenerClass

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy, VirtualService
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import EgressListener, SidecarScope

_UNIX: Final = "unix://"
CONFLICT_METRIC: Final = "pilot_conflict_outbound_listener_tcp_over_current_tcp"
_PROTOCOL_NAMES: Final = {True: "HTTP", False: "TCP"}


class _Conflict(Enum):
    """How a newcomer meets the listener that is there."""

    NONE = auto()
    REPLACE = auto()
    """Detection over HTTP: the newcomer's chains serve the HTTP of both."""
    SNIFF = auto()
    """HTTP and TCP: both stay, told apart by detection."""
    JOIN = auto()
    """TCP and TCP."""


@dataclass(slots=True)
class OutboundEntry:
    """A listener in the making."""

    bind: str
    port: int
    protocol: Protocol
    """Whether the chains are HTTP's, TCP's or told apart by detection (UNSUPPORTED)."""
    first_protocol: Protocol
    """Of the service port that made it."""
    chains: list[ChainSpec]
    bind_to_port: bool
    endpoint: str = ""
    """Address of a headless service's pod; that pod's own proxy has no such listener."""
    locked: bool = False
    """A listener of the Sidecar with a port of its own is complete."""

    @property
    def name(self) -> str:
        return listener_name(self.bind, self.port)

    @property
    def has_http(self) -> bool:
        return any(chain.http is not None for chain in self.chains)


def listener_name(bind: str, port: int) -> str:
    """``0.0.0.0_80``, ``unix:///path_0``."""
    return f"{bind}_{port}"


@dataclass(frozen=True, slots=True, eq=False)
class OutboundPlan:
    """The outbound listeners of all sidecars with one view, before they are messages."""

    entries: tuple[OutboundEntry, ...]
    chains: OutboundChains
    conflicts: tuple[tuple[str, str], ...]
    """Listeners that two services wanted for different protocols, with what Pilot says of it."""


def routed_connections(virtual_services: Iterable[VirtualService]) -> tuple[VirtualService, ...]:
    """VirtualServices with TCP or TLS routes: those of other kinds do not shape listeners."""
    return tuple(v for v in virtual_services if "tcp" in v.spec or "tls" in v.spec)


def with_pod_listeners(services: Iterable[Service]) -> tuple[Service, ...]:
    """Headless services, whose listeners depend on their endpoints."""
    return tuple(
        service for service in services if any(_has_pod_listeners(service, port, "") for port in service.ports)
    )


class OutboundPlanner:
    """Plans the outbound listeners of a view."""

    def __init__(
        self,
        push: PushContext,
        profile: NetworkProfile,
        scope: SidecarScope,
        proxy: Proxy,
        labels: Mapping[str, str],
        sni_policies: ChainPolicies,
    ) -> None:
        self._push = push
        self._profile = profile
        self._scope = scope
        self._proxy = proxy
        """One of the proxies of the view."""
        routes = TcpRoutes(
            profile, push.cache, scope, labels, ListenerClass.SIDECAR_OUTBOUND, sni_policies=sni_policies
        )
        self._chains = OutboundChains(routes, proxy.dns_domain)
        self._entries: dict[tuple[str, int], OutboundEntry] = {}
        self._conflicts: list[tuple[str, str]] = []

    def plan(self) -> OutboundPlan:
        """The listeners in the order in which their services come."""
        for listener in self._scope.egress_listeners:
            self._add_listener(listener)
        return OutboundPlan(tuple(self._entries.values()), self._chains, tuple(self._conflicts))

    # --- the walk over listeners and services -----------------------------------------------------------------

    def _add_listener(self, listener: EgressListener) -> None:
        bind_to_port = (
            interception(self._proxy) is Interception.NONE
            or listener.capture_mode == "NONE"
            or listener.bind.startswith(_UNIX)
        )
        bind = listener.bind or (self._profile.localhost if bind_to_port else "")
        routed = routed_connections(listener.virtual_services)
        if listener.has_port:
            port = ServicePort(name=listener.port_name, port=listener.port, protocol=listener.protocol)
            if not self._can_bind(bind_to_port, bind, port):
                return
            for service in listener.services:
                self._add(routed, service, port, bind, bind_to_port)
            return
        # Listeners with a port of their own are not shared with the services of the one for all ports.
        for entry in self._entries.values():
            entry.locked = True
        for service in listener.services:
            for port in service.ports:
                if not self._is_shared(port, bind) and self._can_bind(bind_to_port, bind, port):
                    self._add_service_port(routed, service, port, bind, bind_to_port)

    def _is_shared(self, port: ServicePort, bind: str) -> bool:
        """Whether a port's listener is there and another HTTP service adds nothing to it."""
        if bind or not port.protocol.is_http or port.protocol is Protocol.HTTP_PROXY:
            return False
        current = self._entries.get((self._profile.wildcard, port.port))
        return current is not None and not current.protocol.is_tcp

    def _can_bind(self, bind_to_port: bool, bind: str, port: ServicePort) -> bool:
        mesh = self._push.mesh
        return can_bind(self._proxy, mesh, bind_to_port=bind_to_port, bind=bind, port=port.port, protocol=port.protocol)

    def _add_service_port(
        self,
        routed: Sequence[VirtualService],
        service: Service,
        port: ServicePort,
        bind: str,
        bind_to_port: bool,
    ) -> None:
        if not _has_pod_listeners(service, port, bind):
            self._add(routed, service, port, bind, bind_to_port)
            return
        endpoints = self._push.endpoints(service, port)
        if not endpoints and service.registry is not Registry.KUBERNETES and not service.selector:
            self._add(routed, service, port, bind, bind_to_port)
            return
        for address in _addresses(e.address for e in endpoints):
            self._add(routed, service, port, address, bind_to_port, endpoint=address)

    # --- one service port -------------------------------------------------------------------------------------

    def _add(
        self,
        routed: Sequence[VirtualService],
        service: Service,
        port: ServicePort,
        bind: str,
        bind_to_port: bool,
        endpoint: str = "",
    ) -> None:
        if service.resolution is Resolution.ALIAS:
            return
        bind, cidrs = self._address(service, port, bind)
        current = self._entries.get((bind, port.port))
        if current is not None and current.locked:
            return
        target = Target(service, port, bind, cidrs, routed)
        built = self._build(target, current)
        if built is None:
            return
        protocol, chains, conflict = built
        if current is not None and _keeps_apart(port.protocol, current, conflict):
            return
        if current is None or conflict in (_Conflict.NONE, _Conflict.REPLACE):
            self._entries[bind, port.port] = OutboundEntry(
                bind, port.port, protocol, port.protocol, chains, bind_to_port, endpoint
            )
            return
        self._merge(current, target, chains)
        if conflict is _Conflict.SNIFF:
            current.protocol = Protocol.UNSUPPORTED

    def _address(self, service: Service, port: ServicePort, bind: str) -> tuple[str, tuple[str, ...]]:
        """The address to bind and the networks to match; HTTP of all services of a port meets on the wildcard."""
        if bind:
            return bind, ()
        wildcard = self._profile.wildcard
        if port.protocol.is_http:
            return wildcard, ()
        address = service.default_address
        if "/" in address:
            return wildcard, (address,)
        if not address or address == WILDCARD:
            return wildcard, ()
        return address, ()

    def _build(
        self, target: Target, current: OutboundEntry | None
    ) -> tuple[Protocol, list[ChainSpec], _Conflict] | None:
        """Protocol and chains of a service port, and how they go with what is there; `None` when they add nothing."""
        protocol = target.port.protocol
        there = current.protocol if current is not None else None
        if protocol is Protocol.HTTP_PROXY:
            # Only a Sidecar can say so; what was there gives way.
            return protocol, self._chains.http(target), _Conflict.NONE
        if protocol.is_http:
            if there is not None and not there.is_tcp:
                return None
            chains = self._chains.http(target)
            if target.bind == self._profile.wildcard:
                # Unknown traffic may come here as well, so HTTP is told apart from it.
                chains, protocol = sniffed(chains), Protocol.UNSUPPORTED
            return protocol, chains, _Conflict.NONE if there is None else _Conflict.SNIFF
        if protocol.is_tcp:
            chains = self._chains.tcp(target)
            if there is None:
                return protocol, chains, _Conflict.NONE
            return protocol, chains, _Conflict.SNIFF if there.is_http else _Conflict.JOIN
        if not protocol.is_auto:
            return None
        if there is not None and there.is_auto:
            return None
        chains = [*self._chains.tcp(target), *sniffed(self._chains.http(target))]
        if there is None:
            return protocol, chains, _Conflict.NONE
        return protocol, chains, _Conflict.REPLACE if there.is_http else _Conflict.SNIFF

    def _merge(self, current: OutboundEntry, target: Target, chains: Sequence[ChainSpec]) -> None:
        """Add the chains that no earlier one shadows; the others are counted as conflicts."""
        for chain in chains:
            if any(existing.conflicts_with(chain) for existing in current.chains):
                name = listener_name(target.bind, target.port.port)
                accepted, rejected = _protocol_name(current.first_protocol), _protocol_name(target.port.protocol)
                message = f"Listener={name} Accepted={accepted} Rejected={rejected} ({target.service.hostname})"
                self._conflicts.append((name, message))
            else:
                current.chains.append(chain)


def _has_pod_listeners(service: Service, port: ServicePort, bind: str) -> bool:
    """Whether a headless service's pods get a listener each: its clients connect to addresses of pods.

    HTTP goes by host name and needs none.
    """
    return (
        not bind
        and service.resolution is Resolution.PASSTHROUGH
        and service.default_address == WILDCARD
        and (port.protocol.is_tcp or port.protocol.is_auto)
    )


def _addresses(texts: Iterator[str]) -> dict[str, None]:
    return dict.fromkeys(text for text in texts if is_ip_address(text))


def _keeps_apart(incoming: Protocol, current: OutboundEntry, conflict: _Conflict) -> bool:
    """Whether a protocol in which the server speaks first stands on one side only: the newcomer is dropped."""
    there = current.protocol
    if conflict is _Conflict.NONE or incoming is there:
        return False
    return is_mongo_or_mysql(incoming) or is_mongo_or_mysql(there)


def _protocol_name(protocol: Protocol) -> str:
    if protocol.is_auto:
        return "UNKNOWN"
    return _PROTOCOL_NAMES[protocol.is_http]
