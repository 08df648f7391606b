"""TCP proxies and network filters."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from xds_bodies import listener, static_cluster, tcp_chain

from meshsim.dataplane.decide import (
    Connection,
    Decision,
    Disposition,
    ExternalAnswer,
    Protocol,
    Surroundings,
    Transport,
    decide_direct,
    outcomes,
)

NETWORK = "type.googleapis.com/envoy.extensions.filters.network."
CLIENT = Connection(source="10.0.0.9", destination="10.0.0.1", destination_port=80, protocol=Protocol.TCP)
CLUSTERS = (static_cluster("c", "10.0.0.5"), static_cluster("d", "10.0.0.6"), static_cluster("empty"))


def decide(build: Any, chain: dict[str, Any], connection: Connection = CLIENT, **given: Any) -> Decision:
    return decide_direct(build((listener([chain]),), CLUSTERS), connection, None, **given)


def with_filter(kind: str, **fields: Any) -> dict[str, Any]:
    chain = tcp_chain("t", "c")
    return {
        **chain,
        "filters": [{"name": "f", "typed_config": {"@type": f"{NETWORK}{kind}", **fields}}, *chain["filters"]],
    }


def test_outcomes_of_a_connection(build: Any) -> None:
    assert decide(build, tcp_chain("t", "c")).disposition is Disposition.FORWARDED
    for cluster, flag in (("nowhere", "NC"), ("empty", "UH")):
        found = decide(build, tcp_chain("t", cluster))
        assert (found.disposition, found.flag_text, found.status) == (Disposition.CLOSED, flag, 0)


def test_network_rbac_closes(build: Any) -> None:
    principal = {"direct_remote_ip": {"address_prefix": "10.0.0.9", "prefix_len": 32}}
    rules = {"action": "DENY", "policies": {"me": {"permissions": [{"any": True}], "principals": [principal]}}}
    chain = with_filter("rbac.v3.RBAC", stat_prefix="x", rules=rules)
    found = decide(build, chain)
    assert (found.disposition, found.details, found.cluster) == (
        Disposition.CLOSED,
        "rbac_access_denied_matched_policy[me]",
        "c",
    )
    assert decide(build, chain, replace(CLIENT, source="10.0.0.8")).disposition is Disposition.FORWARDED


def test_network_authorization(build: Any) -> None:
    chain = with_filter(
        "ext_authz.v3.ExtAuthz", stat_prefix="x", grpc_service={"envoy_grpc": {"cluster_name": "authz"}}
    )
    assert decide(build, chain).disposition is Disposition.FORWARDED
    refuses = Surroundings(authorize=lambda cluster: ExternalAnswer(False))
    assert decide(build, chain, surroundings=refuses).flag_text == "UAEX"


def test_weights(build: Any) -> None:
    chain = tcp_chain("t")
    weighted = {"clusters": [{"name": "c", "weight": 30}, {"name": "d", "weight": 70}]}
    chain["filters"][0]["typed_config"] = {
        "@type": f"{NETWORK}tcp_proxy.v3.TcpProxy",
        "stat_prefix": "x",
        "weighted_clusters": weighted,
    }
    config = build((listener([chain]),), CLUSTERS)
    whole = decide_direct(config, CLIENT, None)
    assert [(u.name, u.weight) for u in whole.upstreams] == [("c", 30), ("d", 70)]
    drawn = {d.cluster: p for p, d in outcomes(decide_direct, config, CLIENT, None, resolve=True)}
    assert drawn == {"c": Fraction(3, 10), "d": Fraction(7, 10)}


def test_a_connection_to_the_host_of_its_server_name(build: Any) -> None:
    """The port of the filter, not of the connection (recorded of Envoy 1.40: world se-resolutions, call 09)."""
    forward = {
        "name": "any",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
            },
        },
    }
    named = with_filter("sni_dynamic_forward_proxy.v3.FilterConfig", port_value=8443, dns_cache_config={"name": "dns"})
    named["filters"][-1]["typed_config"]["cluster"] = "any"
    inspector = {
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        },
    }
    config = build((listener([named], listener_filters=[inspector]),), (forward,))
    client = replace(CLIENT, transport=Transport.TLS, sni="x.example.org")
    destination = decide_direct(config, client, None).upstreams[0].destination
    assert destination is not None
    assert (destination.address, destination.port) == ("x.example.org", 8443)
