from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from meshsim.api import ApiObject, ObjectStore, make_object
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import VirtualService
from meshsim.controlplane.virtual_services import (
    ROUTE_SEMANTICS_ANNOTATION,
    RouteSemantics,
    resolve_virtual_services,
    route_semantics,
)

MESH = build_mesh_config()


def item(name: str, spec: str, created: str = "2026-01-01T00:00:00Z", **metadata: Any) -> ApiObject:
    return make_object(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created, **metadata},
            "spec": yaml.safe_load(spec),
        }
    )


def resolve(*items: ApiObject, previous: Sequence[VirtualService] = ()) -> tuple[VirtualService, ...]:
    return resolve_virtual_services(ObjectStore(items), MESH, (), previous)


def test_names_without_a_dot_are_completed() -> None:
    (found,) = resolve(
        item(
            "a",
            "{hosts: [web, web.com], gateways: [gw, mesh], http: [{match: [{gateways: [gw]}],"
            " route: [{destination: {host: web}}], mirror: {host: m}, mirrors: [{destination: {host: n}}]}],"
            " tcp: [{route: [{destination: {host: db}}]}]}",
        )
    )
    assert found.hosts == ("web.shop.svc.cluster.local", "web.com")
    assert found.gateways == ("shop/gw", "mesh")
    (http,) = found.spec.items("http")
    assert http.items("match")[0].texts("gateways") == ("shop/gw",)
    assert http.items("route")[0].fields("destination").text("host") == "web.shop.svc.cluster.local"
    assert http.fields("mirror").text("host") == "m.shop.svc.cluster.local"
    assert http.items("mirrors")[0].fields("destination").text("host") == "n.shop.svc.cluster.local"
    assert found.spec.items("tcp")[0].items("route")[0].fields("destination").text("host") == (
        "db.shop.svc.cluster.local"
    )


def test_without_gateways_it_is_for_the_mesh_and_for_everybody() -> None:
    (found,) = resolve(item("a", "{hosts: [web]}"))
    assert found.gateways == ("mesh",)
    assert found.export_to == {"*"}


def test_the_oldest_leads_then_the_name() -> None:
    found = resolve(
        item("c", "{hosts: [web]}", "2026-01-01T00:00:01Z"),
        item("b", "{hosts: [web]}", "2026-01-01T00:00:01Z"),
        item("z", "{hosts: [web]}", "2026-01-01T00:00:00Z"),
    )
    assert [one.name for one in found] == ["z", "b", "c"]


ROOT = "{hosts: [web], http: [{match: [{uri: {prefix: /a}}], delegate: {name: leaf}}, {delegate: {name: none}}]}"


def test_delegates_are_merged_in_and_are_none_of_their_own() -> None:
    (found,) = resolve(item("root", ROOT), item("leaf", "{http: [{route: [{destination: {host: web}}]}]}"))
    (http,) = found.spec.items("http")
    assert http.items("match")[0].fields("uri").text("prefix") == "/a"
    assert [one.name for one in found.delegates] == ["leaf"]


def test_a_delegate_that_is_not_exported_is_left_out() -> None:
    (found,) = resolve(item("root", ROOT), item("leaf", "{exportTo: [other], http: [{route: []}]}"))
    assert found.spec.items("http") == ()
    assert found.delegates == ()


def test_what_is_made_of_the_same_objects_stays_itself() -> None:
    root, leaf = item("root", ROOT), item("leaf", "{http: [{timeout: 1s}]}")
    plain, changed = item("plain", "{hosts: [a]}"), item("changed", "{hosts: [b]}")
    before = resolve(root, leaf, plain, changed)
    after = resolve(root, leaf, plain, item("changed", "{hosts: [c]}"), previous=before)
    known = {one.name: one for one in before}
    assert {one.name: one is known[one.name] for one in after} == {"root": True, "plain": True, "changed": False}
    other = resolve(root, item("leaf", "{http: [{timeout: 2s}]}"), plain, previous=before)
    assert {one.name: one is known[one.name] for one in other} == {"root": False, "plain": True}
    assert other[-1].spec.items("http")[0].text("timeout") == "2s"


def test_semantics_come_from_the_annotation() -> None:
    made = item("a", "{hosts: [web]}", annotations={ROUTE_SEMANTICS_ANNOTATION: "gateway"})
    assert route_semantics(made) is RouteSemantics.GATEWAY
    (found,) = resolve(made)
    assert found.gateway_semantics
    # Names of the Gateway API are full already.
    assert found.hosts == ("web",)
    assert route_semantics(item("a", "{hosts: [web]}")) is RouteSemantics.ISTIO
