"""A subject is made by the filters that ask; what they fill in is seen by rules and trees."""

from __future__ import annotations

from typing import Any

from xds_bodies import HCM, ROUTER, address

from meshsim.dataplane.decide import Connection, Request, decide_direct

RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
NETWORK = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3."
ACTION = "type.googleapis.com/envoy.config.rbac.v3.Action"


def allowed(build: Any, source: str, text: str, connection: Connection, **manager: Any) -> bool:
    """Whether the input has this text, asked by a tree that allows it alone."""
    action = {"name": "a", "typed_config": {"@type": ACTION, "name": "yes"}}
    keyed = {"input": {"name": "i", "typed_config": {"@type": f"{NETWORK}{source}"}}}
    tree = {"matcher_tree": {**keyed, "exact_match_map": {"map": {text: {"action": action}}}}}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    config = {
        "@type": HCM,
        "stat_prefix": "x",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "rbac", "typed_config": {"@type": RBAC, "matcher": tree}},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}},
        ],
        **manager,
    }
    chain = {"filters": [{"name": "hcm", "typed_config": config}]}
    listener = {"name": "l", "address": address("0.0.0.0", 80), "filter_chains": [chain]}
    request = Request(authority="h", headers=(("x-forwarded-for", "203.0.113.9"),))
    return decide_direct(build((listener,)), connection, request).status == 200


def test_both_ends_of_the_connection_and_the_client_behind_it(build: Any) -> None:
    client = Connection(source="10.0.0.9", source_port=40123, destination="10.0.0.1", destination_port=80)
    for source, text in (
        ("DestinationIPInput", "10.0.0.1"),
        ("DestinationPortInput", "80"),
        ("SourcePortInput", "40123"),
        ("DirectSourceIPInput", "10.0.0.9"),
        ("SourceIPInput", "203.0.113.9"),
    ):
        assert allowed(build, source, text, client), source
        assert not allowed(build, source, "else", client), source
