"""Defaults: istio pkg/config/mesh/mesh.go, as in reference section 2.1."""

from __future__ import annotations

from meshsim.controlplane.mesh import (
    InboundPolicy,
    OutboundPolicy,
    build_mesh_config,
    installed_mesh_config,
    merge_proxy_config,
)
from meshsim.units import SECOND


def test_defaults() -> None:
    mesh = build_mesh_config()
    assert mesh.trust_domain == "cluster.local"
    assert mesh.root_namespace == "istio-system"
    assert mesh.connect_timeout == 10 * SECOND
    assert mesh.dns_refresh_rate == 60 * SECOND
    assert mesh.auto_mtls
    assert mesh.outbound_policy is OutboundPolicy.ALLOW_ANY
    assert mesh.inbound_policy is InboundPolicy.PASSTHROUGH
    assert (mesh.outbound_port, mesh.inbound_port, mesh.http_proxy_port) == (15001, 15006, 0)
    assert mesh.proxy_defaults.text("drainDuration") == "45s"
    assert mesh.proxy_defaults.integer("statusPort") == 15020


def test_default_config_merges_field_by_field() -> None:
    mesh = build_mesh_config(
        {"defaultConfig": {"discoveryAddress": "istiod:15012"}}, {"defaultConfig": {"concurrency": 2}}
    )
    assert mesh.proxy_defaults.text("discoveryAddress") == "istiod:15012"
    assert mesh.proxy_defaults.integer("concurrency") == 2
    assert mesh.proxy_defaults.text("configPath") == "./etc/istio/proxy"


def test_lists_are_replaced() -> None:
    mesh = build_mesh_config({"trustDomainAliases": ["a", "b"]}, {"trustDomainAliases": ["c"]})
    assert mesh.trust_domain_aliases == ("c",)


def test_proxy_metadata_merges_key_by_key() -> None:
    merged = merge_proxy_config({"proxyMetadata": {"A": "1", "B": "2"}}, {"proxyMetadata": {"B": "3"}})
    assert merged == {"proxyMetadata": {"A": "1", "B": "3"}}


def test_an_installation_has_metrics_for_prometheus_unless_it_names_providers() -> None:
    def metrics(values: dict[str, object]) -> tuple[str, ...]:
        return installed_mesh_config(values).fields.fields("defaultProviders").texts("metrics")

    assert metrics({}) == metrics({"defaultProviders": {}}) == ("prometheus",)
    assert metrics({"defaultProviders": {"accessLogging": ["envoy"]}}) == ()
    assert metrics({"defaultProviders": {"metrics": []}}) == ()
    assert installed_mesh_config({"trustDomain": "td"}).trust_domain == "td"
