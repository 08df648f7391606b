"""The values Pilot thinks in: services, ports, endpoints, proxies (istio pilot/pkg/model, release 1.31)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from meshsim.api import ApiObject, Fields
from meshsim.units import Nanos

PERSISTENT_SESSION_LABEL: Final = "istio.io/persistent-session"


class Protocol(Enum):
    """Protocol of a service port, from `appProtocol`, the port name or ``UDP`` (istio pkg/config/protocol)."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTP_PROXY = "HTTP_PROXY"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    UDP = "UDP"
    MONGO = "Mongo"
    REDIS = "Redis"
    MYSQL = "MySQL"
    HBONE = "HBONE"
    UNSUPPORTED = "UnsupportedProtocol"
    """Not declared: detected on the connection ("auto")."""

    @property
    def is_http(self) -> bool:
        return self in (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB, Protocol.HTTP_PROXY)

    @property
    def is_http2(self) -> bool:
        return self in (Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)

    @property
    def is_tcp(self) -> bool:
        return self in (
            Protocol.TCP,
            Protocol.HTTPS,
            Protocol.TLS,
            Protocol.MONGO,
            Protocol.REDIS,
            Protocol.MYSQL,
        )

    @property
    def is_tls(self) -> bool:
        return self in (Protocol.HTTPS, Protocol.TLS)

    @property
    def is_auto(self) -> bool:
        return self is Protocol.UNSUPPORTED


class Resolution(Enum):
    """How the addresses behind a service are found (istio pilot/pkg/model/service.go)."""

    CLIENT_SIDE_LB = "ClientSideLB"
    DNS_LB = "DNS"
    PASSTHROUGH = "Passthrough"
    DNS_ROUND_ROBIN = "DNSRoundRobin"
    ALIAS = "Alias"
    DYNAMIC_DNS = "DynamicDNS"


class Registry(Enum):
    """Where a service comes from."""

    KUBERNETES = "Kubernetes"
    EXTERNAL = "External"
    """A ServiceEntry."""


class Health(Enum):
    """Health of an endpoint as EDS sends it."""

    UNKNOWN = "UNKNOWN"
    """Nobody says: endpoints of a ServiceEntry."""
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    DRAINING = "DRAINING"
    TERMINATING = "TERMINATING"


