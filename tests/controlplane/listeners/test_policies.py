from __future__ import annotations

from typing import Any

from meshsim.controlplane.listeners.policies import NO_POLICIES, PolicyBuilder

SECURITY = "security.istio.io/v1"


def test_filters_of_a_workload_by_group(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(
            look.istio("AuthorizationPolicy", "{action: DENY, rules: [{}]}", name="deny", group=SECURITY),
            look.istio("AuthorizationPolicy", "{action: CUSTOM, provider: {name: p}, rules: [{}]}", group=SECURITY),
            look.istio("RequestAuthentication", "{jwtRules: [{issuer: i, jwks: '{}'}]}", group=SECURITY),
        ),
        "extensionProviders: [{name: p, envoyExtAuthzGrpc: {service: client.shop.svc.cluster.local, port: 9000}}]",
    )
    found = PolicyBuilder(mesh.push()).build(mesh.proxy("shop", "client-0"))
    assert [f.name for f in found.jwt] == ["envoy.filters.http.jwt_authn"]
    assert [f.name for f in found.local_http] == ["envoy.filters.http.rbac"]
    assert [f.name for f in found.local_network] == ["envoy.filters.network.rbac"]
    # The provider's service is unknown, so what it should be asked about is denied.
    assert [f.name for f in found.custom_http] == ["envoy.filters.http.rbac"]


def test_an_authorizer_that_appears_takes_over(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(
            look.istio("AuthorizationPolicy", "{action: CUSTOM, provider: {name: p}, rules: [{}]}", group=SECURITY)
        ),
        "extensionProviders: [{name: p, envoyExtAuthzGrpc: {service: ext.shop.svc.cluster.local, port: 9000}}]",
    )
    proxy = mesh.proxy("shop", "client-0")
    assert len(PolicyBuilder(mesh.push()).build(proxy).custom_http) == 1
    mesh.put(look.service("ext", "10.96.0.9", "grpc:9000"))
    found = PolicyBuilder(mesh.push()).build(proxy).custom_http
    assert [f.name for f in found] == ["envoy.filters.http.rbac", "envoy.filters.http.ext_authz"]


def test_nothing_applies(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(
        look.client(look.istio("AuthorizationPolicy", "{selector: {matchLabels: {app: web}}}", group=SECURITY))
    )
    assert PolicyBuilder(mesh.push()).build(mesh.proxy("shop", "client-0")) is NO_POLICIES
