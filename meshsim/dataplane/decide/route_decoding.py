"""Route configurations from protobuf.

What is refused, and in which words: Envoy source/common/router/config_impl.cc (each reason seen on 1.40).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final, TypeAlias

from google.protobuf import any_pb2

from meshsim.dataplane.decide.durations import nanos, optional_nanos
from meshsim.dataplane.decide.filter_configs import CorsConfig, FilterConfig, cors_config, decode_filter_config
from meshsim.dataplane.decide.headers import decode_header_matcher
from meshsim.dataplane.decide.mutations import decode_mutations
from meshsim.dataplane.decide.rejected import ResourceRejectedError, check_constraints, unpack_valid
from meshsim.dataplane.decide.route_match import PathKind, RouteMatch, decode_match
from meshsim.dataplane.decide.route_policies import (
    decode_hash_policy,
    decode_mirror,
    decode_regex_rewrite,
    decode_retry,
)
from meshsim.dataplane.decide.routes import (
    Action,
    ClusterChoice,
    DirectResponse,
    DomainIndex,
    Forward,
    HostRewrite,
    Mirror,
    NonForwarding,
    PathRewrite,
    Redirect,
    RetryPolicy,
    Route,
    RouteConfiguration,
    TlsRequirement,
    VirtualCluster,
    VirtualHost,
    WeightedCluster,
)
from meshsim.dataplane.decide.strings import Notes
from meshsim.dataplane.decide.uri_template import check_rewrite_template
from meshsim.units import Nanos
from meshsim.xds.messages import (
    base_pb2,
    route_components_pb2,
    route_pb2,
    uri_template_rewrite_pb2,
)

_CORS: Final = "envoy.filters.http.cors"
_MAX_BODY: Final = 4096
_DEFAULT_TIMEOUT: Final = 15_000_000_000
_REDIRECT_STATUS: Final = {0: 301, 1: 302, 2: 303, 3: 307, 4: 308}
_NOT_FOUND_STATUS: Final = {0: 503, 1: 404, 2: 500}
_NO_FILTERS: Final[Mapping[str, FilterConfig]] = {}


HostMemo: TypeAlias = MutableMapping[tuple[bytes, int, tuple[Mirror, ...]], VirtualHost]
"""Virtual hosts by what they were made from: a changed table decodes its changed hosts alone."""


def decode_route_configuration(
    message: route_pb2.RouteConfiguration, memo: HostMemo | None = None
) -> RouteConfiguration:
    """The route table; raises `ResourceRejectedError` with the reason of the NACK."""
    notes: Notes = []
    if message.HasField("vhds"):
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
        _filters(message.typed_per_filter_config, notes),
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


def _filters(configs: Mapping[str, any_pb2.Any], notes: Notes) -> Mapping[str, FilterConfig]:
    if not configs:
        return _NO_FILTERS
    return {name: decode_filter_config(configs[name], notes) for name in sorted(configs)}


def _remembered(
    message: route_components_pb2.VirtualHost, body_limit: int, shared: tuple[Mirror, ...], memo: HostMemo | None
) -> VirtualHost:
    if memo is None:
        return _virtual_host(message, body_limit, shared)
    key = (message.SerializeToString(deterministic=True), body_limit, shared)
    found = memo.get(key)
    if found is None:
        found = memo[key] = _virtual_host(message, body_limit, shared)
    return found


def _virtual_host(
    message: route_components_pb2.VirtualHost, body_limit: int, shared: tuple[Mirror, ...]
) -> VirtualHost:
    check_constraints(message)
    notes: Notes = []
    if message.HasField("matcher"):
        notes.append("route matcher tree")
    mirrors = tuple(decode_mirror(m) for m in message.request_mirror_policies) or shared
    retry = decode_retry(message.retry_policy, notes) if message.HasField("retry_policy") else None
    filters = dict(_filters(message.typed_per_filter_config, notes))
    if message.HasField("cors"):
        filters.setdefault(_CORS, cors_config(message.cors, notes))
    return VirtualHost(
        message.name,
        tuple(message.domains),
        tuple(_route(r, i, body_limit, mirrors, retry, notes) for i, r in enumerate(message.routes)),
        TlsRequirement(message.require_tls),
        decode_mutations(message.request_headers_to_add, message.request_headers_to_remove),
        decode_mutations(message.response_headers_to_add, message.response_headers_to_remove),
        filters,
        message.include_request_attempt_count,
        message.include_attempt_count_in_response,
        tuple(
            VirtualCluster(v.name, tuple(decode_header_matcher(h, notes) for h in v.headers))
            for v in message.virtual_clusters
        ),
        tuple(notes),
    )


def _route(
    message: route_components_pb2.Route,
    index: int,
    body_limit: int,
    mirrors: tuple[Mirror, ...],
    retry: RetryPolicy | None,
    notes: Notes,
) -> Route:
    match = decode_match(message.match, notes)
    filters = dict(_filters(message.typed_per_filter_config, notes))
    kind = message.WhichOneof("action")
    action: Action
    if kind == "route":
        action = _forward(message.route, match, mirrors, retry, notes)
        if message.route.HasField("cors"):
            cors: CorsConfig = cors_config(message.route.cors, notes)
            filters.setdefault(_CORS, cors)
    elif kind == "redirect":
        action = _redirect(message.redirect, match)
    elif kind == "direct_response":
        action = _direct_response(message.direct_response, body_limit, notes)
    elif kind == "non_forwarding_action":
        action = NonForwarding()
    else:
        raise ResourceRejectedError("RouteValidationError.Action: value is required")
    decorator = message.decorator
    return Route(
        message.name,
        index,
        match,
        action,
        decode_mutations(message.request_headers_to_add, message.request_headers_to_remove),
        decode_mutations(message.response_headers_to_add, message.response_headers_to_remove),
        filters or _NO_FILTERS,
        config_path(message.metadata) if message.HasField("metadata") else "",
        decorator.operation,
        decorator.propagate.value if decorator.HasField("propagate") else True,
    )


def config_path(metadata: base_pb2.Metadata) -> str:
    """``istio.config`` of a resource's metadata: the Istio object that made it."""
    istio = metadata.filter_metadata.get("istio")
    return istio.fields["config"].string_value if istio is not None and "config" in istio.fields else ""


