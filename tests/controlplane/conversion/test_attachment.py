from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.conversion.attachment import attach
from meshsim.controlplane.conversion.listeners import convert_gateways

TEXT = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: all, port: 80, protocol: HTTP}
  - {name: wild, port: 80, protocol: HTTP, hostname: '*.a.com'}
  - {name: one, port: 80, protocol: HTTP, hostname: x.a.com}
  - {name: open, port: 81, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {%s}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: foreign, namespace: shop}
spec: {gatewayClassName: somebody}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, namespace: shop}
spec: {hosts: [b.com, c.com]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: %s}
spec: {hostnames: [%s], parentRefs: [%s]}
"""


@pytest.fixture
def attached(inputs: Callable[[str], Any]) -> Callable[..., Any]:
    """Attachments of one HTTPRoute, and the messages of refusals."""

    def make(parent: str, hostnames: str = "", namespace: str = "shop", labels: str = "") -> Any:
        made = inputs(TEXT % (labels, namespace, hostnames, parent))
        found = attach(made, convert_gateways(made), made.objects.select("HTTPRoute")[0])
        return found, [problem.message for problem in made.problems]

    return make


def sections(found: Any) -> list[str]:
    return [item.gateway.rpartition("~")[2] for item in found]


@pytest.mark.parametrize(
    ("parent", "want"),
    [
        ("{name: gw}", ["all", "one", "open", "wild"]),
        ("{name: gw, sectionName: wild}", ["wild"]),
        ("{name: gw, port: 81}", ["open"]),
        ("{name: gw, port: 80, sectionName: open}", []),
        ("{name: none}", []),
    ],
)
def test_listeners_by_name_and_port(attached: Callable[..., Any], parent: str, want: list[str]) -> None:
    assert sections(attached(parent)[0]) == want


def test_hostnames_must_overlap(attached: Callable[..., Any]) -> None:
    found, refusals = attached("{name: gw, port: 80}", "b.com")
    assert sections(found) == ["all"]
    assert refusals == [], "one listener that takes the route is enough for its parent"
    found, refusals = attached("{name: gw, sectionName: one}", "b.com")
    assert found == []
    assert [message for message in refusals if "no hostnames matched" in message and "sectionName" not in message]


def test_another_namespace_must_be_allowed(attached: Callable[..., Any]) -> None:
    found, refusals = attached("{name: gw, namespace: shop}", namespace="other")
    assert sections(found) == ["open"]
    assert all("not allowed" in message for message in refusals)


@pytest.mark.parametrize(("host", "section"), [("x.a.com", "one"), ("y.a.com", "wild"), ("b.com", "all")])
def test_a_host_belongs_to_the_most_specific_listener(attached: Callable[..., Any], host: str, section: str) -> None:
    found, _ = attached("{name: gw, port: 80}", host)
    assert sections([item for item in found if item.takes(host)]) == [section]


def test_services_are_parents_in_the_mesh(attached: Callable[..., Any]) -> None:
    (found,), _ = attached("{kind: Service, group: '', name: web}")
    assert found.is_mesh
    assert found.mesh_hosts == ("web.shop.svc.cluster.local",)
    (entry,), _ = attached("{kind: ServiceEntry, group: networking.istio.io, name: out}")
    assert entry.mesh_hosts == ("b.com", "c.com")
    assert attached("{kind: Service, group: '', name: none}") == ([], ["parent Service shop/none not found"])


def test_routes_of_a_service_behind_a_foreign_waypoint_are_not_ours(attached: Callable[..., Any]) -> None:
    parent = "{kind: Service, group: '', name: web}"
    assert attached(parent, labels="istio.io/use-waypoint: foreign")[0] == []
    assert len(attached(parent, labels="istio.io/use-waypoint: none")[0]) == 1
