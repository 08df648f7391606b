"""Policies of routes from protobuf: retries, hashing, mirrors, regular expression rewrites."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from meshsim.dataplane.decide.chances import ALWAYS, decode_fraction
from meshsim.dataplane.decide.durations import nanos, optional_nanos
from meshsim.dataplane.decide.endpoints import Labels, subset_labels
from meshsim.dataplane.decide.headers import decode_header_matcher
from meshsim.dataplane.decide.re2 import compile_re2
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.routes import HashPolicy, HashSource, Mirror, RegexRewrite, RetryPolicy
from meshsim.dataplane.decide.strings import Notes
from meshsim.units import Nanos
from meshsim.xds.messages import omit_host_metadata_pb2, previous_priorities_pb2, regex_pb2, route_components_pb2


def decode_regex_rewrite(message: regex_pb2.RegexMatchAndSubstitute) -> RegexRewrite:
    """A pattern and its substitution; raises `ResourceRejectedError` for a bad pattern."""
    return RegexRewrite(compile_re2(message.pattern.regex), message.substitution)


_PREDICATE: Final = "envoy.extensions.retry.host"
_PREVIOUS_HOSTS: Final = (
    "envoy.retry_host_predicates.previous_hosts",
    f"{_PREDICATE}.previous_hosts.v3.PreviousHostsPredicate",
)
_OMIT_CANARY: Final = (
    "envoy.retry_host_predicates.omit_canary_hosts",
    f"{_PREDICATE}.omit_canary_hosts.v3.OmitCanaryHostsPredicate",
)


_OMIT_METADATA: Final = f"{_PREDICATE}.omit_host_metadata.v3.OmitHostMetadataConfig"


def decode_retry(message: route_components_pb2.RetryPolicy, notes: Notes) -> RetryPolicy:
    """A RetryPolicy with Envoy's defaults filled in; most routes of a mesh share a handful of them."""
    policy, noted = _retry(message.SerializeToString())
    notes += noted
    return policy


@lru_cache(maxsize=1024)
def _retry(body: bytes) -> tuple[RetryPolicy, tuple[str, ...]]:
    message = route_components_pb2.RetryPolicy.FromString(body)
    notes: Notes = []
    previous_hosts = omit_canary = False
    omitted: list[Labels] = []
    for predicate in message.retry_host_predicate:
        # Extensions are found by the type of their configuration, by name without one.
        kind = predicate.typed_config.type_url.rpartition("/")[2] or predicate.name
        if kind in _PREVIOUS_HOSTS:
            previous_hosts = True
        elif kind in _OMIT_CANARY:
            omit_canary = True
        elif kind == _OMIT_METADATA:
            wanted = unpack_valid(predicate.typed_config, omit_host_metadata_pb2.OmitHostMetadataConfig).metadata_match
            labels = subset_labels(wanted.filter_metadata.get("envoy.lb"))
            # Without labels nothing is omitted.
            omitted += [labels] if labels else []
        else:
            notes.append(f"retry host predicate {predicate.name}")
    update_frequency = 0
    if message.HasField("retry_priority"):
        packed = message.retry_priority.typed_config
        update_frequency = unpack_valid(packed, previous_priorities_pb2.PreviousPrioritiesConfig).update_frequency
    base: Nanos = 25_000_000
    highest: Nanos = 0
    if message.HasField("retry_back_off"):
        back_off = message.retry_back_off
        base = max(nanos(back_off.base_interval), 1_000_000)
        highest = nanos(back_off.max_interval)
        if highest and highest < nanos(back_off.base_interval):
            raise ResourceRejectedError("retry_policy.max_interval must greater than or equal to the base_interval")
    limited = message.rate_limited_retry_back_off
    policy = RetryPolicy(
        tuple(t for t in message.retry_on.replace(" ", "").split(",") if t),
        message.num_retries.value if message.HasField("num_retries") else 1,
        nanos(message.per_try_timeout),
        nanos(message.per_try_idle_timeout),
        tuple(message.retriable_status_codes),
        previous_hosts,
        update_frequency,
        message.host_selection_retry_max_attempts or 1,
        base,
        highest or base * 10,
        tuple(decode_header_matcher(h, notes) for h in message.retriable_headers),
        tuple(decode_header_matcher(h, notes) for h in message.retriable_request_headers),
        omit_canary,
        tuple((h.name.lower(), bool(h.format)) for h in limited.reset_headers),
        nanos(limited.max_interval) if limited.HasField("max_interval") else 300_000_000_000,
        tuple(omitted),
    )
    return policy, tuple(notes)


def decode_hash_policy(message: route_components_pb2.RouteAction.HashPolicy, notes: Notes) -> HashPolicy:
    """One entry of a hash policy list."""
    kind = message.WhichOneof("policy_specifier")
    if kind is None:
        raise ResourceRejectedError("HashPolicyValidationError.PolicySpecifier: value is required")
    source, terminal = HashSource(kind), message.terminal
    if source is HashSource.HEADER:
        header = message.header
        rewrite = decode_regex_rewrite(header.regex_rewrite) if header.HasField("regex_rewrite") else None
        return HashPolicy(source, message.header.header_name.lower(), terminal, rewrite=rewrite)
    if source is HashSource.COOKIE:
        cookie = message.cookie
        ttl = optional_nanos(cookie.ttl, cookie.HasField("ttl"))
        if cookie.attributes:
            notes.append("attributes of a hash cookie")
        return HashPolicy(source, cookie.name, terminal, ttl, cookie.path)
    if source is HashSource.QUERY_PARAMETER:
        return HashPolicy(source, message.query_parameter.name, terminal)
    if source is HashSource.FILTER_STATE:
        notes.append("hash policy on filter state")
        return HashPolicy(source, message.filter_state.key, terminal)
    return HashPolicy(source, "", terminal)


def decode_mirror(message: route_components_pb2.RouteAction.RequestMirrorPolicy) -> Mirror:
    """A mirror; without a fraction it takes every request."""
    present = message.HasField("runtime_fraction")
    name, header = message.cluster, message.cluster_header
    if name and header:
        raise ResourceRejectedError(
            f"Only one of cluster '{name}' or cluster_header '{header}' in request mirror policy can be specified"
        )
    if not name and not header:
        raise ResourceRejectedError(
            "Exactly one of cluster or cluster_header in request mirror policy need to be specified"
        )
    return Mirror(
        name,
        header.lower(),
        decode_fraction(message.runtime_fraction.default_value) if present else ALWAYS,
        not message.disable_shadow_host_suffix_append,
        message.host_rewrite_literal,
    )
