"""What the listeners of one proxy share with those of every proxy of the same identity and settings.

Replicas of a workload differ in name, address and node, which listeners hardly ever show; a profile is made once for
all of them and with it the parts that connection managers and TCP proxies are built of.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import ObjectKey
from meshsim.controlplane import filters
from meshsim.controlplane.access_logs import LogPlace, access_logs
from meshsim.controlplane.envoy_filters import PatchSet
from meshsim.controlplane.extensions import Extensions, workload_extensions
from meshsim.controlplane.listeners.proxy_settings import (
    WILDCARD,
    ProxyHeaders,
    accepts_http10,
    flag,
    idle_timeout,
    is_ipv6,
    proxy_headers,
)
from meshsim.controlplane.telemetry import AppliedTelemetry, ListenerClass, applied_telemetry, stats_configs
from meshsim.controlplane.tracing import TracingConfig, tracing_config
from meshsim.xds.messages import accesslog_pb2, http_connection_manager_pb2, listener_components_pb2

if TYPE_CHECKING:
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
    "UNPRIVILEGED_POD",
)
"""Node metadata that listeners depend on."""
_HTTP_METADATA: Final = ("CLUSTER_ID", "HTTP10", "MESH_ID", "NAMESPACE")
"""Node metadata that only connection managers depend on."""
_HTTP_LABELS: Final = ("service.istio.io/canonical-name", "service.istio.io/canonical-revision")
_PROXY_CONFIG: Final = ("gatewayTopology", "proxyHeaders", "tracing")


class NetworkKey(NamedTuple):
    """What listeners without a connection manager depend on."""

    router: bool
    ipv6: bool
    namespace: str
    metadata: tuple[str, ...]
    telemetry: tuple[ObjectKey, ...]
    extensions: tuple[str, ...]
    patches: PatchSet


class ProfileKey(NamedTuple):
    """Equal keys mean equal profiles within one push context."""

    network: NetworkKey
    cluster: str
    labels: tuple[str, ...]
    metadata: tuple[str, ...]
    proxy_config: tuple[str, ...]


class _ClassParts:
    """Parts of the listeners of one class."""

    def __init__(
        self, push: PushContext, proxy: Proxy, applied: AppliedTelemetry, listener_class: ListenerClass
    ) -> None:
        self._push = push
        self._proxy = proxy
        self._applied = applied
        self._class = listener_class

    @cached_property
    def headers(self) -> ProxyHeaders:
        return proxy_headers(self._push.proxy_config(self._proxy), self._class)

    @cached_property
    def tracing(self) -> TracingConfig:
        return tracing_config(self._push, self._proxy, self._applied, self._class)

    @cached_property
    def network_stats(self) -> list[listener_components_pb2.Filter]:
        """Filters that count TCP connections."""
        configs = stats_configs(self._push, self._applied, self._class)
        return [listener_components_pb2.Filter(name=filters.STATS, typed_config=config) for config in configs]

    @cached_property
    def http_stats(self) -> list[http_connection_manager_pb2.HttpFilter]:
        """Filters that count requests."""
        configs = stats_configs(self._push, self._applied, self._class)
        return [http_connection_manager_pb2.HttpFilter(name=filters.STATS, typed_config=config) for config in configs]

    @cached_property
    def http_logs(self) -> list[accesslog_pb2.AccessLog]:
        return access_logs(self._push, self._applied, self._class, LogPlace.HTTP)

    @cached_property
    def tcp_logs(self) -> list[accesslog_pb2.AccessLog]:
        return access_logs(self._push, self._applied, self._class, LogPlace.TCP)

    @cached_property
    def listener_logs(self) -> list[accesslog_pb2.AccessLog]:
        return access_logs(self._push, self._applied, self._class, LogPlace.LISTENER)


class Profile:
    """Identity and settings of a proxy, as its listeners see them."""

    def __init__(
        self,
        push: PushContext,
        proxy: Proxy,
        key: ProfileKey,
        applied: AppliedTelemetry,
        extensions: Extensions,
    ) -> None:
        self.key = key
        self.push = push
        self.proxy = proxy
        """One of the proxies it is for; only what `ProfileKey` holds may be read from it."""
        self.extensions = extensions
        self.patches = key.network.patches
        self.ipv6 = is_ipv6(proxy)
        self.wildcard = "::" if self.ipv6 else WILDCARD
        """What a listener for every address binds."""
        self.localhost = "::1" if self.ipv6 else "127.0.0.1"
        self.idle_timeout = idle_timeout(proxy)
        self.exact_outbound_balance = flag(proxy, "OUTBOUND_LISTENER_EXACT_BALANCE")
        self.exact_inbound_balance = flag(proxy, "INBOUND_LISTENER_EXACT_BALANCE")
        self.accepts_http10 = accepts_http10(proxy)
        self._parts = {item: _ClassParts(push, proxy, applied, item) for item in ListenerClass}

    def of(self, listener_class: ListenerClass) -> _ClassParts:
        """The parts for listeners of a class."""
        return self._parts[listener_class]

    @cached_property
    def connection_managers(self) -> dict[tuple[object, ...], http_connection_manager_pb2.HttpConnectionManager]:
        """Connection managers without route configuration and stat prefix, by what else they depend on."""
        return {}


class ProfileBuilder:
    """Makes each profile of a push once."""

    def __init__(self, push: PushContext) -> None:
        self._push = push
        self._made: dict[ProfileKey, Profile] = {}

    def build(self, proxy: Proxy) -> Profile:
        """The profile of a proxy."""
        applied = applied_telemetry(self._push, proxy)
        extensions = workload_extensions(self._push, proxy)
        config = self._push.proxy_config(proxy)
        network = NetworkKey(
            router=proxy.is_router,
            ipv6=is_ipv6(proxy),
            namespace=proxy.namespace,
            metadata=tuple(proxy.metadata.text(name) for name in _METADATA),
            telemetry=applied.key,
            extensions=extensions.key,
            patches=self._push.envoy_filters(proxy),
        )
        key = ProfileKey(
            network=network,
            cluster=proxy.cluster,
            labels=tuple(proxy.labels.get(label, "") for label in _HTTP_LABELS),
            metadata=tuple(proxy.metadata.text(name) for name in _HTTP_METADATA),
            proxy_config=tuple(repr(config.value(name)) for name in _PROXY_CONFIG),
        )
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Profile(self._push, proxy, key, applied, extensions)
        return found
