"""Actions of routes from protobuf: where to forward to, redirects, direct responses.

What is refused, and in which words: Envoy source/common/router/config_impl.cc (each reason seen on 1.40).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from google.protobuf import any_pb2

from meshsim.dataplane.decide.durations import nanos, optional_nanos
from meshsim.dataplane.decide.endpoints import Labels, subset_labels
from meshsim.dataplane.decide.extensions import check_registered
from meshsim.dataplane.decide.filter_configs import CorsConfig, FilterConfig, cors_config, decode_filter_config
from meshsim.dataplane.decide.mutations import decode_mutations
from meshsim.dataplane.decide.rate_limits import decode_rules
from meshsim.dataplane.decide.rejected import ResourceRejectedError, check_constraints, unpack_valid
from meshsim.dataplane.decide.route_match import PathKind, RouteMatch
from meshsim.dataplane.decide.route_policies import (
    decode_hash_policy,
    decode_mirror,
    decode_regex_rewrite,
    decode_retry,
)
from meshsim.dataplane.decide.routes import (
    ClusterChoice,
    DirectResponse,
    Forward,
    HostRewrite,
    InternalRedirects,
    Mirror,
    PathRewrite,
    Redirect,
    RetryPolicy,
    WeightedCluster,
)
from meshsim.dataplane.decide.strings import Notes
from meshsim.dataplane.decide.uri_template import check_rewrite_template
from meshsim.units import Nanos
from meshsim.xds.messages import (
    allow_listed_routes_pb2,
    base_pb2,
    originate_redirect_pb2,
    route_components_pb2,
    safe_cross_scheme_pb2,
    uri_template_rewrite_pb2,
)

_DEFAULT_TIMEOUT: Final = 15_000_000_000
_REDIRECT_STATUS: Final = {0: 301, 1: 302, 2: 303, 3: 307, 4: 308}
_NOT_FOUND_STATUS: Final = {0: 503, 1: 404, 2: 500}
NO_FILTERS: Final[Mapping[str, FilterConfig]] = {}
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
_ORDINARY: Final = frozenset({302})
"""What is followed where no code is listed."""
_CLUSTER_TAG: Final = b"\x0a"
"""Wire tag of `RouteAction.cluster`, the field with the lowest number, so it stands first."""
_ONE_BYTE: Final = 0x80
"""A length below this is one byte on the wire."""
_CLUSTER: Final = "c"
"""Stands for the cluster in the shared part of an action."""


class Forwarding(NamedTuple):
    """A decoded action, and what else its message holds."""

    action: Forward
    cors: CorsConfig | None
    notes: tuple[str, ...]


def decode_filters(configs: Mapping[str, any_pb2.Any], notes: Notes) -> Mapping[str, FilterConfig]:
    """Filter configurations of a virtual host, route or weighted cluster, by filter name."""
    if not configs:
        return NO_FILTERS
    for name in sorted(configs):
        check_registered(name, configs[name])
    return {name: decode_filter_config(configs[name], notes) for name in sorted(configs)}


def decode_forward(
    body: bytes, match: RouteMatch, mirrors: tuple[Mirror, ...], retry: RetryPolicy | None
) -> Forwarding:
    """A serialized RouteAction, its constraints checked; `mirrors` and `retry` of its host count where it has none.

    The routes of a mesh share a handful of actions but for their cluster, so what stands behind the cluster is decoded
    once for equal bytes.
    """
    cluster, shared = "", None
    if body[:1] == _CLUSTER_TAG and body[1] < _ONE_BYTE:
        end = 2 + body[1]
        cluster = body[2:end].decode()
        shared = _shared(body[end:]) if cluster and match.kind is not PathKind.TEMPLATE else None
    if shared is None:
        message = route_components_pb2.RouteAction.FromString(body)
        check_constraints(message)
        shared = _decode(message, match)
    action = shared.action
    action = shared.action
    if cluster:
        action = Forward(ClusterChoice(cluster), *action[1:])
    if (retry and not action.retry) or (mirrors and not action.mirrors):
        action = action._replace(retry=action.retry or retry, mirrors=action.mirrors or mirrors)
    return Forwarding(action, shared.cors, shared.notes)


@lru_cache(maxsize=1024)
def _shared(rest: bytes) -> Forwarding | None:
    """An action without its cluster; None for one that must be seen together with its match."""
    message = route_components_pb2.RouteAction.FromString(rest)
    if message.HasField("path_rewrite_policy"):
        return None
    message.cluster = _CLUSTER
    check_constraints(message)
    return _decode(message, _ANY_PATH)


_ANY_PATH: Final = RouteMatch(PathKind.PREFIX, "/")


def _decode(message: route_components_pb2.RouteAction, match: RouteMatch) -> Forwarding:
    notes: Notes = []
    action = _forward(message, match, notes)
    cors = cors_config(message.cors, notes) if message.HasField("cors") else None
    return Forwarding(action, cors, tuple(notes))


def _forward(
    message: route_components_pb2.RouteAction,
    match: RouteMatch,
    notes: Notes,
) -> Forward:
    path = _path_rewrite(message, match)
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
        nanos(message.max_stream_duration.grpc_timeout_header_offset),
        decode_retry(message.retry_policy, notes) if message.HasField("retry_policy") else None,
        tuple(decode_mirror(m) for m in message.request_mirror_policies),
        tuple(decode_hash_policy(h, notes) for h in message.hash_policy),
        message.priority == base_pb2.HIGH,
        _subset(message.metadata_match) if message.HasField("metadata_match") else (),
        tuple(
            (u.upgrade_type.lower(), u.enabled.value if u.HasField("enabled") else True)
            for u in message.upgrade_configs
        ),
        _redirects(message.internal_redirect_policy, notes) if message.HasField("internal_redirect_policy") else None,
        message.hedge_policy.hedge_on_per_try_timeout if message.HasField("hedge_policy") else None,
        decode_rules(message.rate_limits, notes),
        message.include_vh_rate_limits.value,
    )


def _redirects(message: route_components_pb2.InternalRedirectPolicy, notes: Notes) -> InternalRedirects:
    most = message.max_internal_redirects
    policy = InternalRedirects(
        most.value if message.HasField("max_internal_redirects") else 1,
        frozenset(message.redirect_response_codes) & _FOLLOWED or _ORDINARY,
        message.allow_cross_scheme_redirect,
    )
    for predicate in message.predicates:
        packed = predicate.typed_config
        if packed.Is(allow_listed_routes_pb2.AllowListedRoutesConfig.DESCRIPTOR):
            listed = unpack_valid(packed, allow_listed_routes_pb2.AllowListedRoutesConfig).allowed_route_names
            policy = policy._replace(listed=frozenset(listed) & (policy.listed or frozenset(listed)))
        elif packed.Is(originate_redirect_pb2.PreviousRoutesConfig.DESCRIPTOR):
            policy = policy._replace(once=True)
        elif packed.Is(safe_cross_scheme_pb2.SafeCrossSchemeConfig.DESCRIPTOR):
            policy = policy._replace(safe=True)
        else:
            notes.append("internal redirect predicates")
    return policy


def _stream_limits(message: route_components_pb2.RouteAction) -> tuple[Nanos | None, Nanos | None]:
    """(limit of gRPC's own timeout, limit of the stream)."""
    limits = message.max_stream_duration
    return (
        optional_nanos(limits.grpc_timeout_header_max, limits.HasField("grpc_timeout_header_max")),
        optional_nanos(limits.max_stream_duration, limits.HasField("max_stream_duration")),
    )


def _subset(metadata: base_pb2.Metadata) -> Labels:
    return subset_labels(metadata.filter_metadata.get("envoy.lb"))


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
    for cluster in message.clusters:
        if bool(cluster.name) == bool(cluster.cluster_header):
            many = "Only one of name or cluster_header can be specified"
            none = "At least one of name or cluster_header need to be specified"
            raise ResourceRejectedError(many if cluster.name else none)
    unweighed = next((c for c in message.clusters if not c.HasField("weight")), None)
    if unweighed is not None:
        raise ResourceRejectedError(f"Field 'weight' is missing in: {unweighed}")
    clusters = tuple(
        WeightedCluster(
            c.name,
            c.weight.value,
            c.cluster_header.lower(),
            decode_mutations(c.request_headers_to_add, c.request_headers_to_remove),
            decode_mutations(c.response_headers_to_add, c.response_headers_to_remove),
            c.host_rewrite_literal,
            decode_filters(c.typed_per_filter_config, notes),
            _subset(c.metadata_match) if c.HasField("metadata_match") else (),
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
        raise ResourceRejectedError("Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy")
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


def decode_redirect(message: route_components_pb2.RedirectAction, match: RouteMatch) -> Redirect:
    """A RedirectAction."""
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


def decode_direct_response(
    message: route_components_pb2.DirectResponseAction, limit: int, notes: Notes
) -> DirectResponse:
    """A DirectResponseAction; `limit` is the most bytes of body that the table allows, 0 = any number."""
    if not 200 <= message.status < 600:
        raise ResourceRejectedError("DirectResponseActionValidationError.Status: value must be inside range [200, 600)")
    kind = message.body.WhichOneof("specifier")
    if kind in ("filename", "environment_variable"):
        notes.append(f"direct response body by {kind}")
    if message.HasField("body_format"):
        notes.append("direct response body format")
    body = message.body.inline_string or message.body.inline_bytes.decode("latin-1")
    if 0 < limit < len(body.encode()):
        raise ResourceRejectedError(f"response body size is {len(body.encode())} bytes; maximum is {limit}")
    return DirectResponse(message.status, body)
