"""Activation, warming, partial application and NACK reasons against what was measured on Envoy 1.40."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from xds_bodies import FILTERS, HCM, TCP, encode

from meshsim.dataplane.active import ActiveConfig, ProxyConfig, load_config
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.testing import ads_resources as resources
from meshsim.units import SECOND
from meshsim.world.verify.call_worlds import TYPES
from meshsim.world.verify.folder import read_proxy
from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient
from meshsim.xds.client import Applied
from meshsim.xds.messages import base_pb2, cluster_pb2, discovery_pb2
from meshsim.xds.packing import from_json

CDS, EDS, LDS, RDS = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE
ADS = {"ads": {}, "resource_api_version": "V3"}


def eds_cluster(name: str, timeout: str = "1s") -> bytes:
    body = {"name": name, "type": "EDS", "connect_timeout": timeout, "eds_cluster_config": {"eds_config": ADS}}
    return encode(CDS, body)


def assignment(name: str, *addresses: str) -> bytes:
    endpoints = [{"endpoint": {"address": {"socket_address": {"address": a, "port_value": 80}}}} for a in addresses]
    return encode(EDS, {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]})


def rds_listener(name: str, port: int, table: str, **more: Any) -> bytes:
    manager = {
        "@type": HCM,
        "stat_prefix": "x",
        "rds": {"route_config_name": table, "config_source": ADS},
        "http_filters": FILTERS,
    }
    return encode(LDS, listener_body(name, port, [{"name": "hcm", "typed_config": manager}], **more))


def listener_body(name: str, port: int, filters: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "filter_chains": [{"filters": filters}],
        **more,
    }


def table(name: str, *domains: str) -> bytes:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    return encode(RDS, {"name": name, "virtual_hosts": [{"name": "v", "domains": domains or ["*"], "routes": routes}]})


def effective(applied: Applied) -> list[tuple[str, str, bool]]:
    return [(type_urls.SHORT[c.type_url], c.name, c.removed) for c in applied.effective]


def test_a_new_cluster_is_used_once_its_endpoints_are_there() -> None:
    state, applied = ActiveConfig(ResourceCache()).apply(CDS, {"a": eds_cluster("a")}, (), "1")
    assert (effective(applied), applied.warming_clusters, applied.wanted[EDS]) == ([], True, ("a",))
    assert not state.clusters
    state, applied = state.apply(EDS, {"a": assignment("a", "10.0.0.1")}, (), "2")
    assert effective(applied) == [("eds", "a", False), ("cds", "a", False)]
    assert applied.effective[1].version == "1", "the cluster takes effect with the version that brought it"
    assert [str(e) for e in state.assignments["a"].endpoints] == ["10.0.0.1:80"]


def test_a_changed_cluster_serves_on_while_the_new_one_warms_even_with_known_endpoints() -> None:
    state, _ = load_config({CDS: {"a": eds_cluster("a")}, EDS: {"a": assignment("a", "10.0.0.1")}})
    before = state.clusters["a"]
    state, applied = state.apply(CDS, {"a": eds_cluster("a", "2s")}, (), "2")
    assert (effective(applied), applied.warming_clusters) == ([], True)
    assert state.clusters["a"] is before
    state, applied = state.apply(EDS, {"a": assignment("a", "10.0.0.1")}, (), "3")
    assert effective(applied) == [("cds", "a", False)], "equal endpoints end the warming and change nothing themselves"
    assert state.clusters["a"].connect_timeout == 2_000_000_000


def test_an_equal_resource_is_not_applied_again() -> None:
    state, _ = load_config({CDS: {"a": eds_cluster("a")}, EDS: {"a": assignment("a", "10.0.0.1")}})
    again, applied = state.apply(CDS, {"a": eds_cluster("a")}, (), "2")
    assert effective(applied) == []
    assert not applied.warming_clusters
    assert again.clusters["a"] is state.clusters["a"]


def test_removals() -> None:
    state, _ = load_config(
        {
            CDS: {"a": eds_cluster("a")},
            EDS: {"a": assignment("a", "10.0.0.1")},
            LDS: {"l": rds_listener("l", 80, "80")},
            RDS: {"80": table("80")},
        }
    )
    kept, applied = state.apply(EDS, {}, ("a",), "2")
    assert (effective(applied), len(kept.assignments["a"].endpoints)) == ([], 1), "endpoints outlive their removal"
    kept, applied = state.apply(RDS, {}, ("80",), "2")
    assert (effective(applied), list(kept.routes)) == ([], ["80"]), "routes outlive their removal"
    gone, applied = state.apply(CDS, {}, ("a",), "2")
    assert effective(applied) == [("cds", "a", True)]
    assert (dict(gone.clusters), dict(gone.assignments), applied.wanted[EDS]) == ({}, {}, ())
    gone, applied = state.apply(LDS, {}, ("l",), "2")
    assert (effective(applied), applied.wanted[RDS]) == ([("lds", "l", True)], ())


def test_a_listener_waits_for_its_routes_and_the_old_one_serves() -> None:
    state, _ = load_config({LDS: {"l": rds_listener("l", 80, "80")}, RDS: {"80": table("80")}})
    old = state.listeners["l"]
    state, applied = state.apply(LDS, {"l": rds_listener("l", 80, "new")}, (), "2")
    assert (effective(applied), applied.wanted[RDS]) == ([], ("80", "new"))
    assert state.listeners["l"] is old
    state, applied = state.apply(RDS, {"new": table("new")}, (), "3")
    assert effective(applied) == [("rds", "new", False), ("lds", "l", False)]


def test_going_back_to_the_active_listener_ends_the_warming() -> None:
    state, _ = load_config({LDS: {"l": rds_listener("l", 80, "80")}, RDS: {"80": table("80")}})
    state, _ = state.apply(LDS, {"l": rds_listener("l", 80, "new")}, (), "2")
    state, applied = state.apply(LDS, {"l": rds_listener("l", 80, "80")}, (), "3")
    assert not state.warming_listeners
    assert applied.wanted[RDS] == ("80",)


def test_good_resources_apply_beside_bad_ones() -> None:
    bad = encode(CDS, {"name": "bad", "type": "EDS"})
    state, applied = ActiveConfig(ResourceCache()).apply(
        CDS, {"bad": bad, "good": encode(CDS, {"name": "good", "type": "STRICT_DNS"})}, (), "1"
    )
    assert effective(applied) == [("cds", "good", False)]
    assert [r.name for r in applied.rejected] == ["bad"]
    assert CDS not in state.versions


NACKS = {
    "bad regex": (RDS, {"match": {"safe_regex": {"regex": "(abc"}}}, "missing ): (abc"),
    "lookahead": (RDS, {"match": {"safe_regex": {"regex": "(?!x)"}}}, "invalid perl operator: (?!"),
    "weights of zero": (
        RDS,
        {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 0}]}}},
        "Sum of weights in the weighted_cluster must be greater than 0.",
    ),
    "no path": (RDS, {"match": {}}, "path_specifier"),
    "separated prefix with slash": (RDS, {"match": {"path_separated_prefix": "/a/"}}, "PathSeparatedPrefix"),
    "long body": (
        RDS,
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x" * 5000}}},
        "response body size is 5000 bytes; maximum is 4096",
    ),
}


@pytest.mark.parametrize("case", NACKS)
def test_reasons_of_refused_routes(case: str) -> None:
    type_url, route, reason = NACKS[case]
    body = {
        "name": "80",
        "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"direct_response": {"status": 200}, **route}]}],
    }
    if "route" in route:
        body["virtual_hosts"][0]["routes"][0].pop("direct_response")  # type: ignore[index]
    with pytest.raises(ResourceRejectedError) as refused:
        ResourceCache().decode(type_url, encode(type_url, body))
    assert reason in refused.value.message


def test_reasons_of_refused_domains() -> None:
    cache = ResourceCache()
    hosts = [{"name": n, "domains": [d]} for n, d in (("a", "x.com"), ("b", "X.com"))]
    with pytest.raises(ResourceRejectedError) as refused:
        cache.decode(RDS, encode(RDS, {"name": "80", "virtual_hosts": hosts}))
    assert refused.value.message == (
        "Only unique values for domains are permitted. Duplicate entry of domain x.com in route 80"
    )
    with pytest.raises(ResourceRejectedError, match="Only a single wildcard domain is permitted in route 80"):
        cache.decode(RDS, encode(RDS, {"name": "80", "virtual_hosts": [{"name": n, "domains": ["*"]} for n in "ab"]}))


def test_what_envoy_takes_although_it_looks_wrong() -> None:
    cache = ResourceCache()
    same_name = [{"name": "v", "domains": [d]} for d in ("a", "*foo*")]
    cache.decode(RDS, encode(RDS, {"name": "80", "virtual_hosts": same_name}))
    weights = {"clusters": [{"name": "a", "weight": 20}, {"name": "b", "weight": 30}]}
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": weights}}
    cache.decode(
        RDS, encode(RDS, {"name": "80", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]})
    )
    state = ActiveConfig(cache)
    _, applied = state.apply(EDS, {"never asked for": assignment("never asked for", "10.0.0.1")}, (), "1")
    assert (effective(applied), applied.rejected) == ([], ())


def test_reasons_of_refused_clusters_and_listeners() -> None:
    refused = {
        CDS: [
            ({"name": "a", "type": "EDS"}, "cannot create an EDS cluster without an EDS config"),
            (
                {"name": "a", "type": "STATIC", "load_assignment": _named_host("a.example")},
                "malformed IP address: a.example.",
            ),
            ({"name": "a", "type": "ORIGINAL_DST"}, "LB policy ROUND_ROBIN is not valid"),
        ],
        LDS: [
            ({"name": "l", "address": listener_body("l", 80, [])["address"]}, "no filter chains specified"),
            (_twin_chains(), "has the same matching rules defined as"),
            (_router_first(), "must be the last filter in a http filter chain."),
        ],
    }
    for type_url, cases in refused.items():
        for body, reason in cases:
            with pytest.raises(ResourceRejectedError) as error:
                ResourceCache().decode(type_url, encode(type_url, body))
            assert reason in error.value.message


def _named_host(name: str) -> dict[str, Any]:
    address = {"socket_address": {"address": name, "port_value": 80}}
    return {"cluster_name": "a", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}


def _twin_chains() -> dict[str, Any]:
    proxy = {"name": "tcp", "typed_config": {"@type": TCP, "stat_prefix": "x", "cluster": "c"}}
    chains = [{"name": n, "filters": [proxy], "filter_chain_match": {"server_names": ["a"]}} for n in "xy"]
    return {**listener_body("l", 80, []), "filter_chains": chains}


def _router_first() -> dict[str, Any]:
    manager = {
        "@type": HCM,
        "stat_prefix": "x",
        "route_config": {"name": "r"},
        "http_filters": [*FILTERS, *FILTERS],
    }
    return listener_body("l", 80, [{"name": "hcm", "typed_config": manager}])


def test_two_listeners_cannot_have_one_address() -> None:
    state, _ = load_config({LDS: {"a": rds_listener("a", 80, "80")}, RDS: {"80": table("80")}})
    state, applied = state.apply(LDS, {"b": rds_listener("b", 80, "80"), "c": rds_listener("c", 81, "80")}, (), "2")
    assert [r.name for r in applied.rejected] == ["b"]
    assert "has duplicate address '0.0.0.0:80' as existing listener" in applied.rejected[0].reason
    assert "c" in state.listeners
    moved, applied = state.apply(LDS, {"b": rds_listener("b", 80, "80")}, ("a",), "3")
    assert not applied.rejected, "removals of a response come first"
    assert "b" in moved.listeners


def test_broken_bytes_are_a_refusal() -> None:
    """Of the whole response, as when a constraint is broken: Envoy decodes every resource before it applies one."""
    state = ActiveConfig(ResourceCache())
    after, applied = state.apply(CDS, {"good": eds_cluster("good"), "l": b"\x0a\xff"}, (), "1")
    assert [r.name for r in applied.rejected] == [""]
    assert after is state
    after, applied = state.apply(CDS, {"good": eds_cluster("good"), "bad": eds_cluster("bad", "-1s")}, (), "1")
    assert [r.reason for r in applied.rejected] == ["Invalid duration: Expected positive duration"]
    assert after is state


def test_a_cluster_goes_on_without_endpoints_and_keeps_those_of_the_one_before() -> None:
    """Measured: tests/conformance/test_envoy_ads.py; Envoy source/extensions/clusters/eds/eds.cc."""
    config = ProxyConfig(ResourceCache())
    applied = config(CDS, {"a": body(impatient("a"))}, (), "1")
    assert [(key, wait.timeout) for key, wait in applied.waits.items()] == [((CDS, "a"), SECOND)]
    applied = config.expire((CDS, "a"))
    assert [change.name for change in applied.effective] == ["a"]
    assert (applied.waits, applied.warming_clusters, applied.rewatched) == ({}, False, False)
    config(EDS, {"a": assignment("a", "10.0.0.1")}, (), "2")
    config(CDS, {"a": body(impatient("a", 2))}, (), "3")
    before = config.active.clusters["a"]
    assert config.expire((CDS, "a")).rewatched
    assert config.active.clusters["a"] is not before
    assert config.active.assignment_of(config.active.clusters["a"]) is not None


def test_a_listener_goes_on_without_its_table() -> None:
    config = ProxyConfig(ResourceCache())
    slow = resources.rds_listener("l", 80, "80", patience=1)
    patient = resources.rds_listener("m", 81, "81")
    applied = config(LDS, {"l": body(slow), "m": body(patient)}, (), "1")
    assert [(key, wait.timeout) for key, wait in applied.waits.items()] == [((RDS, "80"), SECOND)]
    config.expire((RDS, "80"))
    assert not config.active.listeners, "at first all of them or none"
    config(RDS, {"81": table("81")}, (), "2")
    assert sorted(config.active.listeners) == ["l", "m"]
    assert "80" not in config.active.routes
    again = config(LDS, {"n": body(resources.rds_listener("n", 82, "80", patience=1))}, (), "3")
    assert "n" in config.active.listeners, "nothing waits for it again"
    assert not again.waits


def test_workers_start_without_listeners() -> None:
    config = ProxyConfig(ResourceCache())
    config.expire((LDS, ""))
    assert config.active.workers_started


def impatient(name: str, seconds: int = 1) -> cluster_pb2.Cluster:
    return resources.eds_cluster(name, seconds, patience=1)


def body(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


@pytest.mark.needs_shared
def test_with_the_client_it_reaches_the_whole_configuration(oracle: Path) -> None:
    """Recorded resources of a real istiod, asked for and taken in by the client: none refused, none left warming."""
    recorded = read_proxy(oracle, "xds", "app-bookinfo", "book/productpage-0")
    bodies = {
        type_url: {r[name]: from_json(r, cls).SerializeToString() for r in recorded.resources[kind]}
        for kind, (type_url, cls, name) in TYPES.items()
    }
    holder = ProxyConfig(ResourceCache())
    client = AdsClient(base_pb2.Node(id="n"), holder)
    open_requests = list(client.on_connected().send)
    answered = 0
    while open_requests:
        request = open_requests.pop(0)
        names = list(request.resource_names_subscribe) or list(bodies[request.type_url])
        if request.response_nonce and not request.resource_names_subscribe:
            assert not request.HasField("error_detail")
            continue
        answered += 1
        resources = [
            discovery_pb2.Resource(
                name=n, resource=any_pb2.Any(type_url=request.type_url, value=bodies[request.type_url][n])
            )
            for n in names
        ]
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=request.type_url, nonce=str(answered), resources=resources
        )
        open_requests += client.on_response(response).send
    active = holder.active
    assert {k: len(v) for k, v in bodies.items()} == {
        CDS: len(active.clusters),
        EDS: len(active.assignments),
        LDS: len(active.listeners),
        RDS: len(active.routes),
    }
    assert not active.warming_clusters
    assert not active.warming_listeners
    assert list(active.unmodelled()) == []


def test_mutated_bytes_never_raise_anything_but_a_refusal() -> None:
    rng = random.Random(1)
    bodies = [
        (CDS, eds_cluster("a")),
        (EDS, assignment("a", "10.0.0.1", "10.0.0.2")),
        (LDS, rds_listener("l", 80, "80")),
        (RDS, table("80", "a.com", "*.b.com")),
    ]
    cache = ResourceCache()
    refused = 0
    for _ in range(3000):
        type_url, body = rng.choice(bodies)
        mutated = bytearray(body)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(mutated))
            mutated[at] = rng.randrange(256)
        try:
            cache.decode(type_url, bytes(mutated))
        except ResourceRejectedError:
            refused += 1
    assert refused > 100


# ---- rules found by random scripts against a real Envoy (tests/conformance/test_envoy_ads.py) -----------------------


def live(**listeners: tuple[int, str]) -> ProxyConfig:
    """A running proxy with these listeners (port and table) and their tables."""
    config = ProxyConfig(ResourceCache(), drains=True)
    config(LDS, {n: rds_listener(n, port, t) for n, (port, t) in listeners.items()}, (), "1")
    config(RDS, {t: table(t) for _, t in listeners.values()}, (), "1")
    return config


def test_the_first_listeners_accept_together_or_not_at_all() -> None:
    config = ProxyConfig(ResourceCache())
    config(LDS, {"a": rds_listener("a", 80, "here"), "b": rds_listener("b", 81, "missing")}, (), "1")
    config(RDS, {"here": table("here")}, (), "1")
    assert not config.active.listeners
    applied = config(RDS, {"missing": table("missing")}, (), "2")
    assert sorted(config.active.listeners) == ["a", "b"]
    assert effective(applied) == [("rds", "missing", False), ("lds", "a", False), ("lds", "b", False)]
    config(LDS, {"c": rds_listener("c", 82, "late"), "d": rds_listener("d", 83, "here")}, (), "3")
    assert sorted(config.active.listeners) == ["a", "b", "d"], "later each waits for itself"


def test_draining_listeners_hold_their_tables() -> None:
    config = live(l=(80, "old"))
    applied = config(LDS, {"l": rds_listener("l", 80, "new")}, (), "2")
    assert not applied.draining, "the old one serves until the new one is ready"
    applied = config(RDS, {"new": table("new")}, (), "2")
    assert (applied.draining, applied.wanted[RDS]) == (True, ("new", "old"))
    config(RDS, {"old": table("old", "other.com")}, (), "3")
    assert config.active.routes["old"].virtual_hosts[0].domains == ("other.com",)
    config(LDS, {"l": rds_listener("l", 80, "old")}, (), "4")
    assert config.active.listeners["l"].route_names == ("old",), "a table that drains need not be waited for"
    assert config.drained()[RDS] == ("old",)
    assert list(config.active.routes) == ["old"]


def test_a_listener_that_only_waited_does_not_drain() -> None:
    config = live(l=(80, "t"))
    config(LDS, {"l": rds_listener("l", 80, "missing")}, (), "2")
    applied = config(LDS, {}, ("l",), "3")
    assert applied.wanted[RDS] == ("t",)


def test_a_refused_table_ends_the_waiting_for_tables() -> None:
    config = live(l=(80, "t"))
    config(LDS, {"m": rds_listener("m", 81, "bad"), "n": rds_listener("n", 82, "missing")}, (), "2")
    applied = config(RDS, {"bad": table("bad", "*", "*")}, (), "3")
    assert [r.name for r in applied.rejected] == ["bad"]
    assert sorted(config.active.listeners) == ["l", "m", "n"]
    config(LDS, {"o": rds_listener("o", 83, "missing")}, (), "4")
    assert "o" in config.active.listeners, "its table was waited for once"


def test_refused_endpoints_end_the_waiting_for_endpoints() -> None:
    config = ProxyConfig(ResourceCache())
    config(CDS, {"a": eds_cluster("a"), "b": eds_cluster("b")}, (), "1")
    config(EDS, {"a": assignment("a", "10.0.0.1"), "b": assignment("b", "10.0.0.2")}, (), "1")
    config(CDS, {"b": eds_cluster("b", "2s")}, (), "2")
    applied = config(EDS, {"a": assignment("a", "not an address")}, (), "3")
    assert [r.name for r in applied.rejected] == ["a"]
    assert not applied.warming_clusters
    assert config.active.assignment_of(config.active.clusters["b"]) is None, "the new one never got any"
    assert config.active.assignment_of(config.active.clusters["a"]) is not None


def test_removed_endpoints_end_the_waiting_of_their_cluster() -> None:
    config = ProxyConfig(ResourceCache())
    config(CDS, {"a": eds_cluster("a")}, (), "1")
    config(EDS, {"a": assignment("a", "10.0.0.1")}, (), "1")
    config(EDS, {}, ("a",), "2")
    assert config.active.assignments, "an active cluster keeps its hosts"
    config(CDS, {"a": eds_cluster("a", "2s")}, (), "3")
    assert not config(EDS, {}, ("a",), "4").warming_clusters
    assert not config.active.assignments


def test_what_nobody_follows_is_not_tried() -> None:
    state = ActiveConfig(ResourceCache())
    _, applied = state.apply(RDS, {"t": table("t", "*", "*")}, (), "1")
    assert applied.rejected == ()
    _, applied = state.apply(RDS, {"t": b"\x0a\xff"}, (), "1")
    assert applied.rejected == (), "delta does not even read it"
    _, applied = ActiveConfig(ResourceCache(), reads_all=True).apply(RDS, {"t": b"\x0a\xff"}, (), "1")
    assert [r.name for r in applied.rejected] == [""]


def test_resources_under_the_name_of_another_are_refused() -> None:
    config = live(l=(80, "t"))
    applied = config(RDS, {"t": table("other")}, (), "2")
    assert [r.reason for r in applied.rejected] == ["Unexpected RDS configuration (expecting t): other"]
    config(CDS, {"a": eds_cluster("a")}, (), "2")
    applied = config(EDS, {"a": assignment("b", "10.0.0.1")}, (), "2")
    assert [r.reason for r in applied.rejected] == ["Unexpected EDS cluster (expecting a): b"]


def test_a_cluster_goes_back_to_the_active_one_only_through_warming() -> None:
    config = ProxyConfig(ResourceCache())
    config(CDS, {"a": eds_cluster("a")}, (), "1")
    config(EDS, {"a": assignment("a", "10.0.0.1")}, (), "1")
    config(CDS, {"a": eds_cluster("a", "2s")}, (), "2")
    applied = config(CDS, {"a": eds_cluster("a")}, (), "3")
    assert (applied.warming_clusters, applied.rewatched) == (True, True)


def test_an_address_of_another_host_cannot_be_bound() -> None:
    config = ProxyConfig(ResourceCache(), addresses=frozenset({"10.0.0.1"}))
    for address, bound, refused in (
        ("10.0.0.1", True, False),
        ("0.0.0.0", True, False),
        ("127.0.0.9", True, False),
        ("10.0.0.2", True, True),
        ("10.0.0.2", False, False),
    ):
        body = listener_body("l", 80, [], bind_to_port=bound)
        body["address"]["socket_address"]["address"] = address
        _, applied = config.active.apply(LDS, {"l": encode(LDS, body)}, (), "1")
        assert bool(applied.rejected) is refused, address
