"""MeshConfig and ProxyConfig with Istio's defaults (istio pkg/config/mesh/mesh.go, release 1.31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.traffic_policies import TrafficPolicy, port_policy
from meshsim.units import SECOND, Nanos


class OutboundPolicy(Enum):
    """What a sidecar does with traffic to hosts nobody declared."""

    REGISTRY_ONLY = "REGISTRY_ONLY"
    ALLOW_ANY = "ALLOW_ANY"
    ALLOW_ANY_DYNAMIC_DNS = "ALLOW_ANY_DYNAMIC_DNS"


class InboundPolicy(Enum):
    """Where inbound clusters connect to: the original destination, or 127.0.0.1."""

    PASSTHROUGH = "PASSTHROUGH"
    LOCALHOST = "LOCALHOST"


_PROXY_DEFAULTS: Final[Mapping[str, object]] = {
    "configPath": "./etc/istio/proxy",
    "binaryPath": "/usr/local/bin/envoy",
    "drainDuration": "45s",
    "terminationDrainDuration": "5s",
    "proxyAdminPort": 15000,
    "controlPlaneAuthPolicy": "MUTUAL_TLS",
    "discoveryAddress": "istiod.istio-system.svc:15012",
    "statNameLength": 189,
    "statusPort": 15020,
    "serviceCluster": "istio-proxy",
}
"""istio pkg/config/mesh/mesh.go DefaultProxyConfig."""

_MESH_DEFAULTS: Final[Mapping[str, object]] = {
    "trustDomain": "cluster.local",
    "rootNamespace": "istio-system",
    "ingressClass": "istio",
    "ingressService": "istio-ingressgateway",
    "ingressSelector": "ingressgateway",
    "ingressControllerMode": "STRICT",
    "enableTracing": True,
    "enableAutoMtls": True,
    "enablePrometheusMerge": True,
    "accessLogEncoding": "TEXT",
    "connectTimeout": "10s",
    "dnsRefreshRate": "60s",
    "protocolDetectionTimeout": "0s",
    "proxyListenPort": 15001,
    "proxyInboundListenPort": 15006,
    "outboundTrafficPolicy": {"mode": "ALLOW_ANY"},
    "inboundTrafficPolicy": {"mode": "PASSTHROUGH"},
    "localityLbSetting": {"enabled": True},
    "defaultServiceExportTo": ["*"],
    "defaultVirtualServiceExportTo": ["*"],
    "defaultDestinationRuleExportTo": ["*"],
    "defaultProviders": {},
}
"""istio pkg/config/mesh/mesh.go DefaultMeshConfig."""


@dataclass(frozen=True, eq=False)
class MeshConfig:
    """The effective mesh configuration: Istio's defaults, the installation's file, the world's file."""

    fields: Fields
    """The merged document; default values of Istio filled in."""
    domain: str = "cluster.local"
    """DNS domain of the kube."""
    cluster_id: str = "Kubernetes"

    @cached_property
    def trust_domain(self) -> str:
        return self.fields.text("trustDomain")

    @cached_property
    def trust_domain_aliases(self) -> tuple[str, ...]:
        """Trust domains that mean this one, sorted."""
        return tuple(sorted(set(self.fields.texts("trustDomainAliases"))))

    @cached_property
    def root_namespace(self) -> str:
        return self.fields.text("rootNamespace")

    @cached_property
    def auto_mtls(self) -> bool:
        return self.fields.flag("enableAutoMtls", True)

    @cached_property
    def connect_timeout(self) -> Nanos:
        return self.fields.duration("connectTimeout") or 10 * SECOND

    @cached_property
    def protocol_detection_timeout(self) -> Nanos:
        return self.fields.duration("protocolDetectionTimeout") or 0

    @cached_property
    def dns_refresh_rate(self) -> Nanos:
        return self.fields.duration("dnsRefreshRate") or 60 * SECOND

    @cached_property
    def outbound_policy(self) -> OutboundPolicy:
        return OutboundPolicy(self.fields.fields("outboundTrafficPolicy").text("mode", "REGISTRY_ONLY"))

    @cached_property
    def inbound_policy(self) -> InboundPolicy:
        return InboundPolicy(self.fields.fields("inboundTrafficPolicy").text("mode", "PASSTHROUGH"))

    @cached_property
    def outbound_port(self) -> int:
        """Port of `virtualOutbound`."""
        return self.fields.integer("proxyListenPort")

    @cached_property
    def inbound_port(self) -> int:
        """Port of `virtualInbound`."""
        return self.fields.integer("proxyInboundListenPort")

    @cached_property
    def http_proxy_port(self) -> int:
        """Port of the `http_proxy` listener, 0 when there is none."""
        return self.fields.integer("proxyHttpPort")

    @cached_property
    def h2_upgrade(self) -> bool:
        """Whether HTTP/1.1 is upgraded to HTTP/2 between sidecars by default."""
        return self.fields.text("h2UpgradePolicy") == "UPGRADE"

    @cached_property
    def tcp_keepalive(self) -> Fields | None:
        return self.fields.fields("tcpKeepalive") if "tcpKeepalive" in self.fields else None

    @cached_property
    def locality_setting(self) -> Fields:
        """LocalityLoadBalancerSetting of the mesh; `enabled` is true unless it says otherwise."""
        return self.fields.fields("localityLbSetting")

    @cached_property
    def default_policy(self) -> TrafficPolicy:
        """`defaultTrafficPolicy`: blocks for clusters whose DestinationRule leaves them out."""
        return port_policy(self.fields.fields("defaultTrafficPolicy"), 0)[0]

    @cached_property
    def service_export_to(self) -> frozenset[str]:
        return frozenset(self.fields.texts("defaultServiceExportTo") or ("*",))

    @cached_property
    def virtual_service_export_to(self) -> frozenset[str]:
        return frozenset(self.fields.texts("defaultVirtualServiceExportTo") or ("*",))

    @cached_property
    def destination_rule_export_to(self) -> frozenset[str]:
        return frozenset(self.fields.texts("defaultDestinationRuleExportTo") or ("*",))

    @cached_property
    def discovery_selectors(self) -> tuple[Fields, ...]:
        """Label selectors of the namespaces Pilot looks at; empty = all."""
        return self.fields.items("discoverySelectors")

    @cached_property
    def proxy_defaults(self) -> Fields:
        """`defaultConfig`: the ProxyConfig every proxy starts from."""
        return self.fields.fields("defaultConfig")


