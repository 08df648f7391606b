"""Istio Gateways merged into the one logical gateway that a proxy runs.

Modelled on istio pilot/pkg/model/gateway.go (mergeGateways), push_context.go (mergeGateways, initGateways) and
pkg/config/gateway/gateway.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.model import Protocol, Proxy, ServiceTarget
from meshsim.controlplane.protocols import parse_protocol
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext

GATEWAY_SERVICE_ANNOTATION: Final = "internal.istio.io/gateway-service"
"""On Gateways made from the Gateway API: host names of the Services in front of the proxies it is for."""

PARENT_NAMESPACE_ANNOTATION: Final = "internal.istio.io/parent-namespace"
"""On Gateways made from a ListenerSet: the namespace of the Gateway it extends."""

_MANAGED_LABEL: Final = "gateway.istio.io/managed"
"""On pods that Pilot deployed for a Gateway API Gateway."""

_NO_TRANSLATION_LABEL: Final = "experimental.istio.io/disable-gateway-port-translation"

_PASSTHROUGH_MODES: Final = ("PASSTHROUGH", "AUTO_PASSTHROUGH")


class ServerPort(NamedTuple):
    """A port that the merged gateway listens on."""

    number: int
    """The container port, after translation from the Service's."""
    protocol: str
    """As the first server of the port writes it."""
    bind: str


@dataclass(frozen=True, slots=True, eq=False)
class GatewayServer:
    """One server of a Gateway; compared by identity."""

    fields: Fields
    gateway: ApiObject
    hosts: tuple[str, ...]
    """``host`` or ``namespace/host``: ``./`` resolved, ``*/`` dropped."""
    protocol: Protocol
    tls: Fields | None

    @property
    def gateway_name(self) -> str:
        """``namespace/name`` of its Gateway, as VirtualServices refer to it."""
        return f"{self.gateway.namespace}/{self.gateway.name}"

    @property
    def name(self) -> str:
        return self.fields.text("name")

    @property
    def port(self) -> int:
        """The port as declared, which may be the Service's."""
        return self.fields.fields("port").integer("number")

    @property
    def port_name(self) -> str:
        return self.fields.fields("port").text("name")

    @property
    def port_protocol(self) -> str:
        """The protocol as written."""
        return self.fields.fields("port").text("protocol")

    @property
    def bind(self) -> str:
        return self.fields.text("bind")

    @property
    def tls_mode(self) -> str:
        """Mode of the TLS settings (``PASSTHROUGH`` when they name none), empty without settings."""
        return self.tls.text("mode", "PASSTHROUGH") if self.tls is not None else ""

    @property
    def https_redirect(self) -> bool:
        return self.tls is not None and self.tls.flag("httpsRedirect")

    @property
    def is_passthrough(self) -> bool:
        """TLS is passed on by SNI, not terminated."""
        return self.tls_mode in _PASSTHROUGH_MODES

    @property
    def is_http(self) -> bool:
        """HTTP, or HTTPS that is terminated here."""
        return self.protocol.is_http or (self.protocol is Protocol.HTTPS and not self.is_passthrough)

    @property
    def is_tls(self) -> bool:
        """TLS of any kind (an HTTP server has TLS settings only to redirect to HTTPS)."""
        return self.tls is not None and not self.protocol.is_http

    @property
    def terminates_https(self) -> bool:
        return self.protocol is Protocol.HTTPS and self.tls is not None and not self.is_passthrough


@dataclass(slots=True)
class MergedServers:
    """The servers of one port."""

    servers: list[GatewayServer]
    route_name: str = ""
    """Route configuration of an HTTP port; HTTPS servers have their own, see `TlsServerInfo`."""


class TlsServerInfo(NamedTuple):
    """What a TLS server's filter chain needs."""

    route_name: str
    sni_hosts: tuple[str, ...]
    """Sorted, without namespaces."""


class RejectedServer(NamedTuple):
    """A server that merging left out (``pilot_total_rejected_configs``)."""

    gateway_name: str
    port: int
    reason: str
    server: GatewayServer


@dataclass(frozen=True, slots=True, eq=False)
class MergedGateway:
    """Every server that one proxy runs, by port and by route configuration."""

    server_ports: tuple[ServerPort, ...]
    """In the order in which the ports came up."""
    servers: Mapping[ServerPort, MergedServers]
    servers_by_route: Mapping[str, tuple[GatewayServer, ...]]
    tls_info: Mapping[GatewayServer, TlsServerInfo]
    port_map: Mapping[int, frozenset[int]]
    """Declared ports behind each container port of HTTP route configurations."""
    rejected: tuple[RejectedServer, ...] = ()

    @property
    def auto_passthrough_hosts(self) -> frozenset[str]:
        """SNI hosts of the AUTO_PASSTHROUGH servers, with their namespaces."""
        return frozenset(
            host
            for merged in self.servers.values()
            for server in merged.servers
            if server.tls_mode == "AUTO_PASSTHROUGH"
            for host in server.hosts
        )

    @property
    def has_auto_passthrough(self) -> bool:
        """Whether the proxy needs the SNI-DNAT clusters."""
        return any(
            server.tls_mode == "AUTO_PASSTHROUGH" for merged in self.servers.values() for server in merged.servers
        )


