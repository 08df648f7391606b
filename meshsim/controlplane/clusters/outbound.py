"""Outbound clusters of one service port: the whole service and each subset of its DestinationRule.

istio pilot/pkg/networking/core/cluster.go and cluster_builder.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.cluster_names import cluster_name, sni_name
from meshsim.controlplane.clusters.draft import METADATA_EXCHANGE, Cluster, ClusterDraft
from meshsim.controlplane.clusters.policies import (
    apply_connection_pool,
    apply_load_balancer,
    apply_outlier_detection,
    upgrades_to_http2,
)
from meshsim.controlplane.clusters.tls import TlsInputs, apply_proxy_protocol, apply_tls
from meshsim.controlplane.endpoints.assignment import EndpointInputs, locality_endpoints
from meshsim.controlplane.endpoints.locality import EndpointGroup, arrange, locality_setting, weighted
from meshsim.controlplane.model import MutualTls, Registry, Resolution, Service, ServicePort
from meshsim.controlplane.networks import NO_GATEWAYS, NetworkGateways
from meshsim.controlplane.protobuf_values import duration
from meshsim.controlplane.traffic_policies import TrafficPolicy, merge_subset, port_policy
from meshsim.units import MILLISECOND
from meshsim.xds.messages import (
    cares_dns_resolver_pb2,
    config_source_pb2,
    dns_cache_pb2,
    duration_pb2,
    dynamic_forward_proxy_cluster_pb2,
    endpoint_pb2,
    extension_pb2,
    health_check_pb2,
    preserve_case_pb2,
    protocol_pb2,
    struct_pb2,
    wrappers_pb2,
)
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.destination_rules import MergedDestinationRule, Subset
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.peer_policies import PeerPolicies
    from meshsim.controlplane.registry import EndpointSet
    from meshsim.controlplane.views import ProxyView

_DNS_JITTER: Final = 100 * MILLISECOND
_CARES_QUERIES: Final = 100
_OVERRIDE_STATUSES: Final = ("HEALTHY", "DRAINING", "UNKNOWN", "DEGRADED")


class OutboundInputs(NamedTuple):
    """Everything outbound clusters of one port are made from."""

    mesh: MeshConfig
    view: ProxyView
    service: Service
    port: ServicePort
    rule: MergedDestinationRule | None
    identities: tuple[str, ...]
    """Accounts a client accepts."""
    policies: PeerPolicies
    endpoints: EndpointSet | None
    """Given only where clusters depend on them: inline endpoints, and passthrough, where all must take mTLS."""
    gateways: NetworkGateways = NO_GATEWAYS
    """Ways into other networks, for inline endpoints."""
    sni_dnat: bool = False
    """Clusters of an AUTO_PASSTHROUGH gateway: named by SNI, without TLS of their own."""


def reads_endpoints(service: Service, rule: MergedDestinationRule | None) -> bool:
    """Whether clusters of a service depend on its endpoints."""
    if service.is_dns or service.resolution is Resolution.PASSTHROUGH:
        return True
    return rule is not None and any(
        _is_passthrough(policy) for policy in (rule.traffic_policy, *(s.traffic_policy for s in rule.subsets))
    )


def outbound_clusters(inputs: OutboundInputs) -> list[Cluster]:
    """The cluster of a port and those of the rule's subsets; empty when a DNS service has no endpoints."""
    service, port, rule = inputs.service, inputs.port, inputs.rule
    whole = _new_cluster(inputs, "", _discovery(inputs.view, service))
    if whole is None:
        return []
    if service.supports_draining:
        whole.cluster.common_lb_config.override_host_status.CopyFrom(
            health_check_pb2.HealthStatusSet(statuses=[_status(s) for s in _OVERRIDE_STATUSES])
        )
    policy = rule.traffic_policy if rule is not None else None
    base, _ = port_policy(policy, port.port)
    _apply_policy(inputs, whole, base, "", _service_mutual_tls(inputs, policy))
    if service.mesh_external:
        whole.metadata().fields["external"].CopyFrom(struct_pb2.Value(bool_value=True))
    if rule is None:
        return [whole.finish()]
    _add_rule_metadata(whole, rule, base)
    found = [whole.finish()]
    for subset in rule.subsets:
        cluster = _subset_cluster(inputs, rule, subset, base)
        if cluster is not None:
            found.append(cluster)
    return found


