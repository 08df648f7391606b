"""Resources that Envoy refuses, or takes although nobody would expect it: the NACK table and its kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from meshsim.testing.ads_resources import LOOPBACK
from meshsim.testing.config_oracle import EDS, TABLE
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
_OK: Final[Json] = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}


class Case(NamedTuple):
    """One response of a type."""

    name: str
    type_url: str
    resources: Mapping[str, bytes]
    accepted: bool
    """What the table says; measured on Envoy 1.40."""


def _table(name: str, hosts: Sequence[Json], accepted: bool = False, **more: Any) -> Case:
    message = from_json({"name": TABLE, "virtual_hosts": hosts, **more}, route_pb2.RouteConfiguration)
    return Case(name, type_urls.ROUTE, {TABLE: message.SerializeToString()}, accepted)


def _routes(name: str, *routes: Json, accepted: bool = False, **more: Any) -> Case:
    return _table(name, [{"name": "v", "domains": ["*"], "routes": list(routes)}], accepted, **more)


def _matching(name: str, match: Json, accepted: bool = False) -> Case:
    return _routes(name, {"match": match, "direct_response": {"status": 200}}, accepted=accepted)


def _forwarding(name: str, action: Json, accepted: bool = False, **more: Any) -> Case:
    return _routes(name, {"match": {"prefix": "/"}, "route": action}, accepted=accepted, **more)


def _cluster(name: str, accepted: bool = False, **body: Any) -> Case:
    message = from_json({"name": "new", "connect_timeout": "1s", **body}, cluster_pb2.Cluster)
    return Case(name, type_urls.CLUSTER, {"new": message.SerializeToString()}, accepted)


def _endpoints(name: str, endpoints: Sequence[Json], accepted: bool = False, to: str = EDS, **more: Any) -> Case:
    message = from_json({"cluster_name": to, "endpoints": endpoints, **more}, endpoint_pb2.ClusterLoadAssignment)
    return Case(name, type_urls.ENDPOINT, {to: message.SerializeToString()}, accepted)


def _listener(name: str, port: int, chains: Sequence[Json], accepted: bool = False, **more: Any) -> Case:
    address = {"socket_address": {"address": more.pop("address", LOOPBACK), "port_value": port}}
    message = from_json({"name": "new", "address": address, "filter_chains": chains, **more}, listener_pb2.Listener)
    return Case(name, type_urls.LISTENER, {"new": message.SerializeToString()}, accepted)


def _manager(*http_filters: Json, **more: Any) -> Json:
    body: Json = {"stat_prefix": "x", "http_filters": list(http_filters) or [_ROUTER], **more}
    if not {"route_config", "rds", "scoped_routes"} & more.keys():
        body["route_config"] = {"name": "inline", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [_OK]}]}
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {"filters": [{"name": "hcm", "typed_config": {"@type": _TYPE + kind, **body}}]}


def _http_filter(kind: str, **config: Any) -> Json:
    return {"name": kind.split(".")[-3], "typed_config": {"@type": _TYPE + kind, **config}}


def _address(text: str, port: int = 80) -> Json:
    return {"endpoint": {"address": {"socket_address": {"address": text, "port_value": port}}}}


def _host(domain: str, name: str = "v", **more: Any) -> Json:
    return {"name": name, "domains": [domain], "routes": [_OK], **more}


def route_cases() -> list[Case]:
    """Route tables."""
    return [*match_cases(), *host_cases(), *action_cases(), *header_cases()]


def match_cases() -> list[Case]:
    """What a route matches."""
    return [
        _matching("a regex that does not close", {"safe_regex": {"regex": "(abc"}}),
        _matching("a lookahead", {"safe_regex": {"regex": "a(?!b)"}}),
        _matching("a backreference", {"safe_regex": {"regex": "(a)\\1"}}),
        _matching("no path specifier", {}),
        _matching("a path separated prefix with a slash at its end", {"path_separated_prefix": "/api/"}),
        _matching("a prefix with a query never matches", {"prefix": "/a?b"}, True),
        _matching("an empty regex", {"safe_regex": {"regex": ""}}),
        _matching("a header matcher without name", {"prefix": "/", "headers": [{"name": "", "present_match": True}]}),
        _matching(
            "a header that asks for a prefix of nothing",
            {"prefix": "/", "headers": [{"name": "a", "prefix_match": ""}]},
        ),
        _matching("a header matcher with a bad regex", {"prefix": "/", "headers": [_header_regex("(a")]}),
        _matching("a query parameter without name", {"prefix": "/", "query_parameters": [{"name": ""}]}),
    ]


def host_cases() -> list[Case]:
    """Virtual hosts and their domains."""
    return [
        _table("one domain twice", [_host("x.com"), _host("x.com", "w")]),
        _table("one domain twice in another case", [_host("x.com"), _host("X.com", "w")]),
        _table("one domain twice in one host", [{"name": "v", "domains": ["x.com", "x.com"], "routes": [_OK]}]),
        _table("two virtual hosts for everything", [_host("*"), _host("*", "w")]),
        _table("no domains", [{"name": "v", "domains": [], "routes": [_OK]}]),
        _table("no name", [_host("x.com", "")]),
        _table("one virtual host name twice", [_host("x.com"), _host("y.com")], True),
        _table("a domain with two stars", [_host("*foo*")], True),
        _table("an empty domain", [_host("")], True),
    ]


def action_cases() -> list[Case]:
    """What a route does."""
    return [
        _forwarding("an unknown cluster", {"cluster": "nope"}, True),
        _forwarding("an unknown cluster, to be validated", {"cluster": "nope"}, validate_clusters=True),
        _forwarding("a known cluster, to be validated", {"cluster": "a"}, True, validate_clusters=True),
        _forwarding("an empty cluster name", {"cluster": ""}),
        _forwarding("no cluster specifier", {}),
        _forwarding("weights of nothing", {"weighted_clusters": {"clusters": [_weight("a", 0), _weight("b", 0)]}}),
        _forwarding("weights that are not 100", {"weighted_clusters": {"clusters": [_weight("a", 50)]}}, True),
        _forwarding("no weighted clusters", {"weighted_clusters": {"clusters": []}}),
        _forwarding("a negative timeout", {"cluster": "a", "timeout": "-1s"}),
        _forwarding("two ways to rewrite a path", {"cluster": "a", "prefix_rewrite": "/b", "regex_rewrite": _REWRITE}),
        _forwarding("a retry back-off of nothing", _retrying(retry_back_off={"base_interval": "0s"})),
        _forwarding("a largest back-off below the base", _retrying(retry_back_off=_backoff("0.5s", "0.1s"))),
        _forwarding("a hash policy of nothing", {"cluster": "a", "hash_policy": [{"terminal": True}]}),
        _forwarding("a mirror of nothing", {"cluster": "a", "request_mirror_policies": [{}]}),
        _forwarding(
            "a mirror of two", {"cluster": "a", "request_mirror_policies": [{"cluster": "a", "cluster_header": "x"}]}
        ),
        _routes("a removed header with a line feed", {**_OK, "request_headers_to_remove": ["a\n"]}),
        _routes("configuration of a filter that nobody knows", {**_OK, "typed_per_filter_config": _UNKNOWN}),
        _routes("no action", {"match": {"prefix": "/"}}),
        _routes("a status of 100", _direct(100)),
        _routes("a status of 600", _direct(600)),
        _routes("a body of 4096 bytes", _direct(200, "x" * 4096), accepted=True),
        _routes("a body of 5000 bytes", _direct(200, "x" * 5000)),
        _routes("a body of 5000 bytes where that is allowed", _direct(200, "x" * 5000), accepted=True, **_LARGE),
        _routes("configuration of an absent filter", {**_OK, "typed_per_filter_config": _ABSENT}, accepted=True),
    ]


def header_cases() -> list[Case]:
    """Headers that a route changes."""
    return [
        _routes("an added header without name", {**_OK, "request_headers_to_add": [{"header": {"key": ""}}]}),
        _routes("an added header named host", {**_OK, "request_headers_to_add": [_added("host")]}),
        _routes("an added pseudo header", {**_OK, "request_headers_to_add": [_added(":path")]}),
        _routes("a removed host header", {**_OK, "request_headers_to_remove": ["host"]}),
        _routes("a format that does not close", {**_OK, "request_headers_to_add": [_added("x", "%REQ(a")]}),
        _routes("a format that nobody knows", {**_OK, "request_headers_to_add": [_added("x", "%NOPE%")]}),
        _routes("a command without its argument", {**_OK, "request_headers_to_add": [_added("x", "%REQ%")]}),
        _routes(
            "a command with an argument", {**_OK, "request_headers_to_add": [_added("x", "%REQ(a):5%")]}, accepted=True
        ),
        _routes("two percent signs", {**_OK, "request_headers_to_add": [_added("x", "100%%")]}, accepted=True),
        _routes("one percent sign", {**_OK, "request_headers_to_add": [_added("x", "100%")]}),
        _routes("a header value with a line feed", {**_OK, "request_headers_to_add": [_added("x", "a\nb")]}),
    ]


_REWRITE: Final[Json] = {"pattern": {"regex": "a"}, "substitution": "b"}
_LARGE: Final[Json] = {"max_direct_response_body_size_bytes": 8192}
_ABSENT: Final[Json] = {
    "absent": {"@type": _TYPE + "envoy.extensions.filters.http.buffer.v3.BufferPerRoute", "disabled": True}
}


_UNKNOWN: Final[Json] = {"x": {"@type": _TYPE + "google.protobuf.Struct", "value": {}}}


def _header_regex(regex: str) -> Json:
    return {"name": "a", "string_match": {"safe_regex": {"regex": regex}}}


def _weight(name: str, weight: int) -> Json:
    return {"name": name, "weight": weight}


def _retrying(**policy: Any) -> Json:
    return {"cluster": "a", "retry_policy": {"retry_on": "5xx", **policy}}


def _backoff(base: str, largest: str) -> Json:
    return {"base_interval": base, "max_interval": largest}


def _direct(status: int, body: str = "") -> Json:
    return {"match": {"prefix": "/"}, "direct_response": {"status": status, "body": {"inline_string": body}}}


def _added(key: str, value: str = "v") -> Json:
    return {"header": {"key": key, "value": value}}


def endpoint_cases() -> list[Case]:
    """Endpoint assignments."""
    one = [_address(LOOPBACK)]
    return [
        _endpoints("a bad address", [{"lb_endpoints": [_address("not an address")]}]),
        _endpoints("a name as address", [{"lb_endpoints": [_address("example.com")]}]),
        _endpoints("an empty address", [{"lb_endpoints": [_address("")]}]),
        _endpoints("a port over 65535", [{"lb_endpoints": [_address(LOOPBACK, 65536)]}]),
        _endpoints("endpoints of nobody", [{"lb_endpoints": one}], True, to="nobody"),
        _endpoints("a bad address for nobody", [{"lb_endpoints": [_address("example.com")]}], True, to="nobody"),
        _endpoints("a gap in the priorities", [{"lb_endpoints": one}, {"lb_endpoints": one, "priority": 5}], True),
        _endpoints("a priority over 128", [{"lb_endpoints": one, "priority": 129}]),
        _endpoints("a weight of nothing", [{"lb_endpoints": [{**one[0], "load_balancing_weight": 0}]}]),
        _endpoints("no endpoints", [], True),
        _endpoints("an endpoint twice", [{"lb_endpoints": one + one}], True),
        _endpoints("overprovisioning of nothing", [{"lb_endpoints": one}], policy={"overprovisioning_factor": 0}),
    ]


def cluster_cases() -> list[Case]:
    """Clusters."""
    named = {"cluster_name": "new", "endpoints": [{"lb_endpoints": [_address("example.com")]}]}
    own = {"cluster_name": "new", "endpoints": [{"lb_endpoints": [_address(LOOPBACK)]}]}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return [
        _cluster("EDS without a source", type="EDS"),
        _cluster("a name in a static cluster", type="STATIC", load_assignment=named),
        _cluster("a static cluster", True, type="STATIC", load_assignment=own),
        _cluster("a connect timeout of nothing", type="STATIC", connect_timeout="0s"),
        _cluster("a negative connect timeout", type="STATIC", connect_timeout="-1s"),
        _cluster("a balancer that nobody knows", type="STATIC", lb_policy=99),
        _cluster("a discovery that nobody knows", type=99),
        _cluster("ORIGINAL_DST with round robin", type="ORIGINAL_DST"),
        _cluster("ORIGINAL_DST", True, type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED"),
        _cluster("a static cluster that brings its balancer", type="STATIC", lb_policy="CLUSTER_PROVIDED"),
        _cluster(
            "a ring larger than eight million", type="STATIC", ring_hash_lb_config={"minimum_ring_size": 9_000_000}
        ),
        _cluster("a ring of turned bounds", type="STATIC", lb_policy="RING_HASH", ring_hash_lb_config=_TURNED),
        _cluster("such a ring that nobody looks at", True, type="STATIC", ring_hash_lb_config=_TURNED),
        _cluster(
            "a table whose size is no prime", type="STATIC", lb_policy="MAGLEV", maglev_lb_config={"table_size": 100}
        ),
        _cluster("such a table that nobody looks at", True, type="STATIC", maglev_lb_config={"table_size": 100}),
        _cluster("names to hash of addresses", type="STATIC", lb_policy="RING_HASH", common_lb_config=_BY_NAME),
        _cluster("names to hash", True, type="STRICT_DNS", lb_policy="RING_HASH", common_lb_config=_BY_NAME),
        _cluster(
            "a panic threshold over 100", type="STATIC", common_lb_config={"healthy_panic_threshold": {"value": 101}}
        ),
        _cluster("ejection of more than everything", type="STATIC", outlier_detection={"max_ejection_percent": 101}),
        _cluster("an outlier interval of nothing", type="STATIC", outlier_detection={"interval": "0s"}),
        _cluster("a circuit breaker twice", True, type="STATIC", circuit_breakers={"thresholds": [{}, {}]}),
        _cluster(
            "protocol options of nothing",
            type="STATIC",
            typed_extension_protocol_options={options: {"@type": _TYPE + options}},
        ),
        _cluster("a transport that nobody knows", type="STATIC", transport_socket=_SOCKET),
    ]


_TURNED: Final[Json] = {"minimum_ring_size": 20, "maximum_ring_size": 10}
_BY_NAME: Final[Json] = {"consistent_hashing_lb_config": {"use_hostname_for_hashing": True}}
_SOCKET: Final[Json] = {"name": "x", "typed_config": {"@type": _TYPE + "google.protobuf.Struct", "value": {}}}


def listener_cases(port: int, taken: int) -> list[Case]:
    """Listeners on a free port, and on one that another listener has."""
    tcp = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    jwt = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
    buffer = "envoy.extensions.filters.http.buffer.v3.Buffer"
    rbac = "envoy.extensions.filters.http.rbac.v3.RBAC"
    fault = "envoy.extensions.filters.http.fault.v3.HTTPFault"
    limit = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
    ok = _manager()
    bad_jwks = {"providers": {"p": {"issuer": "i", "local_jwks": {"inline_string": "no keys"}}}}
    proxy = {"name": "tcp", "typed_config": {"@type": _TYPE + tcp, "stat_prefix": "x", "cluster": "a"}}
    return [
        _listener("a listener", port, [ok], True),
        _listener("no filter chain", port, []),
        _listener("an address that another listener has", taken, [ok]),
        _listener("an address that is not on the host", port, [ok], address="192.0.2.1"),
        _listener("no address at all", port, [ok], address=""),
        _listener("a bad address", port, [ok], address="example.com"),
        _listener("two chains for the same", port, [ok, ok]),
        _listener("two chains with one name", port, [_for("a", ok), _for("b", ok)], True),
        _listener(
            "a bad range",
            port,
            [{**ok, "filter_chain_match": {"prefix_ranges": [{"address_prefix": "x", "prefix_len": 8}]}}],
        ),
        _listener(
            "a server name with a star inside", port, [{**ok, "filter_chain_match": {"server_names": ["a.*.com"]}}]
        ),
        _listener("a chain without filters", port, [{"filters": []}], True),
        _listener("a filter that is not configured", port, [{"filters": [{"name": "x"}]}]),
        _listener(
            "a filter that nobody knows", port, [{"filters": [{"name": "x", "typed_config": _SOCKET["typed_config"]}]}]
        ),
        _listener("a filter behind the last", port, [{"filters": [proxy, proxy]}]),
        _listener("a TCP proxy", port, [{"filters": [proxy]}], True),
        _listener("a TCP proxy to nowhere", port, [{"filters": [_without(proxy, "cluster")]}]),
        _listener("no router", port, [_manager(_http_filter(buffer, max_request_bytes=1))]),
        _listener("a router that is not last", port, [_manager(_ROUTER, _http_filter(buffer, max_request_bytes=1))]),
        _listener("no http filters", port, [_with_filters([])], True),
        _listener("bad keys for tokens", port, [_manager(_http_filter(jwt, **bad_jwks), _ROUTER)]),
        _listener("a rule for an unknown provider", port, [_manager(_http_filter(jwt, **_UNKNOWN_PROVIDER), _ROUTER)]),
        _listener("a buffer of nothing", port, [_manager(_http_filter(buffer, max_request_bytes=0), _ROUTER)]),
        _listener("a policy without principals", port, [_manager(_http_filter(rbac, **_NO_PRINCIPALS), _ROUTER)]),
        _listener("a policy with a bad regex", port, [_manager(_http_filter(rbac, **_BAD_RULE), _ROUTER)]),
        _listener("a bucket that fills too quickly", port, [_manager(_http_filter(limit, **_QUICK), _ROUTER)]),
        _listener("a descriptor twice", port, [_manager(_http_filter(limit, **_TWICE), _ROUTER)]),
        _listener("an abort with status 42", port, [_manager(_http_filter(fault, abort={"http_status": 42}), _ROUTER)]),
        _listener("a manager without routes", port, [_without_routes()]),
        _listener("a manager without a name for its counters", port, [_manager(stat_prefix="")]),
        _listener("inline routes that are wrong", port, [_manager(route_config=_TWO_STARS)]),
        _listener("inline routes that break a constraint", port, [_manager(route_config=_NO_DOMAINS)]),
        _listener("an unknown cluster in inline routes", port, [_manager(route_config=_NOPE)]),
    ]


_TWO_STARS: Final[Json] = {"name": "inline", "virtual_hosts": [_host("*"), _host("*", "w")]}
_NO_DOMAINS: Final[Json] = {"name": "inline", "virtual_hosts": [{"name": "v"}]}
_NOPE: Final[Json] = {
    "name": "inline",
    "virtual_hosts": [
        {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "nope"}}]}
    ],
}
_UNKNOWN_PROVIDER: Final[Json] = {
    "providers": {},
    "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "nobody"}}],
}
_QUICK: Final[Json] = {"stat_prefix": "l", "token_bucket": {"max_tokens": 1, "fill_interval": "0.04s"}}
_USER: Final[Json] = {
    "entries": [{"key": "user", "value": "a"}],
    "token_bucket": {"max_tokens": 1, "fill_interval": "1s"},
}
_TWICE: Final[Json] = {"stat_prefix": "l", "descriptors": [_USER, _USER]}
_NO_PRINCIPALS: Final[Json] = {"rules": {"policies": {"p": {"permissions": [{"any": True}]}}}}
_BAD_RULE: Final[Json] = {
    "rules": {
        "policies": {
            "p": {
                "permissions": [{"url_path": {"path": {"safe_regex": {"regex": "(a"}}}}],
                "principals": [{"any": True}],
            }
        }
    }
}


def _for(domain: str, chain: Json) -> Json:
    return {**chain, "name": "one", "filter_chain_match": {"server_names": [domain]}}


def _without(network_filter: Json, key: str) -> Json:
    config = {k: v for k, v in network_filter["typed_config"].items() if k != key}
    return {**network_filter, "typed_config": config}


def _without_routes() -> Json:
    return {"filters": [_without(_manager()["filters"][0], "route_config")]}


def _with_filters(http_filters: Sequence[Json]) -> Json:
    chain = _manager()
    chain["filters"][0]["typed_config"]["http_filters"] = list(http_filters)
    return chain


def cases(port: int, taken: int) -> list[Case]:
    """All of them; listeners use `port`, `taken` is the port of a listener that is there already."""
    return [*route_cases(), *endpoint_cases(), *cluster_cases(), *listener_cases(port, taken)]