def _forward(
    message: route_components_pb2.RouteAction,
    match: RouteMatch,
    mirrors: tuple[Mirror, ...],
    retry: RetryPolicy | None,
    notes: Notes,
) -> Forward:
    path = _path_rewrite(message, match)
    if message.HasField("internal_redirect_policy"):
        notes.append("internal redirects")
    if message.HasField("hedge_policy"):
        notes.append("hedging")
    limits_stream = message.HasField("max_stream_duration")
    grpc_max, stream = _stream_limits(message) if limits_stream else (None, None)
    return Forward(
        _clusters(message, notes),
        _NOT_FOUND_STATUS[message.cluster_not_found_response_code],
        path,
        _host_rewrite(message),
        nanos(message.timeout) if message.HasField("timeout") else _DEFAULT_TIMEOUT,
        nanos(message.idle_timeout) if message.HasField("idle_timeout") else None,
        stream,
        grpc_max,
        limits_stream,
        nanos(message.max_grpc_timeout) if message.HasField("max_grpc_timeout") else None,
        nanos(message.grpc_timeout_offset) if message.HasField("grpc_timeout_offset") else 0,
        decode_retry(message.retry_policy, notes) if message.HasField("retry_policy") else retry,
        tuple(decode_mirror(m) for m in message.request_mirror_policies) or mirrors,
        tuple(decode_hash_policy(h, notes) for h in message.hash_policy),
        message.priority == base_pb2.HIGH,
        _subset(message.metadata_match) if message.HasField("metadata_match") else (),
        tuple(
            (u.upgrade_type.lower(), u.enabled.value if u.HasField("enabled") else True)
            for u in message.upgrade_configs
        ),
    )


def _stream_limits(message: route_components_pb2.RouteAction) -> tuple[Nanos | None, Nanos | None]:
    """(limit of gRPC's own timeout, limit of the stream)."""
    limits = message.max_stream_duration
    return (
        optional_nanos(limits.grpc_timeout_header_max, limits.HasField("grpc_timeout_header_max")),
        optional_nanos(limits.max_stream_duration, limits.HasField("max_stream_duration")),
    )


def _subset(metadata: base_pb2.Metadata) -> tuple[tuple[str, str], ...]:
    labels = metadata.filter_metadata.get("envoy.lb")
    if labels is None:
        return ()
    return tuple((key, labels.fields[key].string_value) for key in sorted(labels.fields))


def _clusters(message: route_components_pb2.RouteAction, notes: Notes) -> ClusterChoice:
    kind = message.WhichOneof("cluster_specifier")
    if kind == "cluster":
        if not message.cluster:
            raise ResourceRejectedError("RouteActionValidationError.Cluster: value length must be at least 1")
        return ClusterChoice(message.cluster)
    if kind == "cluster_header":
        return ClusterChoice(header=message.cluster_header.lower())
    if kind == "weighted_clusters":
        return _weighted(message.weighted_clusters, notes)
    if kind is None:
        raise ResourceRejectedError("RouteActionValidationError.ClusterSpecifier: value is required")
    notes.append(kind)
    return ClusterChoice(unmodelled=kind)