def _status(name: str) -> health_check_pb2.HealthStatus.ValueType:
    return health_check_pb2.HealthStatus.Value(name)


def _subset_cluster(
    inputs: OutboundInputs, rule: MergedDestinationRule, subset: Subset, base: TrafficPolicy
) -> Cluster | None:
    discovery = _discovery(inputs.view, inputs.service)
    if _is_passthrough(subset.traffic_policy):
        discovery = Cluster.ORIGINAL_DST
    draft = _new_cluster(inputs, subset.name, discovery)
    if draft is None:
        return None
    policy = merge_subset(base, subset.traffic_policy, inputs.port.port)
    _apply_policy(inputs, draft, policy, subset.name, _service_mutual_tls(inputs, subset.traffic_policy))
    _add_rule_metadata(draft, rule, policy)
    draft.metadata().fields["subset"].CopyFrom(struct_pb2.Value(string_value=subset.name))
    return draft.finish()


def _is_passthrough(policy: Fields | None) -> bool:
    return policy is not None and policy.fields("loadBalancer").text("simple") == "PASSTHROUGH"


def _discovery(view: ProxyView, service: Service) -> Cluster.DiscoveryType.ValueType:
    if service.resolution is Resolution.DNS_LB:
        return Cluster.STRICT_DNS
    if service.resolution is Resolution.DNS_ROUND_ROBIN:
        return Cluster.LOGICAL_DNS
    if service.resolution is Resolution.PASSTHROUGH and not view.is_router:
        return Cluster.ORIGINAL_DST
    return Cluster.EDS


def _name(inputs: OutboundInputs, subset: str) -> str:
    make = sni_name if inputs.sni_dnat else cluster_name
    return make(inputs.port.port, subset, inputs.service.hostname)


def _new_cluster(
    inputs: OutboundInputs, subset: str, discovery: Cluster.DiscoveryType.ValueType
) -> ClusterDraft | None:
    """A cluster before its traffic policy; `None` for a DNS cluster without endpoints."""
    mesh, view, service, port = inputs.mesh, inputs.view, inputs.service, inputs.port
    name = _name(inputs, subset)
    cluster = Cluster(name=name, type=discovery, alt_stat_name=f"{name};")
    if service.resolution is Resolution.DYNAMIC_DNS:
        _make_dynamic(cluster, service, view)
        draft = ClusterDraft(cluster)
        set_protocol(draft, port, view)
        return draft
    cluster.common_lb_config.SetInParent()
    if discovery in (Cluster.STRICT_DNS, Cluster.LOGICAL_DNS):
        _make_dns(cluster, mesh, view)
        groups = _inline_endpoints(inputs, subset)
        if not groups:
            return None
        cluster.load_assignment.CopyFrom(
            endpoint_pb2.ClusterLoadAssignment(cluster_name=name, endpoints=[g.message for g in groups])
        )
    elif discovery == Cluster.ORIGINAL_DST and port.target_port and service.registry is Registry.EXTERNAL:
        cluster.original_dst_lb_config.upstream_port_override.CopyFrom(wrappers_pb2.UInt32Value(value=port.target_port))
    draft = ClusterDraft(cluster)
    set_protocol(draft, port, view)
    draft.metadata().fields["services"].CopyFrom(services_metadata((service,)))
    pattern = mesh.fields.text("outboundClusterStatName")
    if pattern:
        cluster.alt_stat_name = f"{stat_name(pattern, service, subset, port, 0)};"
    return draft


def _inline_endpoints(inputs: OutboundInputs, subset: str) -> list[EndpointGroup]:
    if inputs.endpoints is None:
        return []
    return locality_endpoints(
        EndpointInputs(
            inputs.service,
            inputs.port,
            inputs.rule,
            subset,
            inputs.endpoints,
            inputs.policies,
            inputs.view.place,
            inline=True,
            gateways=inputs.gateways,
            sni_dnat=inputs.sni_dnat,
        )
    )


