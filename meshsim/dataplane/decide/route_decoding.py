"""Route configurations from protobuf.

What is refused, and in which words: Envoy source/common/router/config_impl.cc (each reason seen on 1.40).
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Final, TypeAlias

from meshsim.dataplane.decide.filter_configs import cors_config
from meshsim.dataplane.decide.headers import decode_header_matcher
from meshsim.dataplane.decide.match_trees import HEADER_INPUT, MatchTree, TreeDecoder, unpack_action
from meshsim.dataplane.decide.mutations import NO_MUTATIONS, decode_mutations
from meshsim.dataplane.decide.rate_limits import decode_rules
from meshsim.dataplane.decide.rejected import ResourceRejectedError, check_constraints
from meshsim.dataplane.decide.route_actions import (
    NO_FILTERS,
    decode_direct_response,
    decode_filters,
    decode_forward,
    decode_redirect,
)
from meshsim.dataplane.decide.route_match import RouteMatch, decode_match
from meshsim.dataplane.decide.route_policies import decode_mirror, decode_retry
from meshsim.dataplane.decide.routes import (
    Action,
    DirectResponse,
    DomainIndex,
    Forward,
    Mirror,
    NonForwarding,
    Redirect,
    RetryPolicy,
    Route,
    RouteConfiguration,
    TlsRequirement,
    VirtualCluster,
    VirtualHost,
)
from meshsim.dataplane.decide.strings import Notes
from meshsim.xds.messages import (
    base_pb2,
    config_source_pb2,
    matcher_pb2,
    route_components_pb2,
    route_pb2,
    xds_extension_pb2,
)
from meshsim.xds.wire import plain_fields

_CORS: Final = "envoy.filters.http.cors"
_MAX_BODY: Final = 4096
_ROUTES_APART: Final = frozenset({"routes"})
_PARTS_APART: Final = frozenset({"match", "route"})
_HOST_NAME, _HOST_DOMAIN, _HOST_ROUTE, _HOST_ATTEMPTS = 1, 2, 3, -14
_ROUTE_MATCH, _ROUTE_ACTION, _ROUTE_METADATA, _ROUTE_DECORATOR, _ROUTE_NAME = 1, 2, 4, 5, 14
"""Field numbers on the wire (`meshsim.xds.wire.plain_fields`)."""
_OPERATION: Final = 1
_FORWARDS: Final = frozenset({_ROUTE_MATCH, _ROUTE_ACTION})
_PLAIN_ROUTE: Final = frozenset({_ROUTE_MATCH, _ROUTE_ACTION, _ROUTE_METADATA, _ROUTE_DECORATOR, _ROUTE_NAME})

HostMemo: TypeAlias = MutableMapping[tuple[bytes, int, tuple[Mirror, ...]], VirtualHost]
"""Virtual hosts by what they were made from: a changed table decodes its changed hosts alone."""


def decode_route_configuration(
    message: route_pb2.RouteConfiguration, memo: HostMemo | None = None
) -> RouteConfiguration:
    """The route table; raises `ResourceRejectedError` with the reason of the NACK.

    A broken constraint comes before everything else, as in Envoy, which checks the whole message first.
    """
    try:
        return _decode(message, memo)
    except ResourceRejectedError:
        check_constraints(message)
        raise


def _check_discovery(source: config_source_pb2.ConfigSource) -> None:
    """Virtual hosts come by delta alone (Envoy source/common/router/vhds.cc)."""
    delta = source.api_config_source.api_type == config_source_pb2.ApiConfigSource.DELTA_GRPC
    if not source.HasField("ads") and not delta:
        raise ResourceRejectedError(
            "vhds: only 'DELTA_GRPC' or 'ADS' (which uses Delta xDS) is supported as a config source."
        )


def _decode(message: route_pb2.RouteConfiguration, memo: HostMemo | None) -> RouteConfiguration:
    notes: Notes = []
    if message.HasField("vhds"):
        _check_discovery(message.vhds.config_source)
        notes.append("virtual host discovery")
    if message.cluster_specifier_plugins:
        notes.append("cluster specifier plugins")
    limit = message.max_direct_response_body_size_bytes
    body_limit = limit.value if message.HasField("max_direct_response_body_size_bytes") else _MAX_BODY
    shared = tuple(decode_mirror(m) for m in message.request_mirror_policies)
    hosts = tuple(_remembered(v, body_limit, shared, memo) for v in message.virtual_hosts)
    for host in hosts:
        notes += host.unmodelled
    return RouteConfiguration(
        message.name,
        hosts,
        _domains(message.name, hosts),
        message.ignore_port_in_host_matching,
        message.vhost_header.lower(),
        decode_mutations(message.request_headers_to_add, message.request_headers_to_remove),
        decode_mutations(message.response_headers_to_add, message.response_headers_to_remove),
        decode_filters(message.typed_per_filter_config, notes),
        message.most_specific_header_mutations_wins,
        tuple(h.lower() for h in message.internal_only_headers),
        message.ignore_path_parameters_in_path_matching,
        tuple(dict.fromkeys(notes)),
        message.validate_clusters.value if message.HasField("validate_clusters") else None,
    )


def _domains(name: str, hosts: Iterable[VirtualHost]) -> DomainIndex:
    exact: dict[str, VirtualHost] = {}
    suffixes: dict[int, dict[str, VirtualHost]] = {}
    prefixes: dict[int, dict[str, VirtualHost]] = {}
    default: VirtualHost | None = None
    for host in hosts:
        for written in host.domains:
            domain = written.lower()
            if domain == "*":
                if default is not None:
                    raise ResourceRejectedError(f"Only a single wildcard domain is permitted in route {name}")
                default = host
                continue
            if domain.startswith("*"):
                table, key = suffixes.setdefault(len(domain) - 1, {}), domain[1:]
            elif domain.endswith("*"):
                table, key = prefixes.setdefault(len(domain) - 1, {}), domain[:-1]
            else:
                table, key = exact, domain
            if key in table:
                raise ResourceRejectedError(
                    f"Only unique values for domains are permitted. Duplicate entry of domain {domain} in route {name}"
                )
            table[key] = host
    return DomainIndex(
        exact, tuple(sorted(suffixes.items(), reverse=True)), tuple(sorted(prefixes.items(), reverse=True)), default
    )


def _remembered(
    message: route_components_pb2.VirtualHost, body_limit: int, shared: tuple[Mirror, ...], memo: HostMemo | None
) -> VirtualHost:
    body = message.SerializeToString(deterministic=True)
    if memo is None:
        return _plain_host(body, shared) or _virtual_host(message, body_limit, shared)
    key = (body, body_limit, shared)
    found = memo.get(key)
    if found is None:
        found = memo[key] = _plain_host(body, shared) or _virtual_host(message, body_limit, shared)
    return found


def _plain_host(body: bytes, mirrors: tuple[Mirror, ...]) -> VirtualHost | None:
    """A virtual host as most of a mesh are, read from its bytes: names, and routes that forward; None for any other."""
    name, attempts = b"", False
    domains: list[str] = []
    routes: list[Route] = []
    notes: Notes = []
    for number, value in plain_fields(body) or ():
        if number == _HOST_DOMAIN:
            domains.append(value.decode())
        elif number == _HOST_ROUTE:
            route = _plain_route(value, len(routes), mirrors, notes)
            if route is None:
                return None
            routes.append(route)
        elif number == _HOST_NAME:
            name = value
        elif number == _HOST_ATTEMPTS:
            attempts = True
        else:
            return None
    if not name or not domains or not "".join(domains).isprintable():
        return None
    return VirtualHost(
        name.decode(),
        tuple(domains),
        tuple(routes),
        TlsRequirement.NONE,
        NO_MUTATIONS,
        NO_MUTATIONS,
        NO_FILTERS,
        attempts,
        False,
        (),
        None,
        tuple(notes),
    )


def _plain_route(body: bytes, index: int, mirrors: tuple[Mirror, ...], notes: Notes) -> Route | None:
    """A route with a match, an action that forwards, a name, metadata and an operation at most."""
    fields = dict(plain_fields(body) or ())
    if not _FORWARDS <= fields.keys() <= _PLAIN_ROUTE:
        return None
    match, noted = _match(fields[_ROUTE_MATCH])
    notes += noted
    forwarding = decode_forward(fields[_ROUTE_ACTION], match, mirrors, None)
    notes += forwarding.notes
    if forwarding.cors is not None:
        return None
    operation, propagate = _decorator(fields.get(_ROUTE_DECORATOR))
    metadata = fields.get(_ROUTE_METADATA)
    return Route(
        fields.get(_ROUTE_NAME, b"").decode(),
        index,
        match,
        forwarding.action,
        NO_MUTATIONS,
        NO_MUTATIONS,
        NO_FILTERS,
        "" if metadata is None else _config_of(metadata),
        operation,
        propagate,
    )


def _completed(route: Route, host: route_components_pb2.VirtualHost) -> Route:
    """The route with the hedge policy and the buffer limit of its virtual host, where it has none of its own."""
    if route.kept is None:
        route = route._replace(kept=_kept(host))
    action = route.action
    if not host.HasField("hedge_policy") or not isinstance(action, Forward) or action.hedge is not None:
        return route
    return route._replace(action=action._replace(hedge=host.hedge_policy.hedge_on_per_try_timeout))


def _kept(message: route_components_pb2.Route | route_components_pb2.VirtualHost) -> int | None:
    """Bytes of a request that are kept for retries (Envoy source/common/router/config_impl.cc, 1.36 and later)."""
    if message.HasField("request_body_buffer_limit"):
        return message.request_body_buffer_limit.value
    if message.HasField("per_request_buffer_limit_bytes"):
        return message.per_request_buffer_limit_bytes.value
    return None


def _virtual_host(
    message: route_components_pb2.VirtualHost, body_limit: int, shared: tuple[Mirror, ...]
) -> VirtualHost:
    check_constraints(message, _ROUTES_APART)
    notes: Notes = []
    if message.HasField("matcher") and message.routes:
        raise ResourceRejectedError("cannot set both matcher and routes on virtual host")
    mirrors = tuple(decode_mirror(m) for m in message.request_mirror_policies) or shared
    retry = decode_retry(message.retry_policy, notes) if message.HasField("retry_policy") else None
    filters = decode_filters(message.typed_per_filter_config, notes)
    if message.HasField("cors"):
        filters = {_CORS: cors_config(message.cors, notes), **filters}
    limits = decode_rules(message.rate_limits, notes)
    return VirtualHost(
        message.name,
        tuple(message.domains),
        tuple(
            _completed(_route(r, i, body_limit, mirrors, retry, notes), message) for i, r in enumerate(message.routes)
        ),
        TlsRequirement(message.require_tls),
        decode_mutations(message.request_headers_to_add, message.request_headers_to_remove),
        decode_mutations(message.response_headers_to_add, message.response_headers_to_remove),
        filters,
        message.include_request_attempt_count,
        message.include_attempt_count_in_response,
        tuple(_virtual_cluster(v, notes) for v in message.virtual_clusters),
        _tree(message.matcher, body_limit, mirrors, retry, notes) if message.HasField("matcher") else None,
        tuple(notes),
        limits,
    )


def _tree(
    message: matcher_pb2.Matcher, body_limit: int, mirrors: tuple[Mirror, ...], retry: RetryPolicy | None, notes: Notes
) -> MatchTree[tuple[Route, ...]]:
    def action(found: xds_extension_pb2.TypedExtensionConfig) -> tuple[Route, ...]:
        if found.typed_config.Is(route_components_pb2.RouteList.DESCRIPTOR):
            routes = unpack_action(found, route_components_pb2.RouteList).routes
            return tuple(_route(r, i, body_limit, mirrors, retry, notes) for i, r in enumerate(routes))
        return (_route(unpack_action(found, route_components_pb2.Route), 0, body_limit, mirrors, retry, notes),)

    complaint = "Route table can only match on request headers, saw {}"
    return TreeDecoder(action, (HEADER_INPUT,), "route", complaint, notes).decode(message)


def _route(
    message: route_components_pb2.Route,
    index: int,
    body_limit: int,
    mirrors: tuple[Mirror, ...],
    retry: RetryPolicy | None,
    notes: Notes,
) -> Route:
    check_constraints(message, _PARTS_APART)
    match, noted = _match(message.match.SerializeToString(deterministic=True))
    notes += noted
    filters = decode_filters(message.typed_per_filter_config, notes)
    action: Action
    if message.HasField("route"):
        forwarding = decode_forward(message.route.SerializeToString(deterministic=True), match, mirrors, retry)
        action = forwarding.action
        notes += forwarding.notes
        if forwarding.cors is not None:
            filters = {_CORS: forwarding.cors, **filters}
    else:
        action = _other_action(message, match, body_limit, notes)
    decorator = message.decorator
    return Route(
        message.name,
        index,
        match,
        action,
        decode_mutations(message.request_headers_to_add, message.request_headers_to_remove),
        decode_mutations(message.response_headers_to_add, message.response_headers_to_remove),
        filters,
        config_path(message.metadata) if message.HasField("metadata") else "",
        decorator.operation,
        decorator.propagate.value if decorator.HasField("propagate") else True,
        _kept(message),
    )


def _virtual_cluster(message: route_components_pb2.VirtualCluster, notes: Notes) -> VirtualCluster:
    if not message.headers:
        raise ResourceRejectedError("virtual clusters must define 'headers'")
    return VirtualCluster(message.name, tuple(decode_header_matcher(h, notes) for h in message.headers))


def _other_action(
    message: route_components_pb2.Route, match: RouteMatch, body_limit: int, notes: Notes
) -> Redirect | DirectResponse | NonForwarding:
    kind = message.WhichOneof("action")
    if kind == "redirect":
        return decode_redirect(message.redirect, match)
    if kind == "direct_response":
        return decode_direct_response(message.direct_response, body_limit, notes)
    if kind in ("non_forwarding_action", "filter_action"):
        return NonForwarding()
    raise ResourceRejectedError("RouteValidationError.Action: value is required")


@lru_cache(maxsize=4096)
def _match(body: bytes) -> tuple[RouteMatch, tuple[str, ...]]:
    """A match and what its decoder noted; most routes of a mesh ask for one of a few paths."""
    message = route_components_pb2.RouteMatch.FromString(body)
    check_constraints(message)
    notes: Notes = []
    match = decode_match(message, notes)
    return match, tuple(notes)


def _decorator(body: bytes | None) -> tuple[str, bool]:
    """(operation, whether it is passed on) of a serialized Decorator."""
    if body is None:
        return "", True
    fields = plain_fields(body)
    if fields and len(fields) == 1 and fields[0][0] == _OPERATION:
        return fields[0][1].decode(), True
    message = route_components_pb2.Decorator.FromString(body)
    check_constraints(message)
    return message.operation, message.propagate.value if message.HasField("propagate") else True


@lru_cache(maxsize=4096)
def _config_of(body: bytes) -> str:
    metadata = base_pb2.Metadata.FromString(body)
    check_constraints(metadata)
    return config_path(metadata)


def config_path(metadata: base_pb2.Metadata) -> str:
    """``istio.config`` of a resource's metadata: the Istio object that made it."""
    istio = metadata.filter_metadata.get("istio")
    return istio.fields["config"].string_value if istio is not None and "config" in istio.fields else ""