class _Selected(NamedTuple):
    """A Gateway that is for this proxy, and the service ports through which it is."""

    source: ByIdentity[ApiObject]
    by_selector: bool
    """By pod labels; else by the Service it names, whose ports alone count then."""
    targets: tuple[ServiceTarget, ...]

    @property
    def gateway(self) -> ApiObject:
        return self.source.value


def merge_gateways(push: PushContext, proxy: Proxy) -> MergedGateway | None:
    """All Gateways that select a proxy, merged by port, oldest first; `None` when none does."""
    selected = tuple(_select(push, proxy))
    if not selected:
        return None

    def make() -> MergedGateway:
        merger = _Merger()
        for item in selected:
            merger.add(item)
        return merger.result()

    return push.cache.get_or_make(("merged gateway", selected), make)


def _select(push: PushContext, proxy: Proxy) -> list[_Selected]:
    targets = push.service_targets(proxy)
    managed = _MANAGED_LABEL in proxy.labels
    selected = []
    for gateway in push.configs("Gateway"):
        services = gateway.annotations.get(GATEWAY_SERVICE_ANNOTATION)
        if services is not None:
            hosts = services.split(",")
            namespace = gateway.annotations.get(PARENT_NAMESPACE_ANNOTATION, gateway.namespace)
            own = tuple(t for t in targets if t.service.hostname in hosts and t.service.namespace == namespace)
            if own:
                selected.append(_Selected(ByIdentity(gateway), False, own))
            continue
        if managed and gateway.namespace != proxy.namespace:
            # PILOT_ENABLE_STRICT_GATEWAY_MERGING: another namespace's Gateway cannot claim a deployed proxy.
            continue
        wanted = gateway.spec.text_map("selector")
        if all(proxy.labels.get(key) == value for key, value in wanted.items()):
            selected.append(_Selected(ByIdentity(gateway), True, targets))
    return selected


@dataclass(slots=True)
class _Merger:
    """Adds server after server; what contradicts an earlier one is left out."""

    _ports: list[ServerPort] = field(default_factory=list)
    _merged: dict[ServerPort, MergedServers] = field(default_factory=dict)
    _by_route: dict[str, list[GatewayServer]] = field(default_factory=dict)
    _tls_info: dict[GatewayServer, TlsServerInfo] = field(default_factory=dict)
    _rejected: list[RejectedServer] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)
    _plain: dict[int, ServerPort] = field(default_factory=dict)
    """First plain-text server of a port."""
    _tls_binds: dict[int, set[str]] = field(default_factory=dict)
    _tls_hosts: dict[int, dict[str, str]] = field(default_factory=dict)
    """Hosts with TLS by port, each with its bind: equal ones would give equal filter chain matches."""

    def add(self, selected: _Selected) -> None:
        for fields in selected.gateway.spec.items("servers"):
            server = _server(selected.gateway, fields)
            if "port" not in fields:
                self._reject(server, "it has no port")
                continue
            for number in _resolve_ports(server.port, selected):
                self._add(server, number)

    def _add(self, server: GatewayServer, number: int) -> None:
        route_name = _route_name(server, number)
        if server.tls is not None:
            known = self._tls_hosts.setdefault(number, {})
            if any(known.get(host) == server.bind for host in server.hosts):
                self._reject(server, "a host of it is taken by an earlier TLS server of the port")
                return
            known.update(dict.fromkeys(server.hosts, server.bind))
            self._tls_info[server] = TlsServerInfo(route_name, _sni_hosts(server))
        port = ServerPort(number, server.port_protocol, server.bind)
        if number not in self._used:
            self._add_first(server, port, route_name)
        elif number in self._plain:
            self._add_plain(server, port, route_name)
        else:
            self._add_tls(server, port, route_name)

    def _add_first(self, server: GatewayServer, port: ServerPort, route_name: str) -> None:
        self._used.add(port.number)
        if not server.is_tls:
            self._plain[port.number] = port
        if server.is_http:
            self._by_route[route_name] = [server]
        self._merged[port] = MergedServers([server], route_name)
        self._ports.append(port)

    def _add_plain(self, server: GatewayServer, port: ServerPort, route_name: str) -> None:
        """To a port whose first server is plain text: only HTTP joins HTTP, unless the address differs."""
        current = self._plain[port.number]
        if current.bind == port.bind:
            first = parse_protocol(current.protocol)
            if not (first.is_http and (server.protocol.is_http or server.protocol is first)):
                self._reject(server, f"its protocol does not go with {current.protocol} on the port")
                return
            if not route_name:
                self._reject(server, "it has no routes")
                return
            self._merged[current].servers.append(server)
        else:
            self._join(server, port).route_name = route_name
        self._by_route.setdefault(route_name, []).append(server)

    def _add_tls(self, server: GatewayServer, port: ServerPort, route_name: str) -> None:
        """To a port whose first server is TLS: the servers are told apart by SNI."""
        if server.is_http:
            if not route_name or route_name in self._by_route:
                self._reject(server, "its port name is not unique")
                return
            self._by_route[route_name] = [server]
        binds = self._tls_binds.setdefault(port.number, set())
        known_bind = port.bind in binds
        binds.add(port.bind)
        if server.tls is None and known_bind:
            self._reject(server, "a server without TLS cannot share a TLS port")
            return
        self._join(server, port)

    def _join(self, server: GatewayServer, port: ServerPort) -> MergedServers:
        merged = self._merged.get(port)
        if merged is None:
            merged = self._merged[port] = MergedServers([])
            self._ports.append(port)
        merged.servers.append(server)
        return merged

    def _reject(self, server: GatewayServer, reason: str) -> None:
        self._rejected.append(RejectedServer(server.gateway_name, server.port, reason, server))

    def result(self) -> MergedGateway:
        return MergedGateway(
            server_ports=tuple(self._ports),
            servers=self._merged,
            servers_by_route={name: tuple(servers) for name, servers in self._by_route.items()},
            tls_info=self._tls_info,
            port_map=_port_map(self._by_route),
            rejected=tuple(self._rejected),
        )


