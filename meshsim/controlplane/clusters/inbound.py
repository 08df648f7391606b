"""Inbound clusters of a sidecar: one a workload port.

istio pilot/pkg/networking/core/cluster.go (buildInboundClusters) and cluster_builder.go (buildInboundCluster), 1.31.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.controlplane.clusters.draft import Cluster, ClusterDraft
from meshsim.controlplane.clusters.outbound import config_path, services_metadata, set_protocol, stat_name
from meshsim.controlplane.clusters.policies import apply_connection_pool
from meshsim.controlplane.mesh import InboundPolicy
from meshsim.controlplane.model import Proxy, Registry, Resolution, Service, ServicePort, ServiceTarget
from meshsim.controlplane.protobuf_values import UNIX_PREFIX, socket_address
from meshsim.controlplane.protocols import parse_protocol
from meshsim.controlplane.sidecar_scope import inbound_connection_pool
from meshsim.controlplane.traffic_policies import port_policy
from meshsim.controlplane.views import ProxyView, is_ipv6
from meshsim.xds.messages import (
    address_pb2,
    duration_pb2,
    endpoint_components_pb2,
    endpoint_pb2,
    struct_pb2,
)
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.api import ApiObject, Fields
    from meshsim.controlplane.destination_rules import MergedDestinationRule
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.push_context import PushContext

_FOREVER: Final = 9223372035
"""Longest protobuf duration in seconds that Go can hold: inbound connections are never cleaned up."""
_PASSTHROUGH_V4: Final = "127.0.0.6"
_PASSTHROUGH_V6: Final = "::6"


class InboundInputs(NamedTuple):
    """Everything an inbound cluster is made from."""

    mesh: MeshConfig
    view: ProxyView
    number: int
    """Port in the name."""
    bind: str
    """Where the application listens; empty = the original destination."""
    target_port: int
    targets: tuple[ServiceTarget, ...]
    """Service ports on this workload port; the first one decides."""
    rule: MergedDestinationRule | None
    sidecar: ByIdentity[ApiObject | None]
    """The Sidecar whose inbound connection pool replaces that of the rule."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Services that EnvoyFilter matches may name."""
        return tuple(target.service.hostname for target in self.targets)


def inbound_inputs(push: PushContext, proxy: Proxy, view: ProxyView) -> list[InboundInputs]:
    """One cluster for each port the workload serves, or for each ingress listener of its Sidecar."""
    scope = push.scope(proxy)
    targets = push.service_targets(proxy)
    place_free = view.without_place()
    if scope.has_ingress:
        found = [_from_listener(push, proxy, place_free, targets, item) for item in scope.ingress_listeners]
        return [item for item in found if item is not None]
    if proxy.metadata.text("INTERCEPTION_MODE") == "NONE":
        return []
    by_port: dict[int, list[ServiceTarget]] = {}
    for target in targets:
        by_port.setdefault(target.target_port, []).append(target)
    localhost = "::1" if view.ipv6_only else "127.0.0.1"
    bind = localhost if push.mesh.inbound_policy is InboundPolicy.LOCALHOST else ""
    return [_inputs(push, proxy, place_free, port, bind, port, tuple(members)) for port, members in by_port.items()]


def _inputs(
    push: PushContext,
    proxy: Proxy,
    view: ProxyView,
    number: int,
    bind: str,
    target_port: int,
    targets: tuple[ServiceTarget, ...],
) -> InboundInputs:
    scope = push.scope(proxy)
    rule = scope.destination_rule(targets[0].service.hostname, proxy.labels, outbound=False)
    return InboundInputs(push.mesh, view, number, bind, target_port, targets, rule, ByIdentity(scope.sidecar))


def _from_listener(
    push: PushContext, proxy: Proxy, view: ProxyView, targets: Sequence[ServiceTarget], item: Fields
) -> InboundInputs | None:
    declared = item.fields("port")
    number = declared.integer("number")
    destination = _default_endpoint(item.text("defaultEndpoint"), proxy, view)
    if destination is None:
        return None
    address, port_number = destination
    service = next((t.service for t in targets if t.target_port == number), None)
    if service is None:
        service = _placeholder(push, proxy)
    port = ServicePort(name=declared.text("name"), port=number, protocol=parse_protocol(declared.text("protocol")))
    target = ServiceTarget(service=service, port=port, target_port=port_number)
    return _inputs(push, proxy, view, number, address, port_number, (target,))