def build_mesh_config(*documents: Mapping[str, object]) -> MeshConfig:
    """Merge documents over Istio's defaults, later ones winning.

    `defaultConfig` merges field by field, every other top-level field is replaced as a whole
    (istio pkg/config/mesh/mesh.go ApplyMeshConfig).
    """
    merged = dict(_MESH_DEFAULTS)
    proxy: Mapping[str, object] = _PROXY_DEFAULTS
    for document in documents:
        for key, value in document.items():
            if value is None:
                continue
            if key == "defaultConfig" and isinstance(value, Mapping):
                proxy = merge_proxy_config(proxy, value)
            else:
                merged[key] = _merge_message(merged.get(key), value)
    merged["defaultConfig"] = proxy
    return MeshConfig(Fields(merged))


def installed_mesh_config(values: Mapping[str, object]) -> MeshConfig:
    """The mesh configuration of an installation with these `meshConfig` values: the chart of istiod turns metrics for
    Prometheus on unless they name default providers themselves.

    istio manifests/charts/istio-control/istio-discovery/templates/_helpers.tpl (default-prometheus), configmap.yaml.
    """
    chart = {} if values.get("defaultProviders") else {"defaultProviders": {"metrics": ["prometheus"]}}
    return build_mesh_config(chart, values)


def _merge_message(base: object, value: object) -> object:
    """Protobuf JSON read over an existing message: sub-messages merge, lists and scalars are replaced."""
    if isinstance(base, Mapping) and isinstance(value, Mapping):
        merged = dict(base)
        for key, item in value.items():
            merged[key] = _merge_message(merged.get(key), item)
        return merged
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value


def merge_proxy_config(base: Mapping[str, object], over: Mapping[str, object]) -> Mapping[str, object]:
    """One ProxyConfig over another; `proxyMetadata` merges key by key, other fields are replaced
    (istio pkg/config/mesh/mesh.go MergeProxyConfig)."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        before = merged.get(key)
        if key in ("proxyMetadata", "runtimeValues") and isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = {**before, **value}
        else:
            merged[key] = value
    return merged
