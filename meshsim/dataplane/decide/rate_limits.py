"""Descriptors of rate limits: what routes say about requests, and the buckets that this asks for tokens.

Rules: Envoy source/common/router/router_ratelimit.cc (populateDescriptors), source/extensions/filters/http/
local_ratelimit/local_ratelimit.cc, source/extensions/filters/common/local_ratelimit/local_ratelimit_impl.cc
(requestAllowed), measured on 1.40.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from meshsim.dataplane.decide.headers import HeaderMap, HeaderMatcher, decode_header_matcher
from meshsim.dataplane.decide.strings import Notes
from meshsim.units import Nanos
from meshsim.xds.messages import route_components_pb2

Descriptor: TypeAlias = tuple[tuple[str, str], ...]
"""Keys and values, in order."""


class TokenBucket(NamedTuple):
    """A bucket of tokens: for requests of a descriptor, or for all."""

    max_tokens: int
    tokens_per_fill: int
    fill_interval: Nanos
    entries: Descriptor = ()
    """An empty value stands for any, each with tokens of its own."""

    @property
    def rate(self) -> float:
        """Tokens a nanosecond."""
        return self.tokens_per_fill / self.fill_interval


class Action(NamedTuple):
    """One part of a descriptor."""

    kind: str
    key: str
    value: str = ""
    """Of `request_headers` the name of the header."""
    may_lack: bool = False
    """Whether a request without it has the descriptor without this part."""
    headers: tuple[HeaderMatcher, ...] = ()
    expected: bool = True


class DescriptorRule(NamedTuple):
    """`rate_limits` of a route: a descriptor of the requests that have all its parts."""

    stage: int
    actions: tuple[Action, ...]


def decode_rules(messages: Iterable[route_components_pb2.RateLimit], notes: Notes) -> tuple[DescriptorRule, ...]:
    """The rules of a route, a virtual host or a filter; what has parts that are not modelled is noted and left out."""
    found = []
    for message in messages:
        actions = [_action(action, notes) for action in message.actions]
        parts = tuple(action for action in actions if action is not None)
        if message.HasField("hits_addend") or message.apply_on_stream_done or message.HasField("limit"):
            notes.append("hits and limits of rate limit rules")
        if len(parts) == len(actions):
            found.append(DescriptorRule(message.stage.value, parts))
    return tuple(found)


def _action(message: route_components_pb2.RateLimit.Action, notes: Notes) -> Action | None:
    kind = message.WhichOneof("action_specifier") or ""
    if kind == "request_headers":
        header = message.request_headers
        return Action(kind, header.descriptor_key, header.header_name.lower(), header.skip_if_absent)
    if kind == "remote_address":
        return Action(kind, kind)
    if kind == "destination_cluster":
        return Action(kind, kind)
    if kind == "generic_key":
        return Action(kind, message.generic_key.descriptor_key or kind, message.generic_key.descriptor_value)
    if kind == "header_value_match":
        match = message.header_value_match
        expected = match.expect_match.value if match.HasField("expect_match") else True
        headers = tuple(decode_header_matcher(h, notes) for h in match.headers)
        return Action(kind, match.descriptor_key or "header_match", match.descriptor_value, False, headers, expected)
    notes.append(f"rate limit action {kind}")
    return None


def descriptors(
    rules: Sequence[DescriptorRule], stage: int, headers: HeaderMap, source: str, cluster: str
) -> list[Descriptor]:
    """The descriptors of a request of a client at `source` that goes to a cluster."""
    found = []
    for rule in rules:
        if rule.stage != stage:
            continue
        values = [(action, _value(action, headers, source, cluster)) for action in rule.actions]
        if any(value is None and not action.may_lack for action, value in values):
            continue
        parts = tuple((action.key, value) for action, value in values if value is not None)
        if parts:
            found.append(parts)
    return found


def _value(action: Action, headers: HeaderMap, source: str, cluster: str) -> str | None:
    match action.kind:
        case "request_headers":
            return headers.get(action.value)
        case "remote_address":
            return source
        case "destination_cluster":
            return cluster
        case "header_value_match":
            matched = all(header.matches(headers) for header in action.headers)
            return action.value if matched == action.expected else None
        case _:
            return action.value


def asked_buckets(
    buckets: Sequence[TokenBucket], requested: Sequence[Descriptor], default: TokenBucket | None, always: bool
) -> list[TokenBucket]:
    """The buckets that a request takes a token of, the slowest first, the default one last; one that is empty ends it.

    A bucket for any value is told by the values that it was asked for. `always`: the default one is asked too where
    others are.
    """
    exact = {bucket.entries: bucket for bucket in buckets}
    found: list[TokenBucket] = []
    for descriptor in requested:
        bucket = exact.get(descriptor) or next((b for b in buckets if _covers(b.entries, descriptor)), None)
        if bucket is not None:
            found.append(bucket._replace(entries=descriptor))
    found.sort(key=lambda bucket: bucket.rate)
    if default is not None and (always or not found):
        found.append(default)
    return found


def _covers(entries: Descriptor, descriptor: Descriptor) -> bool:
    """Whether entries of which some have any value are a descriptor's."""
    if len(entries) != len(descriptor) or all(value for _, value in entries):
        return False
    return all(key == own and value in ("", given) for (key, value), (own, given) in zip(entries, descriptor))
