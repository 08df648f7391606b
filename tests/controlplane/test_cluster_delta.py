"""What partial pushes of clusters and assignments hold (istio cluster.go BuildDeltaClusters, eds.go buildEndpoints)."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from meshsim.controlplane.changes import ConfigKey, PushRequest
from meshsim.controlplane.cluster_delta import AssignmentFilter, ClusterDelta, cluster_delta
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.push_context import PushContext
from meshsim.controlplane.sidecar_scope import SidecarScope

A, B, C = "a.shop.svc.cluster.local", "b.shop.svc.cluster.local", "c.far.svc.cluster.local"
MESH = """
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: shop}
spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: c, namespace: far}
spec: {clusterIP: 10.96.0.3, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-0, namespace: shop, labels: {app: client}}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {podIP: 10.244.0.9}
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: RULE, namespace: shop}
spec: {host: 'HOST', subsets: [{name: v1, labels: {version: v1}}]}
"""


class Proxied:
    """One proxy and what it sees after each change."""

    def __init__(self, mesh: Any) -> None:
        self._mesh = mesh
        self.proxy = mesh.proxy("shop", "client-0")
        self.push: PushContext = mesh.push()

    def put(self, text: str) -> SidecarScope:
        self._mesh.put(text)
        return self.see()

    def remove(self, kind: str, namespace: str, name: str) -> SidecarScope:
        self._mesh.remove(kind, namespace, name)
        return self.see()

    def see(self) -> SidecarScope:
        self.push = self._mesh.push()
        return self.push.scope(self.proxy)


@pytest.fixture
def proxied(small_mesh: Callable[[str], Any]) -> Proxied:
    return Proxied(small_mesh(MESH))


def _rule(host: str, name: str = "rule") -> str:
    return RULE.replace("RULE", name).replace("HOST", host)


def _delta(
    key: tuple[str, str, str], watched: list[str], scope: SidecarScope, before: SidecarScope | None
) -> ClusterDelta:
    return cluster_delta([ConfigKey(*key)], watched, scope, before)


def test_a_service_builds_its_clusters_and_drops_those_of_ports_that_are_gone(proxied: Proxied) -> None:
    watched = ["inbound|8080||", f"outbound|80||{A}", f"outbound|90||{A}", f"outbound|90||{B}", "PassthroughCluster"]
    delta = _delta(("ServiceEntry", A, "shop"), watched, proxied.see(), None)
    assert delta.hosts == {A}
    assert delta.candidates == {"inbound|8080||", f"outbound|90||{A}"}


def test_of_a_port_with_subsets_one_cluster_goes_at_a_time(proxied: Proxied) -> None:
    watched = [f"outbound|90||{A}", f"outbound|90|v1|{A}"]
    delta = _delta(("ServiceEntry", A, "shop"), watched, proxied.see(), None)
    assert delta.candidates == {f"outbound|90|v1|{A}"}


def test_a_service_that_is_gone_takes_all_its_clusters(proxied: Proxied) -> None:
    watched = [f"outbound|80||{A}", f"outbound|80|v1|{A}", f"outbound|80||{B}"]
    scope = proxied.remove("Service", "shop", "a")
    delta = _delta(("ServiceEntry", A, "shop"), watched, scope, None)
    assert delta.hosts == frozenset()
    assert delta.candidates == {f"outbound|80||{A}", f"outbound|80|v1|{A}"}


def test_a_rule_rebuilds_what_it_is_for_and_was_for(proxied: Proxied) -> None:
    watched = [f"outbound|80||{A}", f"outbound|80|v1|{A}", f"outbound|80|v1|{B}"]
    key = ("DestinationRule", "rule", "shop")
    none = proxied.see()
    assert _delta(key, watched, none, None) == ClusterDelta(frozenset(), frozenset()), "nobody knows it"
    first = proxied.put(_rule("a"))
    assert _delta(key, watched, first, none) == ClusterDelta(frozenset({A}), frozenset({f"outbound|80|v1|{A}"}))
    moved = proxied.put(_rule("b"))
    assert _delta(key, watched, moved, first).hosts == {A, B}
    wild = proxied.put(_rule("*.svc.cluster.local"))
    assert _delta(key, watched, wild, None).hosts == {A, B, C}
    gone = proxied.remove("DestinationRule", "shop", "rule")
    assert _delta(key, watched, gone, moved).hosts == {B}


def test_a_peer_authentication_rebuilds_the_services_of_its_namespace(proxied: Proxied) -> None:
    assert _delta(("PeerAuthentication", "x", "shop"), [], proxied.see(), None).hosts == {A, B}


def test_a_sidecar_or_virtual_service_changes_clusters_only_with_what_is_seen(proxied: Proxied) -> None:
    watched = [f"outbound|80||{A}", f"outbound|80||{C}"]
    before = proxied.see()
    sidecar = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s, namespace: shop}
spec: {egress: [{hosts: [./*]}]}
"""
    narrow = proxied.put(sidecar)
    assert _delta(("Sidecar", "s", "shop"), watched, narrow, before) == ClusterDelta(
        frozenset(), frozenset({f"outbound|80||{C}"})
    )
    assert _delta(("Sidecar", "s", "shop"), watched, before, narrow).hosts == {C}
    assert _delta(("VirtualService", "v", "shop"), watched, before, before) == ClusterDelta(frozenset(), frozenset())