def _weighted(message: route_components_pb2.WeightedCluster, notes: Notes) -> ClusterChoice:
    if not message.clusters:
        raise ResourceRejectedError("WeightedClusterValidationError.Clusters: value must contain at least 1 item(s)")
    clusters = tuple(
        WeightedCluster(
            c.name,
            c.weight.value,
            c.cluster_header.lower(),
            decode_mutations(c.request_headers_to_add, c.request_headers_to_remove),
            decode_mutations(c.response_headers_to_add, c.response_headers_to_remove),
            c.host_rewrite_literal,
            _filters(c.typed_per_filter_config, notes),
        )
        for c in message.clusters
    )
    total = sum(c.weight for c in clusters)
    if total == 0:
        raise ResourceRejectedError("Sum of weights in the weighted_cluster must be greater than 0.")
    if total > 0xFFFFFFFF:
        raise ResourceRejectedError(f"The sum of weights of all weighted clusters of route exceeds {0xFFFFFFFF}")
    return ClusterChoice("", "", clusters, total, message.header_name.lower(), message.use_hash_policy.value)


def _path_rewrite(message: route_components_pb2.RouteAction, match: RouteMatch) -> PathRewrite:
    given = [n for n in ("regex_rewrite", "path_rewrite_policy") if message.HasField(n)]
    if message.prefix_rewrite:
        given.append("prefix_rewrite")
    if len(given) > 1:
        raise ResourceRejectedError(
            "Specify only one of prefix_rewrite, regex_rewrite, path_rewrite_policy or path_rewrite"
        )
    if message.HasField("path_rewrite_policy"):
        packed = message.path_rewrite_policy.typed_config
        template = unpack_valid(packed, uri_template_rewrite_pb2.UriTemplateRewriteConfig).path_template_rewrite
        if match.template is None or match.kind is not PathKind.TEMPLATE:
            raise ResourceRejectedError(f"unable to use {template} extension without {match.kind.value} extension")
        check_rewrite_template(template, match.template)
        return PathRewrite(template=template)
    if message.HasField("regex_rewrite"):
        return PathRewrite(regex=decode_regex_rewrite(message.regex_rewrite))
    if message.prefix_rewrite and match.kind is PathKind.TEMPLATE:
        raise ResourceRejectedError("Cannot use prefix_rewrite with matcher extension")
    return PathRewrite(prefix=message.prefix_rewrite)


def _host_rewrite(message: route_components_pb2.RouteAction) -> HostRewrite:
    kind = message.WhichOneof("host_rewrite_specifier")
    append = message.append_x_forwarded_host
    if kind == "host_rewrite_literal":
        return HostRewrite(literal=message.host_rewrite_literal, append_forwarded_host=append)
    if kind == "auto_host_rewrite":
        return HostRewrite(auto=message.auto_host_rewrite.value, append_forwarded_host=append)
    if kind == "host_rewrite_header":
        return HostRewrite(header=message.host_rewrite_header.lower(), append_forwarded_host=append)
    if kind == "host_rewrite_path_regex":
        rewrite = decode_regex_rewrite(message.host_rewrite_path_regex)
        return HostRewrite(path_regex=rewrite, append_forwarded_host=append)
    return HostRewrite()


def _redirect(message: route_components_pb2.RedirectAction, match: RouteMatch) -> Redirect:
    rewrite = PathRewrite()
    if message.WhichOneof("path_rewrite_specifier") == "regex_rewrite":
        rewrite = PathRewrite(regex=decode_regex_rewrite(message.regex_rewrite))
    elif message.prefix_rewrite:
        if match.kind is PathKind.TEMPLATE:
            raise ResourceRejectedError("Cannot use redirect.prefix_rewrite with path_match_policy")
        rewrite = PathRewrite(prefix=message.prefix_rewrite)
    return Redirect(
        _REDIRECT_STATUS[message.response_code],
        message.scheme_redirect,
        message.https_redirect,
        message.host_redirect,
        message.port_redirect,
        message.path_redirect,
        rewrite,
        message.strip_query,
    )


def _direct_response(message: route_components_pb2.DirectResponseAction, limit: int, notes: Notes) -> DirectResponse:
    if not 200 <= message.status < 600:
        raise ResourceRejectedError("DirectResponseActionValidationError.Status: value must be inside range [200, 600)")
    kind = message.body.WhichOneof("specifier")
    if kind in ("filename", "environment_variable"):
        notes.append(f"direct response body by {kind}")
    if message.HasField("body_format"):
        notes.append("direct response body format")
    body = message.body.inline_string or message.body.inline_bytes.decode("latin-1")
    if len(body.encode()) > limit:
        raise ResourceRejectedError(f"response body size is {len(body.encode())} bytes; maximum is {limit}")
    return DirectResponse(message.status, body)
