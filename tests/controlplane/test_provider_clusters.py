from __future__ import annotations

from typing import Any

from meshsim.controlplane.provider_clusters import ProviderCluster, lookup_cluster, provider_clusters

WEB = "web.shop.svc.cluster.local"


def test_a_host_or_a_host_of_a_namespace(shop: Any) -> None:
    push = shop.push()
    want = ProviderCluster(WEB, f"outbound|80||{WEB}")
    assert lookup_cluster(push, WEB, 80) == lookup_cluster(push, f"shop/{WEB}", 80) == want
    assert lookup_cluster(push, "unknown", 80) is lookup_cluster(push, f"far/{WEB}", 80) is None


def test_a_host_of_several_namespaces_is_ambiguous(shop: Any) -> None:
    for namespace in ("a", "b"):
        shop.put(
            f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e, namespace: {namespace}}}
spec: {{hosts: [x.example.com], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: DNS}}
"""
        )
    assert lookup_cluster(shop.push(), "x.example.com", 80) is None
    assert lookup_cluster(shop.push(), "b/x.example.com", 80) is not None


def test_every_service_a_provider_names(small_mesh: Any) -> None:
    mesh = small_mesh(
        "",
        "extensionProviders: [{name: a, zipkin: {service: z, port: 1}},"
        "{name: o, opentelemetry: {service: t, port: 2, dynatraceSampler: {httpService: {service: d, port: 3}}}}]",
    )
    assert provider_clusters(mesh.push()) == (None, None, None)