def _filter(proxied: Proxied, before: SidecarScope | None, *keys: tuple[str, str, str]) -> AssignmentFilter:
    request = PushRequest({ConfigKey(*key): None for key in keys})
    return AssignmentFilter(request, proxied.proxy, proxied.see(), before)


def test_assignments_of_the_services_named(proxied: Proxied) -> None:
    chosen = _filter(proxied, None, ("Endpoints", A, "shop"), ("ServiceEntry", B, "shop"))
    assert [chosen.takes(f"outbound|80|v1|{host}") for host in (A, B, C)] == [True, True, False]


def test_the_names_chosen_are_those_taken(proxied: Proxied) -> None:
    names = [f"outbound|80||{A}", f"outbound|80|v1|{B}", f"outbound|80||x.{A}", f"outbound_.80_._.{A}", "other"]
    for key in (("Endpoints", A, "shop"), ("ServiceEntry", B, "shop"), ("DestinationRule", "r", "shop")):
        chosen = _filter(proxied, None, key)
        assert chosen.choose(names, proxied.push) == tuple(name for name in names if chosen.takes(name))
    assert _filter(proxied, None, ("Endpoints", A, "shop")).choose(names, proxied.push) == (names[0], names[3])


def test_assignments_under_a_rule_now_or_before(proxied: Proxied) -> None:
    key = ("DestinationRule", "rule", "shop")
    first = proxied.put(_rule("a"))
    assert [_filter(proxied, None, key).takes(f"outbound|80||{host}") for host in (A, B, C)] == [True, False, False]
    proxied.put(_rule("b"))
    assert [_filter(proxied, first, key).takes(f"outbound|80||{host}") for host in (A, B, C)] == [True, True, False]


def test_assignments_of_a_namespace_whose_peer_authentication_changed(proxied: Proxied) -> None:
    chosen = _filter(proxied, None, ("PeerAuthentication", "x", "far"))
    assert [chosen.takes(f"outbound|80||{host}") for host in (A, B, C)] == [False, False, True]


def test_an_assignment_without_a_service_comes_with_any_policy(proxied: Proxied) -> None:
    lost = "outbound|80||lost.shop.svc.cluster.local"
    assert not _filter(proxied, None, ("Endpoints", A, "shop")).takes(lost)
    assert _filter(proxied, None, ("PeerAuthentication", "x", "far")).takes(lost)


def test_what_is_chosen_for_one_proxy_is_not_taken_for_that_of_another(proxied: Proxied) -> None:
    """The same names and changes: a rule for some workloads, another scope before, another change."""
    names = [f"outbound|80||{host}" for host in (A, B, C)]
    bare = proxied.see()
    proxied.put(_rule("a").replace("spec: {", "spec: {workloadSelector: {matchLabels: {role: x}}, "))
    proxied.put(_rule("b", "other"))
    scope = proxied.see()

    def choose(proxy: Proxy, before: SidecarScope | None, rule: str) -> tuple[str, ...]:
        request = PushRequest({ConfigKey("DestinationRule", rule, "shop"): None})
        return AssignmentFilter(request, proxy, scope, before).choose(names, proxied.push)

    selected = replace(proxied.proxy, labels={**proxied.proxy.labels, "role": "x"})
    for _ in range(2):
        assert choose(proxied.proxy, None, "rule") == ()
        assert choose(selected, None, "rule") == (names[0],)
        assert choose(selected, bare, "rule") == (names[0],)
        assert choose(selected, None, "other") == (names[1],)
    assert choose(selected, None, "rule") is choose(replace(selected), None, "rule")


def test_what_was_chosen_goes_with_the_reading_it_was_chosen_from(small_mesh: Callable[[str], Any]) -> None:
    proxied = Proxied(small_mesh(MESH + "---" + RULE.replace("RULE", "rule").replace("HOST", "a")))
    chosen = _filter(proxied, None, ("DestinationRule", "rule", "shop"))
    assert chosen.choose([f"outbound|80||{A}"], proxied.push) == (f"outbound|80||{A}",)
    held = weakref.ref(chosen)
    del chosen
    assert held() is not None, "the next proxy of the push takes what was chosen"
    del proxied
    gc.collect()
    assert held() is None