def _server(gateway: ApiObject, fields: Fields) -> GatewayServer:
    return GatewayServer(
        fields=fields,
        gateway=gateway,
        hosts=_server_hosts(fields.texts("hosts"), gateway.namespace),
        protocol=parse_protocol(fields.fields("port").text("protocol")),
        tls=fields.fields("tls") if "tls" in fields else None,
    )


def _server_hosts(hosts: Sequence[str], namespace: str) -> tuple[str, ...]:
    """``./host`` with the Gateway's namespace, ``*/host`` as plain ``host``; one ``*/*`` stands for all hosts."""
    found = []
    for host in hosts:
        owner, slash, name = host.partition("/")
        if not slash:
            found.append(host)
        elif owner == ".":
            found.append(f"{namespace}/{name}")
        elif owner == "*":
            if name == "*":
                return ("*",)
            found.append(name)
        else:
            found.append(host)
    return tuple(found)


def _resolve_ports(number: int, selected: _Selected) -> list[int]:
    """Container ports behind a declared port.

    A Gateway that selects by labels means a port of the first Service that has it, or the container port itself; one
    that names its Service means that Service's ports only.
    """
    found: dict[int, None] = {}
    for target in selected.targets:
        if selected.by_selector and _NO_TRANSLATION_LABEL in target.service.labels:
            continue
        if target.port.port == number:
            if selected.by_selector:
                return [target.target_port]
            found[target.target_port] = None
    if not found and selected.by_selector:
        return [number]
    return list(found)


def _route_name(server: GatewayServer, number: int) -> str:
    """Name of a server's route configuration, empty where there is none.

    HTTP servers of a port share one; an HTTPS server that terminates TLS has its own, since its hosts are behind its
    certificate alone.
    """
    bind = f".{server.bind}" if server.bind else ""
    if server.protocol.is_http:
        return f"http.{number}{bind}"
    if server.protocol is Protocol.HTTPS and not server.is_passthrough:
        gateway = server.gateway
        return f"https.{server.port}.{server.port_name}.{gateway.name}.{gateway.namespace}{bind}"
    return ""


def parse_route_name(name: str) -> tuple[int, str, str]:
    """Port, port name and ``namespace/name`` of the gateway in a route configuration's name; absent parts are empty."""
    if name.startswith("http."):
        port = name.removeprefix("http.")
        return (int(port) if port.isdecimal() else 0, "", "")
    parts = name.split(".")
    if name.startswith("https.") and len(parts) == 5:
        _, port, port_name, gateway, namespace = parts
        return (int(port) if port.isdecimal() else 0, port_name, f"{namespace}/{gateway}")
    return (0, "", "")


def _sni_hosts(server: GatewayServer) -> tuple[str, ...]:
    return tuple(sorted({host.rpartition("/")[2] for host in server.hosts}))


def _port_map(by_route: Mapping[str, Sequence[GatewayServer]]) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for name, servers in by_route.items():
        found.setdefault(parse_route_name(name)[0], set()).update(server.port for server in servers)
    return {port: frozenset(declared) for port, declared in found.items()}