def _placeholder(push: PushContext, proxy: Proxy) -> Service:
    """A stand-in for a listener that no service declares."""
    sidecar = push.scope(proxy).sidecar
    name = sidecar.name if sidecar is not None else ""
    return Service(
        hostname=f"{name}.{proxy.namespace}",
        name=name,
        namespace=proxy.namespace,
        registry=Registry.EXTERNAL,
        resolution=Resolution.CLIENT_SIDE_LB,
        ports=(),
        mesh_external=True,
    )


def _default_endpoint(text: str, proxy: Proxy, view: ProxyView) -> tuple[str, int] | None:
    """Where an ingress listener sends to; no address = the original destination, `None` = not understood."""
    if not text:
        return "", 0
    if text.startswith(UNIX_PREFIX):
        return text, 0
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit():
        return None
    six = [a for a in proxy.addresses if is_ipv6(a)]
    four = [a for a in proxy.addresses if not is_ipv6(a)]
    if host == "0.0.0.0":
        return (four[0] if four else "127.0.0.1"), int(port)
    if host == "::":
        return (six[0] if six else "::1"), int(port)
    if host in ("127.0.0.1", "::1"):
        return ("::1" if view.ipv6_only else "127.0.0.1"), int(port)
    return "", int(port)


def inbound_cluster(inputs: InboundInputs) -> Cluster:
    """``inbound|<port>||``: the application behind the proxy."""
    first = inputs.targets[0]
    name = f"inbound|{inputs.number}||"
    cluster = Cluster(name=name, alt_stat_name=f"{name};")
    cluster.common_lb_config.SetInParent()
    draft = ClusterDraft(cluster)
    if inputs.bind:
        cluster.type = Cluster.STATIC
        cluster.load_assignment.CopyFrom(_local_assignment(name, inputs.bind, inputs.target_port))
    else:
        cluster.type = Cluster.ORIGINAL_DST
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        cluster.cleanup_interval.CopyFrom(duration_pb2.Duration(seconds=_FOREVER))
    set_protocol(draft, first.port, inputs.view)
    if not first.service.mesh_external:
        draft.metadata().fields["services"].CopyFrom(_services(first.port, inputs.targets))
    pattern = inputs.mesh.fields.text("inboundClusterStatName")
    if pattern:
        cluster.alt_stat_name = f"{stat_name(pattern, first.service, '', first.port, inputs.number)};"
    _apply_pool(draft, inputs)
    if inputs.bind not in ("127.0.0.1", "::1"):
        # The kube's rules leave traffic from this source address alone, so it is not captured a second time.
        source = _PASSTHROUGH_V6 if inputs.view.ipv6_only else _PASSTHROUGH_V4
        cluster.upstream_bind_config.source_address.CopyFrom(address_pb2.SocketAddress(address=source, port_value=0))
    return draft.finish()


def _local_assignment(name: str, bind: str, port: int) -> endpoint_pb2.ClusterLoadAssignment:
    local = endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=socket_address(bind, port))
    )
    return endpoint_pb2.ClusterLoadAssignment(
        cluster_name=name, endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[local])]
    )


def _services(port: ServicePort, targets: Sequence[ServiceTarget]) -> struct_pb2.Value:
    """Services of the cluster's own service port, each host once."""
    by_host: dict[str, Service] = {}
    for target in targets:
        if target.port.port == port.port:
            by_host.setdefault(target.service.hostname, target.service)
    return services_metadata(by_host.values())


def _apply_pool(draft: ClusterDraft, inputs: InboundInputs) -> None:
    """Connection pool of the service's DestinationRule; the Sidecar's own one replaces it."""
    first, rule = inputs.targets[0], inputs.rule
    pool = budget = None
    if rule is not None and rule.traffic_policy is not None:
        policy, _ = port_policy(rule.traffic_policy, first.port.port)
        pool, budget = policy.connection_pool, policy.retry_budget
        if not first.service.mesh_external:
            draft.metadata().fields["config"].CopyFrom(struct_pb2.Value(string_value=config_path(rule)))
    own = inbound_connection_pool(inputs.sidecar.value, inputs.number)
    pool = own if own is not None else pool
    baseline = inputs.mesh.default_policy.connection_pool
    apply_connection_pool(draft, inputs.mesh, pool if pool is not None else baseline, budget)
