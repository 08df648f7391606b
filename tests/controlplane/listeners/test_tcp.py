from __future__ import annotations

from typing import Any

import pytest


def _proxy(small_mesh: Any, look: Any, rule: str = "", tcp: str = "", mesh: str = "") -> Any:
    objects = [look.service("db", "10.96.0.3", "tcp:5432")]
    if rule:
        objects.append(look.istio("DestinationRule", f"{{host: db, {rule}}}"))
    if tcp:
        objects.append(look.istio("VirtualService", f"{{hosts: [db], tcp: [{{route: [{tcp}]}}]}}"))
    listeners = look.lds(small_mesh(look.client(*objects), mesh), "shop/client-0")
    return listeners["10.96.0.3_5432"]["filter_chains"][0]["filters"][-1]["typed_config"]


def test_weighted_destinations_leave_out_those_without_weight(small_mesh: Any, look: Any) -> None:
    found = _proxy(
        small_mesh,
        look,
        tcp="{destination: {host: db, subset: a}, weight: 3}, {destination: {host: db}, weight: 0},"
        "{destination: {host: db, subset: b}, weight: 1}",
    )
    assert found["stat_prefix"] == "x.shop"
    assert [(c["name"].split("|")[2], c["weight"]) for c in found["weighted_clusters"]["clusters"]] == [
        ("a", 3),
        ("b", 1),
    ]


def test_timeouts_of_the_connection_pool(small_mesh: Any, look: Any) -> None:
    pool = "trafficPolicy: {connectionPool: {tcp: {idleTimeout: 7s, maxConnectionDuration: 1h}}}"
    found = _proxy(small_mesh, look, rule=pool)
    assert (found["idle_timeout"], found["max_downstream_connection_duration"]) == ("7s", "3600s")


@pytest.mark.parametrize(("subset_balancer", "hashed"), [("", True), ("loadBalancer: {simple: RANDOM}", False)])
def test_source_address_hashing_unless_the_subset_balances_otherwise(
    small_mesh: Any, look: Any, subset_balancer: str, hashed: bool
) -> None:
    rule = (
        "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}},"
        f"subsets: [{{name: a, labels: {{v: a}}, trafficPolicy: {{{subset_balancer}}}}}]"
    )
    found = _proxy(small_mesh, look, rule=rule, tcp="{destination: {host: db, subset: a}}")
    assert ("hash_policy" in found) is hashed


def test_a_tunnel_belongs_to_the_level_that_is_routed_to(small_mesh: Any, look: Any) -> None:
    tunnel = "tunnel: {protocol: POST, targetHost: far.example.com, targetPort: 443}"
    rule = f"trafficPolicy: {{{tunnel}}}, subsets: [{{name: a, labels: {{v: a}}}}]"
    assert _proxy(small_mesh, look, rule=rule)["tunneling_config"] == {
        "hostname": "far.example.com:443",
        "use_post": True,
    }
    assert "tunneling_config" not in _proxy(small_mesh, look, rule=rule, tcp="{destination: {host: db, subset: a}}")


def test_statistics_by_the_meshs_pattern(small_mesh: Any, look: Any) -> None:
    found = _proxy(small_mesh, look, mesh="outboundClusterStatName: '%SERVICE%_%SERVICE_PORT%'")
    assert found["stat_prefix"] == "db.shop_5432"
    assert found["cluster"] == "outbound|5432||db.shop.svc.cluster.local"


def test_mongo_is_counted_before_it_is_forwarded(small_mesh: Any, look: Any) -> None:
    mesh = small_mesh(look.client(look.service("db", "10.96.0.3", "mongo:27017")))
    chain = look.lds(mesh, "shop/client-0")["10.96.0.3_27017"]["filter_chains"][0]
    assert look.filters(chain) == ["mongo_proxy", "tcp_proxy"]


def test_policies_of_the_workload_guard_the_way_to_hosts_that_are_resolved_by_sni(small_mesh: Any, look: Any) -> None:
    """Recorded (oracle push/, world se-resolutions): an AuthorizationPolicy changes 0.0.0.0_443 and no other listener
    on the way out."""
    entry = (
        "{hosts: ['*.dyn.example.org'], resolution: DYNAMIC_DNS, location: MESH_EXTERNAL,"
        "ports: [{name: tls, number: 443, protocol: TLS}]}"
    )
    other = "{hosts: [rr.example.org], resolution: DNS, ports: [{name: tls, number: 443, protocol: TLS}]}"
    policy = "{action: DENY, rules: [{to: [{operation: {ports: ['99']}}]}]}"
    objects = [look.istio("ServiceEntry", entry), look.istio("ServiceEntry", other, name="other")]
    mesh = small_mesh(look.client(*objects))
    before = look.lds(mesh, "shop/client-0")["0.0.0.0_443"]
    mesh.put(look.istio("AuthorizationPolicy", policy, group="security.istio.io/v1"))
    chains = look.lds(mesh, "shop/client-0")["0.0.0.0_443"]["filter_chains"]
    by_host = {chain["filter_chain_match"]["server_names"][0]: look.filters(chain) for chain in chains}
    assert [name.rpartition(".")[2] for name in by_host["*.dyn.example.org"]] == [
        "rbac",
        "sni_dynamic_forward_proxy",
        "tcp_proxy",
    ]
    assert by_host["rr.example.org"] == ["tcp_proxy"]
    assert all("rbac" not in look.filters(chain) for chain in before["filter_chains"])
