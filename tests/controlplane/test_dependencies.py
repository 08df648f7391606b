"""Which change regenerates which type for whom: the skip sets of istio pilot/pkg/xds, release 1.31."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.dependencies import Extent, Scope, extents, relevant
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


def test_endpoints_with_a_virtual_service_are_sent_in_full() -> None:
    request = _request("DestinationRule")
    request.merge(_request("VirtualService"))
    assert extents(request, _proxy(), ROOT)[next(t for t, s in SHORT.items() if s == "eds")] is Extent.FULL


def test_forced_regenerates_everything() -> None:
    assert set(_types(PushRequest(forced=True), _proxy()).values()) == {"full"}


SCOPE = Scope(
    frozenset({"cart.shop.svc.cluster.local"}),
    frozenset({ConfigKey("VirtualService", "seen", "shop")}),
    frozenset({"shop"}),
)


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "concerns"),
    [
        ("VirtualService", "seen", "shop", True),
        ("VirtualService", "unseen", "shop", False),
        ("Endpoints", "cart.shop.svc.cluster.local", "shop", True),
        ("Endpoints", "other.far.svc.cluster.local", "far", False),
        ("Endpoints", "own.far.svc.cluster.local", "far", True),
        ("AuthorizationPolicy", "x", "shop", True),
        ("AuthorizationPolicy", "x", ROOT, True),
        ("AuthorizationPolicy", "x", "far", False),
        ("Gateway", "x", "shop", False),
        ("PeerAuthentication", "x", "shop", True),
        ("PeerAuthentication", "x", "far", False),
        ("PeerAuthentication", "x", ROOT, True),
    ],
)
def test_what_concerns_a_sidecar(kind: str, name: str, namespace: str, concerns: bool) -> None:
    own = frozenset({"own.far.svc.cluster.local"})
    found = relevant(_request(kind, namespace, name), _proxy(), ROOT, (SCOPE,), own)
    assert (found is not None) == concerns


def test_a_router_ignores_sidecars_and_services_it_does_not_see() -> None:
    router = _proxy(ProxyType.ROUTER)
    assert relevant(_request("Sidecar"), router, ROOT, (SCOPE,), frozenset()) is None
    assert relevant(_request("ServiceEntry", name="far"), router, ROOT, (SCOPE,), frozenset()) is None
    assert relevant(_request("VirtualService", name="any"), router, ROOT, (SCOPE,), frozenset()) is not None
