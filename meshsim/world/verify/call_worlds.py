"""A recorded world's calls: who called whom through which proxy, and what that proxy was configured with."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from google.protobuf.json_format import ParseError

from meshsim.api import Fields
from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import (
    Connection,
    Decider,
    PeerCertificate,
    Protocol,
    Request,
    Surroundings,
    Transport,
    decide_direct,
    decide_inbound,
    decide_outbound,
)
from meshsim.dataplane.decide.strings import StringKind
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.errors import InputError, Position
from meshsim.world.verify.folder import RecordedProxy, RecordedWorld, read_proxy, read_values, read_world
from meshsim.xds import type_urls
from meshsim.xds.client import Rejected
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.packing import from_json

TYPES: Final = {
    "cds": (type_urls.CLUSTER, cluster_pb2.Cluster, "name"),
    "eds": (type_urls.ENDPOINT, endpoint_pb2.ClusterLoadAssignment, "cluster_name"),
    "lds": (type_urls.LISTENER, listener_pb2.Listener, "name"),
    "rds": (type_urls.ROUTE, route_pb2.RouteConfiguration, "name"),
}
"""Type URL, message and the field with the name, by short name of the type."""
DECIDERS: Final[Mapping[str, Decider]] = {
    "outbound": decide_outbound,
    "inbound": decide_inbound,
    "gateway": decide_direct,
}
PROTOCOLS: Final = {"http": Protocol.HTTP11, "http2": Protocol.HTTP2, "tcp": Protocol.TCP}
OUTSIDE: Final = "203.0.113.77"
"""Address of a client outside of the mesh."""
OUTSIDE_IDENTITY: Final = "spiffe://cluster.local/ns/outside/sa/outside"
RECORDED_AT: Final = 1_800_000_000
"""Seconds since 1970 at which tokens are judged."""
_WITH_BODY: Final = ("POST", "PUT", "PATCH")


class Call(NamedTuple):
    """One entry of a world's ``calls.yaml``."""

    name: str
    proxy: str
    """``namespace/pod`` of the proxy that decides."""
    mode: str
    """``outbound``, ``inbound`` or ``gateway``."""
    origin: str
    """``namespace/pod`` of the client, or ``outside``."""
    address: str
    port: int
    protocol: str
    transport: Transport
    host: str
    path: str
    method: str
    sni: str
    alpn: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]

    @property
    def request(self) -> Request | None:
        """The request inside, None for plain TCP."""
        if self.protocol == "tcp":
            return None
        headers = list(self.headers)
        if self.method in _WITH_BODY and self.protocol == "http":
            headers.append(("content-length", "0"))
        if any(name == "upgrade" for name, _ in headers):
            headers.append(("connection", "Upgrade"))
        return Request(method=self.method, authority=self.host, path=self.path, headers=tuple(headers))


def read_calls(folder: Path, world: str) -> list[Call]:
    """The calls of a world in their order; raises `InputError` for an entry that is none."""
    path = folder / "worlds" / world / "calls.yaml"
    values = [v for v in read_values(path) if v is not None]
    entries = values[0] if values else []
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
        raise InputError("a list of calls is expected here", Position(str(path), 1))
    return [_call(Fields(entry, f"[{index}]"), path) for index, entry in enumerate(entries)]


def _call(entry: Fields, path: Path) -> Call:
    name = entry.text("name")
    for key, known in (("mode", DECIDERS), ("protocol", PROTOCOLS), ("tls", [t.value for t in Transport])):
        if entry.text(key) not in known:
            raise InputError(
                f"call '{name}': {key} '{entry.text(key)}' is not known",
                Position(str(path)),
                f"one of {', '.join(known)}",
            )
    alpn = entry.value("alpn")
    return Call(
        name,
        entry.text("proxy"),
        entry.text("mode"),
        entry.text("from", "outside"),
        entry.text("address"),
        entry.integer("port"),
        entry.text("protocol"),
        Transport(entry.text("tls")),
        entry.text("host"),
        entry.text("path", "/"),
        entry.text("method", "GET"),
        entry.text("sni"),
        (alpn,) if isinstance(alpn, str) else entry.texts("alpn"),
        tuple((key.lower(), value) for key, value in entry.text_map("headers").items()),
    )


class Pod(NamedTuple):
    """What a pod of the world is known by."""

    address: str
    identity: str


class ProxyState(NamedTuple):
    """The configuration of a proxy and what of it was refused."""

    config: ActiveConfig
    rejected: tuple[Rejected, ...]
    surroundings: Surroundings


