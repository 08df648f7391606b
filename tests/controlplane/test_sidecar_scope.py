from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.mesh import OutboundPolicy
from meshsim.controlplane.model import ProxyType
from meshsim.controlplane.sidecar_scope import SidecarScope, inbound_connection_pool

MANY = "\n---\n".join(
    f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace},"
    f" creationTimestamp: '2026-01-02T00:00:0{index}Z', annotations: {{networking.istio.io/exportTo: '{export}'}}}},"
    f" spec: {{clusterIP: 10.97.0.{index}, ports: [{{name: http, port: 80}}, {{name: tcp, port: 90}}]}}}}"
    for index, (name, namespace, export) in enumerate(
        [("a", "shop", "*"), ("b", "bank", "*"), ("c", "bank", "."), ("d", "bank", "shop"), ("e", "bank", "~")]
    )
)


def _sidecar(spec: str, name: str = "default", namespace: str = "shop") -> str:
    return (
        f"{{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {{name: {name}, namespace: {namespace}}},"
        f" spec: {spec}}}"
    )


@pytest.fixture
def many(shop: Any) -> Any:
    shop.put(MANY)
    return shop


def _scope(mesh: Any, pod: str = "client-0", kind: ProxyType | None = None) -> SidecarScope:
    scope = mesh.push().scope(mesh.proxy("shop", pod, kind))
    assert isinstance(scope, SidecarScope)
    return scope


def _names(scope: SidecarScope) -> list[str]:
    return [s.name for s in scope.services]


def test_without_sidecar_everything_exported_is_seen(many: Any) -> None:
    scope = _scope(many)
    assert sorted(_names(scope)) == ["a", "b", "d", "web"]
    assert scope.outbound_policy is OutboundPolicy.ALLOW_ANY
    assert scope.sidecar is None
    (listener,) = scope.egress_listeners
    assert not listener.has_port
    assert scope.egress_listener_for(80) is listener


@pytest.mark.parametrize(
    ("hosts", "want"),
    [
        ("['./*']", ["a", "web"]),
        ("['bank/*']", ["b", "d"]),
        ("['*/b.bank.svc.cluster.local']", ["b"]),
        ("['~/*']", []),
        ("['*/*', '~bank/b.bank.svc.cluster.local']", ["a", "d", "web"]),
    ],
)
def test_hosts_of_an_egress_listener(many: Any, hosts: str, want: list[str]) -> None:
    many.put(_sidecar(f"{{egress: [{{hosts: {hosts}}}]}}"))
    assert sorted(_names(_scope(many))) == want


def test_a_listener_with_a_port_sees_that_port_only(many: Any) -> None:
    many.put(
        _sidecar(
            "{egress: [{port: {number: 90, name: tcp, protocol: TCP}, hosts: ['bank/*']},"
            " {port: {number: 0, name: unix, protocol: HTTP}, bind: 'unix:///x', hosts: ['./*']}]}"
        )
    )
    scope = _scope(many)
    assert [[p.port for p in s.ports] for s in scope.egress_listeners[0].services] == [[90], [90]]
    assert scope.egress_listener_for(90) is scope.egress_listeners[0]
    assert scope.egress_listener_for(0, "unix:///x") is scope.egress_listeners[1]
    assert scope.egress_listener_for(0, "unix:///y") is None
    assert scope.egress_listener_for(80) is None


def test_destinations_of_imported_virtual_services_are_seen_too(many: Any) -> None:
    many.put(_sidecar("{egress: [{hosts: ['./*']}]}"))
    many.put(
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: shop},"
        " spec: {hosts: [web], http: [{route: [{destination: {host: b.bank.svc.cluster.local, port: {number: 80}}}]}]}}"
    )
    scope = _scope(many)
    assert sorted(_names(scope)) == ["a", "b", "web"]
    added = scope.service_for_host("b.bank.svc.cluster.local")
    assert added is not None
    assert [p.port for p in added.ports] == [80]


def test_a_sidecar_with_selector_comes_before_that_of_the_namespace_and_the_root(many: Any) -> None:
    many.put(_sidecar("{}", "root", "istio-system"))
    root = _scope(many).sidecar
    assert root is not None
    assert root.name == "root"
    many.put(_sidecar("{}"))
    many.put(_sidecar("{workloadSelector: {labels: {app: client}}}", "mine"))
    chosen = {pod: scope.sidecar for pod in ("client-0", "web-0") if (scope := _scope(many, pod))}
    assert {pod: s.name for pod, s in chosen.items() if s} == {"client-0": "mine", "web-0": "default"}


def test_gateways_have_no_sidecar(many: Any) -> None:
    many.put(_sidecar("{egress: [{hosts: ['~/*']}]}"))
    scope = _scope(many, kind=ProxyType.ROUTER)
    assert scope.sidecar is None
    assert sorted(_names(scope)) == ["a", "b", "d", "web"]


def test_outbound_policy_of_a_sidecar(many: Any) -> None:
    many.put(_sidecar("{outboundTrafficPolicy: {egressProxy: {host: out}}}"))
    scope = _scope(many)
    assert scope.outbound_policy is OutboundPolicy.REGISTRY_ONLY
    assert scope.egress_proxy is not None
    assert scope.egress_proxy.text("host") == "out"


def test_proxies_of_one_namespace_share_a_scope(many: Any) -> None:
    push = many.push()
    one, other = many.proxy("shop", "web-0"), many.proxy("shop", "client-0")
    assert push.scope(one) is push.scope(other)


def test_a_scope_outlives_changes_that_it_does_not_read(many: Any) -> None:
    before = _scope(many)
    many.remove("EndpointSlice", "shop", "web-1")
    assert _scope(many) is before
    many.put(_sidecar("{}"))
    assert _scope(many) is not before


def test_rules_by_labels_of_the_workload(many: Any) -> None:
    many.put(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r, namespace: shop},"
        " spec: {host: web, workloadSelector: {matchLabels: {app: client}}}}"
    )
    scope = _scope(many)
    host = "web.shop.svc.cluster.local"
    assert scope.selector_labels == ("app",)
    assert scope.selected_labels({"app": "client", "x": "y"}) == (("app", "client"),)
    assert scope.destination_rule(host, {"app": "client"}) is not None
    assert scope.destination_rule(host, {"app": "other"}) is None


def test_services_under_a_wildcard(many: Any) -> None:
    scope = _scope(many)
    assert [s.name for s in scope.services_for_host("*.bank.svc.cluster.local")] == ["d", "b"]
    assert [s.name for s in scope.services_for_host("a.shop.svc.cluster.local")] == ["a"]
    assert scope.services_for_host("nobody.example.com") == ()


def test_inbound_connection_pools(many: Any) -> None:
    many.put(
        _sidecar(
            "{inboundConnectionPool: {tcp: {maxConnections: 1}},"
            " ingress: [{port: {number: 8080}, connectionPool: {tcp: {maxConnections: 2}}}, {port: {number: 9090}}]}"
        )
    )
    scope = _scope(many)
    assert scope.has_ingress
    found = [inbound_connection_pool(scope.sidecar, port) for port in (8080, 9090)]
    assert [p.fields("tcp").integer("maxConnections") for p in found if p] == [2, 1]
    assert inbound_connection_pool(None, 8080) is None
