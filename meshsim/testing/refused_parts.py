"""Further resources that Envoy refuses: parts that do not go together, addresses that nothing resolves, unknown names.

Found by twisting good resources at random; each verdict was measured on Envoy 1.40.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message

from meshsim.testing.ads_resources import LOOPBACK
from meshsim.testing.config_oracle import EDS, TABLE
from meshsim.testing.refusals import Case
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.packing import from_json

Json = dict[str, Any]

_TYPE: Final = type_urls.PREFIX
_ADS: Final[Json] = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
_ROUTER: Final[Json] = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": _TYPE + "envoy.extensions.filters.http.router.v3.Router"},
}
_HOSTS: Final[Json] = {
    "virtual_hosts": [
        {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}
    ]
}
_COLLECTION: Final = "xdstp://a/envoy.config.endpoint.v3.LbEndpoint/x/*"
_UNKNOWN: Final[Json] = {"name": "x"}


_TAKEN: Final = frozenset(
    {
        "a kind of cluster by name",
        "a host by DNS without address",
        "a host by DNS on a named port",
        "logical DNS with one host",
        "connections of a host",
        "an endpoint by the IP resolver",
        "a pipe as endpoint",
        "LEDS",
        "VHDS by ADS",
        "an action of a filter",
        "the IP resolver",
        "datagrams",
        "an API",
        "unknown fields of the default chain",
    }
)


def _socket(**more: Any) -> Json:
    body = {"address": LOOPBACK, **({} if "named_port" in more else {"port_value": 1}), **more}
    return {"address": {"socket_address": body}}


def _assigned(*endpoints: Json) -> Json:
    return {"cluster_name": "new", "endpoints": [{"lb_endpoints": [{"endpoint": e} for e in endpoints]}]}


def _case(name: str, type_url: str, resource: str, message: Message) -> Case:
    return Case(name, type_url, {resource: message.SerializeToString()}, name in _TAKEN)


def _clusters() -> list[Case]:
    provided = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    two = {"cluster_name": "new", "endpoints": [{"lb_endpoints": [{"endpoint": _socket()}]}] * 2}
    leds = {"cluster_name": "new", "endpoints": [{"leds_cluster_locality_config": {}}]}
    breakers = {"per_host_thresholds": [{"max_connections": 1, "track_remaining": True}]}
    bodies: dict[str, Json] = {
        "a transport socket without configuration": {"transport_socket": {"name": "envoy.transport_sockets.tls"}},
        "a match without transport socket": {"transport_socket_matches": [{"name": "a", "match": {}}]},
        "options of nobody": {"typed_extension_protocol_options": {"x": {"@type": _TYPE + "google.protobuf.Empty"}}},
        "a kind of cluster of nobody": {"cluster_type": _UNKNOWN},
        "a kind of cluster by name": {"cluster_type": {"name": "envoy.cluster.strict_dns"}},
        "LEDS in a static cluster": {"load_assignment": leds},
        "a static host without address": {"load_assignment": _assigned({})},
        "a static host by a resolver": {"load_assignment": _assigned(_socket(resolver_name="x"))},
        "a static host on a named port": {"load_assignment": _assigned(_socket(named_port="x"))},
        "a host by DNS without address": {"type": "STRICT_DNS", "load_assignment": _assigned({})},
        "a host by DNS on a named port": {"type": "STRICT_DNS", "load_assignment": _assigned(_socket(named_port="x"))},
        "a host by DNS by a resolver": {"type": "STRICT_DNS", "load_assignment": _assigned(_socket(resolver_name="x"))},
        "logical DNS without hosts": {"type": "LOGICAL_DNS"},
        "logical DNS with an empty assignment": {"type": "LOGICAL_DNS", "load_assignment": {"cluster_name": "new"}},
        "logical DNS with two localities": {"type": "LOGICAL_DNS", "load_assignment": two},
        "logical DNS by a resolver": {"type": "LOGICAL_DNS", "load_assignment": _assigned(_socket(resolver_name="x"))},
        "logical DNS with one host": {"type": "LOGICAL_DNS", "load_assignment": _assigned(_socket())},
        "hosts of an original destination": {**provided, "load_assignment": {"cluster_name": "x"}},
        "subsets of an original destination": {**provided, "lb_subset_config": {"subset_selectors": [{"keys": ["a"]}]}},
        "a policy of an original destination": {"type": "ORIGINAL_DST", "lb_policy": "LOAD_BALANCING_POLICY_CONFIG"},
        "EDS of a static cluster": {"eds_cluster_config": {"eds_config": _ADS}},
        "EDS from nowhere": {"type": "EDS", "eds_cluster_config": {}},
        "EDS from where the cluster came from": {
            "type": "EDS",
            "eds_cluster_config": {"eds_config": {"self": {}, "resource_api_version": "V3"}},
        },
        "connections of a host": {"circuit_breakers": breakers},
        "retries of a host": {"circuit_breakers": {"per_host_thresholds": [{"max_retries": 1}]}},
    }
    made = {
        name: from_json({"name": "new", "connect_timeout": "1s", **body}, cluster_pb2.Cluster)
        for name, body in bodies.items()
    }
    return [_case(name, type_urls.CLUSTER, "new", made[name]) for name in bodies]


def _endpoints() -> list[Case]:
    def one(endpoint: Json) -> Json:
        return {"lb_endpoints": [{"endpoint": endpoint}]}

    def collected(name: str, **more: Any) -> Json:
        return {"leds_cluster_locality_config": {"leds_collection_name": name, **more}}

    checked = {"health_check_config": _socket(address="foo")}
    bodies: dict[str, Json] = {
        "an endpoint without address": one({}),
        "an endpoint by name": {"lb_endpoints": [{"endpoint_name": "x"}]},
        "an endpoint on a named port": one(_socket(named_port="x")),
        "an endpoint by a resolver": one(_socket(resolver_name="x")),
        "an endpoint by the IP resolver": one(_socket(resolver_name="envoy.ip")),
        "an endpoint in a network namespace": one(_socket(network_namespace_filepath="x")),
        "another address that is a name": one({**_socket(), "additional_addresses": [_socket(address="foo")]}),
        "another address without one": one({**_socket(), "additional_addresses": [{}]}),
        "a health check of a name": one({**_socket(), **checked}),
        "a pipe as endpoint": one({"address": {"pipe": {"path": "/x"}}}),
        "LEDS": collected(_COLLECTION, leds_config=_ADS),
        "LEDS from nowhere": collected(_COLLECTION),
        "LEDS without name": collected(""),
        "LEDS of another type": collected("xdstp://a/x/*", leds_config=_ADS),
        "LEDS without type": collected("http://a", leds_config=_ADS),
        "LEDS and endpoints": {**collected(_COLLECTION, leds_config=_ADS), **one(_socket())},
    }
    return [
        _case(
            name,
            type_urls.ENDPOINT,
            EDS,
            from_json({"cluster_name": EDS, "endpoints": [body]}, endpoint_pb2.ClusterLoadAssignment),
        )
        for name, body in bodies.items()
    ]


def _tables() -> list[Case]:
    def weighted(*clusters: Json) -> Json:
        route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": list(clusters)}}}
        return {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}

    nobody = {"match": {"prefix": "/"}, "filter_action": {}}
    grpc = {"config_source": {"api_config_source": {"api_type": "GRPC"}}}
    bodies: dict[str, Json] = {
        "VHDS by ADS": {"vhds": {"config_source": _ADS}},
        "VHDS by state of the world": {"vhds": grpc},
        "a cluster without weight": weighted({"name": "a", "weight": 1}, {"name": "b"}),
        "a weight without cluster": weighted({"weight": 1}),
        "a weight with two clusters": weighted({"name": "a", "cluster_header": "x", "weight": 1}),
        "a virtual cluster of everything": {
            "virtual_hosts": [{"name": "v", "domains": ["*"], "virtual_clusters": [{"name": "a"}]}]
        },
        "an action of a filter": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [nobody]}]},
    }
    return [
        _case(name, type_urls.ROUTE, TABLE, from_json({"name": TABLE, **body}, route_pb2.RouteConfiguration))
        for name, body in bodies.items()
    ]


def _manager(**more: Any) -> Json:
    kind = _TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    config = {"@type": kind, "stat_prefix": "x", "http_filters": [_ROUTER], **more}
    return {"filters": [{"name": "hcm", "typed_config": config}]}


def _listeners(port: int) -> list[Case]:
    chain, here = _manager(route_config=_HOSTS), {"address": LOOPBACK, "port_value": port}
    two = [{**chain, "name": "a"}, {**chain, "name": "a", "filter_chain_match": {"server_names": ["x"]}}]

    def at(**more: Any) -> Json:
        return {"address": {"socket_address": {**here, **more}}}

    def matching(**match: Any) -> Json:
        return {"filter_chains": [{**chain, "filter_chain_match": match}]}

    networks = [{"address_prefix": p, "prefix_len": 8} for p in ("10.0.0.0", "10.1.0.0")]
    disabled = _manager(route_config=_HOSTS, http_filters=[{**_ROUTER, "disabled": True}])
    bodies: dict[str, Json] = {
        "an internal address": {"address": {"envoy_internal_address": {"server_listener_name": "x"}}},
        "an internal listener with an address": {"internal_listener": {}},
        "a named port": {"address": {"socket_address": {"address": LOOPBACK, "named_port": "x"}}},
        "a resolver of nobody": at(resolver_name="x"),
        "the IP resolver": at(resolver_name="envoy.ip"),
        "IPv4 beside IPv4": at(ipv4_compat=True),
        "IPv4 beside an IPv6 address": at(address="::1", ipv4_compat=True),
        "FCDS without matcher": {"fcds_config": {"config_source": _ADS}},
        "QUIC without HTTP/3": {"udp_listener_config": {"quic_options": {}}},
        "chains for datagrams": at(protocol="UDP"),
        "datagrams": {**at(protocol="UDP"), "filter_chains": []},
        "an API": {"api_listener": {"api_listener": {}}, **at(address="foo")},
        "a disabled router": {"filter_chains": [disabled]},
        "a listener filter without configuration": {
            "listener_filters": [{"name": "envoy.filters.listener.tls_inspector"}]
        },
        "a chain's socket without configuration": {"filter_chains": [{**chain, "transport_socket": _UNKNOWN}]},
        "an access log of nobody": {"access_log": [_UNKNOWN]},
        "an access log of nobody in HTTP": {"filter_chains": [_manager(route_config=_HOSTS, access_log=[_UNKNOWN])]},
        "RDS from nowhere": {"filter_chains": [_manager(rds={"route_config_name": "x"})]},
        "a server name twice in a chain": matching(server_names=["a", "A"]),
        "a protocol twice in a chain": matching(application_protocols=["a", "a"]),
        "a network twice in a chain": matching(prefix_ranges=networks),
        "a source port twice in a chain": matching(source_ports=[1, 1]),
        "a matcher of chains without names": {"filter_chain_matcher": {}},
        "a matcher of chains of one name": {"filter_chain_matcher": {}, "filter_chains": two},
        "unknown fields of the default chain": {
            "default_filter_chain": {**chain, "filter_chain_match": {"address_suffix": "x"}}
        },
    }
    base = {"name": "new", "address": {"socket_address": here}, "filter_chains": [chain]}
    return [
        _case(name, type_urls.LISTENER, "new", from_json({**base, **body}, listener_pb2.Listener))
        for name, body in bodies.items()
    ]


def part_cases(port: int) -> list[Case]:
    """All of them; listeners use `port`."""
    return [*_clusters(), *_endpoints(), *_tables(), *_listeners(port)]
