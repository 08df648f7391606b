from __future__ import annotations

from typing import Any

from meshsim.controlplane.model import Service
from meshsim.controlplane.routes.groups import GroupBuilder, HostGroups
from meshsim.controlplane.routes.selection import services_of_port
from meshsim.controlplane.routes.sharing import RouteSharing

MORE = """
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.96.0.2, selector: {app: api}, ports: [{name: http, port: 80}, {name: http-b, port: 90}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.3, selector: {app: db}, ports: [{name: tcp-x, port: 80}]}
"""


def _virtual_service(name: str, hosts: str, timeout: str = "1s") -> str:
    return (
        f"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: {name}, namespace: shop}},"
        f" spec: {{hosts: {hosts}, http: [{{timeout: {timeout}, route: [{{destination: {{host: web}}}}]}}]}}}}"
    )


def _groups(mesh: Any, before: HostGroups | None = None, port: int = 80) -> HostGroups:
    push = mesh.push()
    scope = push.scope(mesh.proxy("shop", "client-0"))
    (listener,) = scope.egress_listeners
    services = services_of_port(listener.services, port, push.cache)
    sharing = RouteSharing(push.mesh, push.cache)
    return GroupBuilder(sharing, scope, {}, True, listener, services, port).build(before)


def _wanted(groups: HostGroups) -> list[str]:
    return [item.about.name if isinstance(item.about, Service) else item.about for item in groups.wanted]


def test_http_services_have_a_host_each(shop: Any) -> None:
    shop.put(MORE)
    assert sorted(_wanted(_groups(shop))) == ["api", "web"]
    assert _wanted(_groups(shop, port=90)) == ["api"]


def test_hosts_of_a_virtual_service_share_its_routes_and_come_first(shop: Any) -> None:
    shop.put(MORE)
    shop.put(_virtual_service("v", "[web, other.example.com]"))
    groups = _groups(shop)
    assert _wanted(groups) == ["other.example.com", "web", "api"]
    assert groups.routes[0] is groups.routes[1]
    assert groups.routes[2] is not groups.routes[1]


def test_what_a_change_does_not_touch_stays(shop: Any) -> None:
    shop.put(MORE)
    shop.put(_virtual_service("v", "[web]"))
    shop.put(_virtual_service("w", "[other.example.com]"))
    before = _groups(shop)
    shop.put(_virtual_service("v", "[web]", "2s"))
    after = _groups(shop, before)
    assert after.of_services == before.of_services
    same = [item for item in after.of_routes if item in before.of_routes]
    assert [item.name for item in same] == ["w"]
    assert all(after.of_routes[item] is before.of_routes[item] for item in same)
    assert _wanted(after) == _wanted(before)
    assert after.routes != before.routes


def test_a_wildcard_gives_way_to_a_new_exact_host(shop: Any) -> None:
    shop.put(MORE)
    shop.put(_virtual_service("wild", "['*.svc.cluster.local']"))
    before = _groups(shop)
    assert sorted(_wanted(before)) == ["api", "web"]
    shop.put(_virtual_service("v", "[web]", "2s"))
    after, anew = _groups(shop, before), _groups(shop)
    assert (after.wanted, after.routes) == (anew.wanted, anew.routes)
