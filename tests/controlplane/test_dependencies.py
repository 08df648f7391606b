"""Which change regenerates which type for whom: the skip sets of istio pilot/pkg/xds, release 1.31."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.dependencies import Extent, ScopeMemo, concerns_clusters, extents, relevant
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.xds.type_urls import SHORT

ROOT = "istio-system"


def _proxy(kind: ProxyType = ProxyType.SIDECAR, namespace: str = "shop") -> Proxy:
    return Proxy(
        id="p.shop",
        node_id="sidecar~10.0.0.1~p.shop~shop.svc.cluster.local",
        type=kind,
        addresses=("10.0.0.1",),
        name="p",
        namespace=namespace,
        dns_domain="shop.svc.cluster.local",
        labels={},
        metadata=Fields(None),
    )


def _request(kind: str, namespace: str = "shop", name: str = "x") -> PushRequest:
    return PushRequest({ConfigKey(kind, name, namespace): None}, {"config": 1})


def _types(request: PushRequest, proxy: Proxy) -> dict[str, str]:
    return {SHORT[t]: e.value for t, e in extents(request, proxy, ROOT).items()}


@pytest.mark.parametrize(
    ("kind", "namespace", "want"),
    [
        ("Endpoints", "shop", {"eds": "partial"}),
        ("ServiceEntry", "shop", {"cds": "partial", "eds": "partial", "lds": "full", "rds": "full", "nds": "full"}),
        ("VirtualService", "shop", {"cds": "partial", "lds": "full", "rds": "full"}),
        ("DestinationRule", "shop", {"cds": "partial", "eds": "partial", "lds": "full", "rds": "full"}),
        ("PeerAuthentication", "shop", {"cds": "partial", "eds": "partial", "lds": "full"}),
        ("PeerAuthentication", "other", {"cds": "partial", "eds": "partial"}),
        ("PeerAuthentication", ROOT, {"cds": "full", "eds": "full", "lds": "full"}),
        ("AuthorizationPolicy", "shop", {"lds": "full"}),
        ("RequestAuthentication", "shop", {"lds": "full"}),
        ("Telemetry", "shop", {"lds": "full"}),
        ("EnvoyFilter", "shop", {"cds": "full", "eds": "full", "lds": "full", "rds": "full", "ecds": "full"}),
        ("Sidecar", "shop", {"cds": "partial", "lds": "full", "rds": "full", "nds": "full"}),
        ("WasmPlugin", "shop", {"lds": "full"}),
        ("TrafficExtension", "shop", {"lds": "full", "ecds": "full"}),
        ("WorkloadEntry", "shop", {"eds": "full"}),
        ("DNSName", "shop", {"nds": "full"}),
        ("Gateway", "shop", {}),
        ("ProxyConfig", "shop", {}),
        ("WorkloadGroup", "shop", {}),
    ],
)
def test_types_of_a_sidecar(kind: str, namespace: str, want: dict[str, str]) -> None:
    assert _types(_request(kind, namespace), _proxy()) == want


def test_a_gateway_object_regenerates_routers() -> None:
    got = _types(_request("Gateway"), _proxy(ProxyType.ROUTER))
    assert got == {"cds": "full", "lds": "full", "rds": "full"}


def test_a_headless_change_alone_leaves_clusters_and_routes() -> None:
    request = PushRequest({ConfigKey("ServiceEntry", "x", "shop"): None}, {"headlessendpoint": 1})
    assert _types(request, _proxy()) == {"eds": "partial", "lds": "full", "nds": "full"}
    assert _types(request, _proxy(ProxyType.ROUTER)) == {"eds": "partial", "nds": "full"}


def test_a_headless_change_with_another_reason_changes_clusters() -> None:
    request = PushRequest({ConfigKey("ServiceEntry", "x", "shop"): None}, {"headlessendpoint": 1, "endpoint": 1})
    assert set(_types(request, _proxy())) == {"cds", "eds", "lds", "rds", "nds"}
    key = next(iter(request.keys))
    assert concerns_clusters(key, request)
    assert not concerns_clusters(key, PushRequest({key: None}, {"headlessendpoint": 1}))


def test_names_with_endpoints_send_every_assignment() -> None:
    request = PushRequest({ConfigKey("Endpoints", "x", "shop"): None, ConfigKey("DNSName", "x", "shop"): None})
    assert _types(request, _proxy()) == {"eds": "full", "nds": "full"}


def test_endpoints_with_a_virtual_service_are_sent_in_full() -> None:
    request = _request("DestinationRule")
    request.merge(_request("VirtualService"))
    assert extents(request, _proxy(), ROOT)[next(t for t, s in SHORT.items() if s == "eds")] is Extent.FULL


def test_forced_regenerates_everything() -> None:
    assert set(_types(PushRequest(forced=True), _proxy()).values()) == {"full"}


MESH = """
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: far, annotations: {networking.istio.io/exportTo: .}}
spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: seen, namespace: shop}
spec: {hosts: [cart], http: [{delegate: {name: leaf}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf, namespace: shop}
spec: {http: [{route: [{destination: {host: cart}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: unseen, namespace: far}
spec: {hosts: [cart.example.org], exportTo: [.]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule, namespace: shop}
spec: {host: cart}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: unused, namespace: shop}
spec: {host: nobody.example.org}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: sidecar, namespace: shop}
spec: {egress: [{hosts: ['*/*']}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: old, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: late, namespace: shop, creationTimestamp: '2026-01-02T00:00:00Z'}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: workload, namespace: shop, creationTimestamp: '2026-01-02T00:00:00Z'}
spec: {selector: {matchLabels: {app: cart}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: root, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: far, namespace: far}
spec: {mtls: {mode: STRICT}}
"""


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "concerns"),
    [
        ("VirtualService", "seen", "shop", True),
        ("VirtualService", "leaf", "shop", True),
        ("VirtualService", "unseen", "far", False),
        ("DestinationRule", "rule", "shop", True),
        ("DestinationRule", "unused", "shop", False),
        ("Sidecar", "sidecar", "shop", True),
        ("Sidecar", "another", "shop", False),
        ("Endpoints", "cart.shop.svc.cluster.local", "shop", True),
        ("Endpoints", "other.far.svc.cluster.local", "far", False),
        ("ServiceEntry", "cart.shop.svc.cluster.local", "shop", True),
        ("ServiceEntry", "other.far.svc.cluster.local", "far", False),
        ("ServiceEntry", "own.far.svc.cluster.local", "far", True),
        ("AuthorizationPolicy", "x", "shop", True),
        ("AuthorizationPolicy", "x", ROOT, True),
        ("AuthorizationPolicy", "x", "far", False),
        ("Gateway", "x", "shop", False),
        ("PeerAuthentication", "old", "shop", True),
        ("PeerAuthentication", "late", "shop", False),
        ("PeerAuthentication", "workload", "shop", True),
        ("PeerAuthentication", "root", ROOT, True),
        ("PeerAuthentication", "far", "far", False),
        ("ProxyConfig", "x", "far", True),
    ],
)
def test_what_concerns_a_sidecar(
    small_mesh: Callable[[str], Any], kind: str, name: str, namespace: str, concerns: bool
) -> None:
    """Of two PeerAuthentications for a whole namespace only the older one counts (recorded, oracle push/)."""
    scope = ScopeMemo().of(small_mesh(MESH).push(), _proxy())
    own = frozenset({ConfigKey("ServiceEntry", "own.far.svc.cluster.local", "far")})
    found = relevant(_request(kind, namespace, name), _proxy(), ROOT, (scope,), own)
    assert (found is not None) == concerns


def test_what_a_sidecar_saw_before_still_concerns_it(small_mesh: Callable[[str], Any]) -> None:
    mesh = small_mesh(MESH)
    before = ScopeMemo().of(mesh.push(), _proxy())
    mesh.remove("DestinationRule", "shop", "rule")
    now = ScopeMemo().of(mesh.push(), _proxy())
    request = _request("DestinationRule", "shop", "rule")
    assert relevant(request, _proxy(), ROOT, (now,), frozenset()) is None
    assert relevant(request, _proxy(), ROOT, (now, before), frozenset()) is not None


def test_a_router_ignores_sidecars_and_services_it_does_not_see(small_mesh: Callable[[str], Any]) -> None:
    router = _proxy(ProxyType.ROUTER)
    scopes = (ScopeMemo().of(small_mesh(MESH).push(), router),)
    assert relevant(_request("Sidecar"), router, ROOT, scopes, frozenset()) is None
    assert relevant(_request("ServiceEntry", name="far"), router, ROOT, scopes, frozenset()) is None
    seen = _request("ServiceEntry", name="cart.shop.svc.cluster.local")
    assert relevant(seen, router, ROOT, scopes, frozenset()) is not None
    assert relevant(_request("VirtualService", name="any"), router, ROOT, scopes, frozenset()) is not None


def test_only_what_concerns_a_proxy_is_left_of_a_request(small_mesh: Callable[[str], Any]) -> None:
    scope = ScopeMemo().of(small_mesh(MESH).push(), _proxy())
    request = _request("VirtualService", "shop", "seen")
    request.merge(_request("VirtualService", "far", "unseen"))
    found = relevant(request, _proxy(), ROOT, (scope,), frozenset())
    assert found is not None
    assert list(found.keys) == [ConfigKey("VirtualService", "seen", "shop")]
    assert relevant(PushRequest(forced=True), _proxy(), ROOT, (scope,), frozenset()) is not None


def test_scopes_are_shared_by_the_proxies_of_a_namespace(small_mesh: Callable[[str], Any]) -> None:
    push, memo = small_mesh(MESH).push(), ScopeMemo()
    assert memo.of(push, _proxy()) is memo.of(push, _proxy())
    assert memo.of(push, _proxy()) is not memo.of(push, _proxy(namespace="far"))
