"""What the listeners of one proxy share with those of every proxy of the same identity and settings.

Replicas of a workload differ in name, address and node, which listeners hardly ever show; a profile is made once for
all of them and with it the parts that connection managers and TCP proxies are built of. It outlives the push context
it was made in, for as long as nothing it was made from changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import ApiObject, Fields
from meshsim.controlplane import filters
from meshsim.controlplane.access_logs import LogPlace, access_logs
from meshsim.controlplane.envoy_filters import PatchSet
from meshsim.controlplane.extensions import Extensions, workload_extensions
from meshsim.controlplane.listeners.patches import relevant_patches
from meshsim.controlplane.listeners.proxy_settings import (
    WILDCARD,
    WILDCARD_IPV6,
    ProxyHeaders,
    accepts_http10,
    flag,
    idle_timeout,
    is_ipv6,
    proxy_headers,
)
from meshsim.controlplane.provider_clusters import ProviderCluster, provider_clusters
from meshsim.controlplane.telemetry import AppliedTelemetry, ListenerClass, applied_telemetry, stats_configs
from meshsim.controlplane.tracing import TracingConfig, tracing_config
from meshsim.xds.messages import accesslog_pb2, http_connection_manager_pb2, listener_components_pb2
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

_METADATA: Final = (
    "ENVOY_PROMETHEUS_PORT",
    "ENVOY_STATUS_PORT",
    "HTTP_PROXY_PORT",
    "IDLE_TIMEOUT",
    "INBOUND_LISTENER_EXACT_BALANCE",
    "INTERCEPTION_MODE",
    "OUTBOUND_LISTENER_EXACT_BALANCE",
    "TLS_SERVER_CERT_CHAIN",
    "TLS_SERVER_KEY",
    "TLS_SERVER_ROOT_CERT",
    "UNPRIVILEGED_POD",
)
"""Node metadata that listeners depend on."""
_HTTP_METADATA: Final = ("CLUSTER_ID", "HTTP10", "MESH_ID", "NAMESPACE")
"""Node metadata that only connection managers depend on."""
_HTTP_LABELS: Final = ("service.istio.io/canonical-name", "service.istio.io/canonical-revision")
_PROXY_CONFIG: Final = ("gatewayTopology", "proxyHeaders", "tracing")
_SIDECAR_CLASSES: Final = (ListenerClass.SIDECAR_INBOUND, ListenerClass.SIDECAR_OUTBOUND)
_KINDS: Final = ("Telemetry", "WasmPlugin", "TrafficExtension")
_GATEWAY_CLASSES: Final = (ListenerClass.GATEWAY,)


class NetworkKey(NamedTuple):
    """What listeners without a connection manager depend on."""

    mesh: MeshConfig
    providers: tuple[ProviderCluster | None, ...]
    router: bool
    ipv6: bool
    namespace: str
    metadata: tuple[str, ...]
    telemetry: tuple[ByIdentity[ApiObject], ...]
    extensions: tuple[ByIdentity[ApiObject], ...]
    patches: PatchSet


class ProfileKey(NamedTuple):
    """What all listeners depend on."""

    network: NetworkKey
    cluster: str
    labels: tuple[str, ...]
    metadata: tuple[str, ...]
    proxy_config: tuple[str, ...]


class NetworkParts(NamedTuple):
    """Parts of the TCP chains of one listener class."""

    stats: Sequence[listener_components_pb2.Filter]
    """Filters that count connections."""
    tcp_logs: Sequence[accesslog_pb2.AccessLog]
    listener_logs: Sequence[accesslog_pb2.AccessLog]


class HttpParts(NamedTuple):
    """Parts of the connection managers of one listener class."""

    headers: ProxyHeaders
    tracing: TracingConfig
    stats: Sequence[http_connection_manager_pb2.HttpFilter]
    """Filters that count requests."""
    logs: Sequence[accesslog_pb2.AccessLog]


class NetworkProfile:
    """Settings of a proxy as its TCP chains see them."""

    def __init__(
        self, push: PushContext, proxy: Proxy, key: NetworkKey, applied: AppliedTelemetry, extensions: Extensions
    ) -> None:
        self.mesh = push.mesh
        self.proxy = proxy
        """One of the proxies it is for; only what `NetworkKey` holds may be read from it."""
        self.extensions = extensions
        self.patches = key.patches
        self.idle_timeout = idle_timeout(proxy)
        self.exact_outbound_balance = flag(proxy, "OUTBOUND_LISTENER_EXACT_BALANCE")
        self.exact_inbound_balance = flag(proxy, "INBOUND_LISTENER_EXACT_BALANCE")
        self.ipv6 = key.ipv6
        self.wildcard = WILDCARD_IPV6 if key.ipv6 else WILDCARD
        """What a listener for every address binds."""
        self.localhost = "::1" if key.ipv6 else "127.0.0.1"
        self._parts = {
            item: NetworkParts(
                stats=[
                    listener_components_pb2.Filter(name=filters.STATS, typed_config=config)
                    for config in stats_configs(push, applied, item)
                ],
                tcp_logs=access_logs(push, applied, item, LogPlace.TCP),
                listener_logs=access_logs(push, applied, item, LogPlace.LISTENER),
            )
            for item in _classes(proxy)
        }

    def of(self, listener_class: ListenerClass) -> NetworkParts:
        """The parts for listeners of a class."""
        return self._parts[listener_class]


class Profile:
    """Identity and settings of a proxy, as its listeners see them."""

    def __init__(self, push: PushContext, proxy: Proxy, network: NetworkProfile, applied: AppliedTelemetry) -> None:
        self.network = network
        self.mesh = push.mesh
        self.accepts_http10 = accepts_http10(proxy)
        self.proxy_config: Fields = push.proxy_config(proxy)
        """Only what `ProfileKey` holds may be read from it."""
        self._parts = {
            item: HttpParts(
                headers=proxy_headers(self.proxy_config, item),
                tracing=tracing_config(push, proxy, applied, item),
                stats=[
                    http_connection_manager_pb2.HttpFilter(name=filters.STATS, typed_config=config)
                    for config in stats_configs(push, applied, item)
                ],
                logs=access_logs(push, applied, item, LogPlace.HTTP),
            )
            for item in _classes(proxy)
        }

    def of(self, listener_class: ListenerClass) -> HttpParts:
        """The parts for connection managers of a class."""
        return self._parts[listener_class]

    @cached_property
    def connection_managers(self) -> dict[tuple[object, ...], bytes]:
        """Serialized connection managers without route configuration and stat prefix, by what else they depend on."""
        return {}


def _classes(proxy: Proxy) -> tuple[ListenerClass, ...]:
    return _GATEWAY_CLASSES if proxy.is_router else _SIDECAR_CLASSES


class ProfileBuilder:
    """Finds the profiles of a push, those of earlier ones included."""

    def __init__(self, push: PushContext) -> None:
        self._push = push

    @cached_property
    def _providers(self) -> tuple[ProviderCluster | None, ...]:
        return provider_clusters(self._push)

    def build(self, proxy: Proxy) -> Profile:
        """The profile of a proxy."""
        push = self._push
        objects = push.made(("profile inputs", proxy.namespace), lambda: self._objects(proxy.namespace))
        inputs = (self._providers, objects, push.envoy_filters(proxy))
        return push.cache.latest(("profile", proxy), inputs, lambda _: self._make(proxy))

    def _objects(self, namespace: str) -> tuple[tuple[ApiObject, ...], ...]:
        """Objects of a namespace and the root that profiles are made from."""
        push = self._push
        places = dict.fromkeys((namespace, push.mesh.root_namespace))
        return tuple(push.configs(kind, place) for kind in _KINDS for place in places)

    def _make(self, proxy: Proxy) -> Profile:
        push = self._push
        applied = applied_telemetry(push, proxy)
        extensions = workload_extensions(push, proxy)
        config = push.proxy_config(proxy)
        network = NetworkKey(
            mesh=push.mesh,
            providers=self._providers,
            router=proxy.is_router,
            ipv6=is_ipv6(proxy),
            namespace=proxy.namespace,
            metadata=tuple(proxy.metadata.text(name) for name in _METADATA),
            telemetry=tuple(ByIdentity(item) for item in applied.objects),
            extensions=extensions.key,
            patches=relevant_patches(push.envoy_filters(proxy)),
        )
        key = ProfileKey(
            network=network,
            cluster=proxy.cluster,
            labels=tuple(proxy.labels.get(label, "") for label in _HTTP_LABELS),
            metadata=tuple(proxy.metadata.text(name) for name in _HTTP_METADATA),
            proxy_config=tuple(repr(config.value(name)) for name in _PROXY_CONFIG),
        )

        def make() -> Profile:
            made = push.cache.get_or_make(network, lambda: NetworkProfile(push, proxy, network, applied, extensions))
            return Profile(push, proxy, made, applied)

        return push.cache.get_or_make(key, make)