def _make_dns(cluster: Cluster, mesh: MeshConfig, view: ProxyView) -> None:
    """Envoy resolves the addresses itself, with c-ares."""
    cluster.dns_lookup_family = Cluster.V6_ONLY if view.ipv6_only else Cluster.V4_ONLY
    cluster.typed_dns_resolver_config.CopyFrom(
        extension_pb2.TypedExtensionConfig(
            name="envoy.network.dns_resolver.cares",
            typed_config=pack(
                cares_dns_resolver_pb2.CaresDnsResolverConfig(
                    udp_max_queries=wrappers_pb2.UInt32Value(value=_CARES_QUERIES)
                )
            ),
        )
    )
    cluster.dns_jitter.CopyFrom(duration(_DNS_JITTER))
    cluster.dns_refresh_rate.CopyFrom(duration(mesh.dns_refresh_rate))
    cluster.respect_dns_ttl = True


def _make_dynamic(cluster: Cluster, service: Service, view: ProxyView) -> None:
    """A dynamic forward proxy: the host of each request is resolved when it comes."""
    family = Cluster.V6_ONLY if view.ipv6_only else Cluster.V4_ONLY
    cluster.cluster_type.CopyFrom(
        Cluster.CustomClusterType(
            name="envoy.clusters.dynamic_forward_proxy",
            typed_config=pack(
                dynamic_forward_proxy_cluster_pb2.ClusterConfig(
                    dns_cache_config=dns_cache_pb2.DnsCacheConfig(
                        name=f"{service.hostname}_dfp_dns_cache", dns_lookup_family=family
                    )
                )
            ),
        )
    )
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED


def set_protocol(draft: ClusterDraft, port: ServicePort, view: ProxyView) -> None:
    """HTTP version towards the endpoints (cluster_builder.go setUpstreamProtocol)."""
    if port.protocol.is_http2:
        draft.use_http2()
        return
    if view.preserve_header_case and (port.protocol.is_http or port.protocol.is_auto):
        draft.options().explicit_http_config.http_protocol_options.CopyFrom(_preserving_case())
    if port.protocol.is_auto and not view.is_router:
        draft.use_client_protocol()


def _preserving_case() -> protocol_pb2.Http1ProtocolOptions:
    """HTTP/1.1 headers keep the case in which they were written."""
    formatter = extension_pb2.TypedExtensionConfig(
        name="preserve_case", typed_config=pack(preserve_case_pb2.PreserveCaseFormatterConfig())
    )
    return protocol_pb2.Http1ProtocolOptions(
        header_key_format=protocol_pb2.Http1ProtocolOptions.HeaderKeyFormat(stateful_formatter=formatter)
    )


def _service_mutual_tls(inputs: OutboundInputs, policy: Fields | None) -> MutualTls:
    """Whether clients try mTLS (push_context.go BestEffortInferServiceMTLSMode)."""
    service = inputs.service
    if service.mesh_external:
        return MutualTls.DISABLE
    if service.resolution is Resolution.PASSTHROUGH or _is_passthrough(policy):
        # The client does not choose the endpoint here, so every one of them has to take mTLS.
        endpoints = inputs.endpoints.by_port.get(inputs.port.name, ()) if inputs.endpoints is not None else ()
        if not endpoints or any(e.tls_mode == "disabled" for e in endpoints):
            return MutualTls.DISABLE
    mode = inputs.policies.mode(service.namespace)
    return MutualTls.PERMISSIVE if mode is MutualTls.UNKNOWN else mode