@dataclass(slots=True)
class CallWorld:
    """A recorded world as the comparison of calls needs it; proxies are read when first asked for."""

    folder: Path
    name: str
    cache: ResourceCache
    pods: Mapping[str, Pod] = field(init=False)
    calls: Mapping[str, Call] = field(init=False)
    _trust_domain: str = field(init=False)
    _secrets: frozenset[tuple[str, str]] = field(init=False)
    _states: dict[str, ProxyState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = read_world(self.folder, self.name)
        self._trust_domain = _trust_domain(world)
        self.pods = dict(self._read_pods(world))
        self.calls = {call.name: call for call in read_calls(self.folder, self.name)}
        self._secrets = frozenset((o.namespace, o.name) for o in world.objects if o.kind in ("Secret", "ConfigMap"))

    def _read_pods(self, world: RecordedWorld) -> Iterator[tuple[str, Pod]]:
        for found in world.objects:
            if found.kind == "Pod":
                namespace, name = found.namespace, found.name
                identity = self._identity(namespace, found.spec.text("serviceAccountName", "default"))
                yield f"{namespace}/{name}", Pod(found.status.text("podIP"), identity)

    def _identity(self, namespace: str, account: str) -> str:
        return f"spiffe://{self._trust_domain}/ns/{namespace}/sa/{account}"

    def proxy(self, name: str) -> ProxyState:
        """A proxy with what istiod sent it; raises `InputError` when that was not recorded."""
        if name not in self._states:
            recorded = read_proxy(self.folder, "xds", self.name, name)
            config, rejected = load_recorded(recorded, self.cache)
            metadata = Fields(recorded.node).fields("metadata")
            namespace = metadata.text("NAMESPACE", name.partition("/")[0])
            pod = self.pods.get(name)
            account = metadata.text("SERVICE_ACCOUNT", "default")
            identity = pod.identity if pod else self._identity(namespace, account)
            missing = frozenset(s for s in _server_secrets(config) if not self._has_secret(s, namespace))
            surroundings = Surroundings(identity, "127.0.0.1", RECORDED_AT, missing_secrets=missing)
            self._states[name] = ProxyState(config, rejected, surroundings)
        return self._states[name]

    def _has_secret(self, secret: str, namespace: str) -> bool:
        """Whether the world has the credential behind a secret's name; other sources deliver always."""
        scheme, mark, rest = secret.partition("://")
        if not mark or scheme not in ("kubernetes", "kubernetes-gateway", "configmap"):
            return True
        where, slash, name = rest.partition("/")
        key = (where, name) if slash else (namespace, where)
        return bool({key, (key[0], key[1].removesuffix("-cacert"))} & self._secrets)

    def connection(self, call: Call, protocol: Protocol | None = None, proxy_header: bool = False) -> Connection:
        """The client's connection; `protocol` where ALPN led to another one than the call names."""
        pod = self.pods.get(call.origin)
        return Connection(
            source=pod.address if pod else OUTSIDE,
            source_port=40000,
            destination=call.address,
            destination_port=call.port,
            transport=call.transport,
            sni=call.sni,
            alpn=call.alpn,
            certificate=self._certificate(call, pod),
            protocol=protocol or PROTOCOLS[call.protocol],
            proxy_header=proxy_header,
        )

    def _certificate(self, call: Call, pod: Pod | None) -> PeerCertificate | None:
        """A pod shows its own identity; a client outside shows every name that the proxy's listeners ask for."""
        if call.transport is not Transport.MTLS:
            return None
        config = self.proxy(call.proxy).config
        names = [pod.identity] if pod else [OUTSIDE_IDENTITY, *_asked_names(config)]
        uris, dns = (tuple(n for n in names if ("://" in n) is uri) for uri in (True, False))
        return PeerCertificate(uris, dns)


def _trust_domain(world: RecordedWorld) -> str:
    for mesh in (world.mesh_overrides, world.mesh_base):
        if mesh.get("trustDomain"):
            return str(mesh["trustDomain"])
    return "cluster.local"


def load_recorded(recorded: RecordedProxy, cache: ResourceCache) -> tuple[ActiveConfig, tuple[Rejected, ...]]:
    """The state of a proxy that got its recorded resources at once, and what it refused."""
    found = {short: encoded(short, recorded.resources.get(short, ()), recorded.id) for short in TYPES}
    return load_config({TYPES[short][0]: bodies for short, bodies in found.items()}, cache)


def encoded(short: str, bodies: Iterable[object], where: str) -> dict[str, bytes]:
    """Recorded resources of a type as bytes by name; raises `InputError` with `where` for one that is none."""
    _, cls, name = TYPES[short]
    found: dict[str, bytes] = {}
    for body in bodies:
        try:
            if not isinstance(body, Mapping):
                raise ParseError("a resource is a JSON object")
            found[str(body.get(name, ""))] = from_json(body, cls).SerializeToString(deterministic=True)
        except (ParseError, AttributeError, TypeError, ValueError) as error:
            raise InputError(f"{where}: no {short} resource: {error}") from error
    return found


def _server_secrets(config: ActiveConfig) -> Iterator[str]:
    for listener in config.listeners.values():
        for chain in listener.chains:
            if chain.tls:
                yield from (*chain.tls.certificates, chain.tls.validation.secret)


def _asked_names(config: ActiveConfig) -> Iterator[str]:
    for listener in config.listeners.values():
        for chain in listener.chains:
            for name in chain.tls.validation.names if chain.tls else ():
                if name.kind is StringKind.EXACT:
                    yield name.value


def recorded_address(name: str) -> str:
    """The address to which the recording's name server resolved a name; addresses and socket paths are themselves."""
    if name[:1].isdigit() or ":" in name or name.startswith("/"):
        return name
    return f"192.0.2.{zlib.crc32(name.lower().encode()) % 254 + 1}"