@dataclass(frozen=True, slots=True)
class Locality:
    """Region, zone and sub-zone of a workload."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    def __str__(self) -> str:
        return "/".join((self.region, self.zone, self.subzone)).rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A port of a service."""

    name: str
    port: int
    protocol: Protocol
    target_port: int = 0
    """ServiceEntry `targetPort`, or the numeric Kubernetes one; 0 when named or absent."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Service:
    """A service as every generator sees it; compared by identity, made once for a change of its object."""

    hostname: str
    """``reviews.default.svc.cluster.local``, or a ServiceEntry host."""
    name: str
    namespace: str
    registry: Registry
    resolution: Resolution
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    """Cluster VIPs, or the addresses of a ServiceEntry; empty for headless."""
    default_address: str = "0.0.0.0"
    """The VIP a listener binds when there is one; ``0.0.0.0`` otherwise."""
    mesh_external: bool = False
    export_to: frozenset[str] = frozenset()
    """Empty = the mesh default; ``*``, ``.``, ``~`` or namespaces."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)
    created: Nanos = 0
    service_accounts: tuple[str, ...] = ()
    """subjectAltNames of a ServiceEntry or the alternate identities; SPIFFE ids come from endpoints."""
    external_name: str = ""
    """Target of an ExternalName service."""
    aliases: tuple[str, ...] = ()
    """Hosts of ExternalName services that point at this one."""
    external_addresses: tuple[str, ...] = ()
    """Load balancer or node addresses outsiders use."""
    source: ApiObject | None = None
    """The Service or ServiceEntry it was made from."""
    node_local: bool = False
    """`internalTrafficPolicy: Local`: only endpoints on the client's own node."""
    traffic_distribution: str = ""
    """``PreferSameZone`` or ``PreferSameNode``; empty = anywhere."""
    publish_not_ready: bool = False
    auto_address: str = ""
    """Address that Istio allocated to a ServiceEntry host, written in its status."""

    def port(self, number: int) -> ServicePort | None:
        """The port of this number."""
        for port in self.ports:
            if port.port == number:
                return port
        return None

    def port_named(self, name: str) -> ServicePort | None:
        for port in self.ports:
            if port.name == name:
                return port
        return None

    def addresses_for(self, *, dns_capture: bool) -> tuple[str, ...]:
        """Addresses under which a proxy reaches it; allocated ones only where the proxy also answers its DNS
        (istio pilot/pkg/model/service.go GetAllAddressesForProxy)."""
        if self.addresses:
            return self.addresses
        if dns_capture and self.auto_address and self.default_address == "0.0.0.0":
            return (self.auto_address,)
        return (self.default_address,)

    @property
    def supports_draining(self) -> bool:
        """Whether terminating endpoints stay for their sessions (the persistent-session label)."""
        return bool(self.labels.get(PERSISTENT_SESSION_LABEL))

    @property
    def supports_unhealthy(self) -> bool:
        """Whether unready endpoints are sent, marked so (PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS, on by default)."""
        return True

    @property
    def is_dns(self) -> bool:
        """Whether Envoy resolves its addresses itself."""
        return self.resolution in (Resolution.DNS_LB, Resolution.DNS_ROUND_ROBIN)

    @property
    def is_headless(self) -> bool:
        return self.resolution is Resolution.PASSTHROUGH and self.registry is Registry.KUBERNETES


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address behind one port of a service (istio's IstioEndpoint)."""

    address: str
    """IP, host name or unix path."""
    port: int
    port_name: str
    """Name of the service port it serves."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    health: Health = Health.HEALTHY
    locality: Locality = Locality()
    weight: int = 0
    """0 = default 1."""
    network: str = ""
    cluster_id: str = "Kubernetes"
    namespace: str = ""
    workload_name: str = ""
    service_account: str = ""
    """SPIFFE id of the workload, empty without service account."""
    tls_mode: str = "disabled"
    """``istio`` when the workload takes Istio mTLS (label security.istio.io/tlsMode)."""
    hostname: str = ""
    subdomain: str = ""
    node_name: str = ""
    send_unhealthy: bool = False


class MutualTls(Enum):
    """Effective PeerAuthentication mode."""

    UNKNOWN = "UNKNOWN"
    """No PeerAuthentication says anything: PERMISSIVE for servers."""
    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VirtualService:
    """A VirtualService as generators read it: delegates merged, hosts and destinations resolved."""

    source: ApiObject
    """The root object."""
    spec: Fields
    """Its specification with the routes of its delegates merged in."""
    name: str
    namespace: str
    created: Nanos
    hosts: tuple[str, ...]
    """Fully qualified where the name had no dot."""
    gateways: tuple[str, ...]
    """``mesh`` or ``namespace/name``; ``("mesh",)`` when none is given."""
    export_to: frozenset[str]
    """``*``, ``.``, ``~`` or namespaces; the mesh default filled in."""
    gateway_semantics: bool = False
    """Made from a Gateway API route: hosts and prefixes match as that API says. An Ingress is told by annotation."""
    delegates: tuple[ApiObject, ...] = ()
    """Delegate VirtualServices merged into `spec`."""


class PushStatus:
    """Conflicts that Pilot counted: metric, then key (host, listener or proxy), then proxy id and message."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, tuple[str, str]]] = {}

    def add(self, metric: str, key: str, proxy: str = "", message: str = "") -> None:
        """Count a conflict once for each key."""
        self.counts.setdefault(metric, {})[key] = (proxy, message)

    def update(self, other: PushStatus) -> None:
        """Take over what another counted."""
        for metric, entries in other.counts.items():
            self.counts.setdefault(metric, {}).update(entries)


class ProxyType(Enum):
    """Kind of proxy in the node id."""

    SIDECAR = "sidecar"
    ROUTER = "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTarget:
    """A service port that a proxy's own workload serves."""

    service: Service
    port: ServicePort
    target_port: int
    """The container port traffic arrives on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proxy:
    """A connected Envoy, from the node it sent and the pod behind it (istio pilot/pkg/model/context.go)."""

    id: str
    """``client-0.shop`` — pod name and namespace."""
    node_id: str
    """``sidecar~10.244.0.19~client-0.shop~shop.svc.cluster.local``."""
    type: ProxyType
    addresses: tuple[str, ...]
    name: str
    namespace: str
    dns_domain: str
    labels: Mapping[str, str]
    metadata: Fields
    """Node metadata as sent, upper-case keys."""
    locality: Locality = Locality()
    service_account: str = ""
    cluster: str = ""
    """The node's service cluster, ``client.shop``."""

    @property
    def is_router(self) -> bool:
        return self.type is ProxyType.ROUTER

    @property
    def captures_dns(self) -> bool:
        """Whether the agent answers the workload's DNS queries (DNS_CAPTURE in the node metadata)."""
        return self.metadata.text("DNS_CAPTURE").lower() == "true"