def _apply_policy(
    inputs: OutboundInputs, draft: ClusterDraft, policy: TrafficPolicy, subset: str, mode: MutualTls
) -> None:
    mesh, view, service, port, rule = inputs.mesh, inputs.view, inputs.service, inputs.port, inputs.rule
    baseline = mesh.default_policy
    pool = policy.connection_pool or baseline.connection_pool
    outlier = policy.outlier_detection if policy.outlier_detection is not None else baseline.outlier_detection
    if upgrades_to_http2(port, mesh, pool):
        draft.use_http2()
    apply_connection_pool(draft, mesh, pool, policy.retry_budget)
    cluster = draft.cluster
    if service.resolution is not Resolution.DYNAMIC_DNS:
        apply_load_balancer(cluster, service, policy.load_balancer)
        apply_outlier_detection(cluster, outlier)
        _apply_locality(inputs, cluster, policy)
    if not inputs.sni_dnat:
        apply_tls(
            draft,
            mesh,
            TlsInputs(
                settings=policy.tls,
                service_accounts=inputs.identities,
                sni=sni_name(port.port, subset, service.hostname),
                mesh_external=service.mesh_external,
                external_registry=service.registry is Registry.EXTERNAL,
                mutual_tls=mode,
                rule_has_selector=rule is not None and rule.workload_labels is not None,
                is_router=view.is_router,
                certificates=view.certificates,
            ),
        )
        apply_proxy_protocol(draft, policy.proxy_protocol)
    if cluster.WhichOneof("cluster_discovery_type") == "type":
        if cluster.type == Cluster.ORIGINAL_DST:
            cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        elif cluster.type == Cluster.EDS:
            cluster.eds_cluster_config.CopyFrom(_eds_config(cluster.name))
    cluster.filters.append(METADATA_EXCHANGE)


def _apply_locality(inputs: OutboundInputs, cluster: Cluster, policy: TrafficPolicy) -> None:
    """Weighted localities, and the order of inline endpoints; EDS orders its own."""
    setting = locality_setting(inputs.mesh, policy.load_balancer, inputs.service)
    failover = cluster.HasField("outlier_detection")
    if weighted(setting, failover):
        cluster.common_lb_config.locality_weighted_lb_config.SetInParent()
    if cluster.HasField("load_assignment"):
        groups = [EndpointGroup([], message) for message in cluster.load_assignment.endpoints]
        arrange(groups, setting, inputs.view.place.locality, None, failover)


def _eds_config(name: str) -> Cluster.EdsClusterConfig:
    return Cluster.EdsClusterConfig(
        service_name=name,
        eds_config=config_source_pb2.ConfigSource(
            ads=config_source_pb2.AggregatedConfigSource(),
            initial_fetch_timeout=duration_pb2.Duration(),
            resource_api_version=config_source_pb2.V3,
        ),
    )


def _add_rule_metadata(draft: ClusterDraft, rule: MergedDestinationRule, policy: TrafficPolicy) -> None:
    fields = draft.metadata().fields
    fields["config"].CopyFrom(struct_pb2.Value(string_value=config_path(rule)))
    if policy.tls is not None and policy.tls.text("mode") in ("SIMPLE", "MUTUAL"):
        fields["alpn_override"].CopyFrom(struct_pb2.Value(string_value="false"))


def config_path(rule: MergedDestinationRule) -> str:
    """Resource path of a DestinationRule, as telemetry and istioctl show it."""
    # Pilot reads every version of its kinds as v1.
    return f"/apis/networking.istio.io/v1/namespaces/{rule.source.namespace}/destination-rule/{rule.source.name}"


def services_metadata(services: Iterable[Service]) -> struct_pb2.Value:
    """Services behind a cluster, for telemetry labels."""
    values = []
    for service in services:
        fields = {
            "host": struct_pb2.Value(string_value=service.hostname),
            "name": struct_pb2.Value(string_value=service.name),
            "namespace": struct_pb2.Value(string_value=service.namespace),
        }
        values.append(struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields)))
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=values))


def stat_name(pattern: str, service: Service, subset: str, port: ServicePort, target_port: int) -> str:
    """A cluster's name in statistics (istio pilot/pkg/networking/telemetry/telemetry.go BuildStatPrefix)."""
    kubernetes = service.registry is Registry.KUBERNETES
    short = f"{service.name}.{service.namespace}" if kubernetes else service.hostname
    for place, value in (
        ("%SERVICE%", short),
        ("%SERVICE_NAME%", service.name if kubernetes else service.hostname),
        ("%SERVICE_FQDN%", service.hostname),
        ("%SUBSET_NAME%", subset),
        ("%TARGET_PORT%", str(target_port)),
        ("%SERVICE_PORT%", str(port.port)),
        ("%SERVICE_PORT_NAME%", port.name),
    ):
        pattern = pattern.replace(place, value)
    return pattern
