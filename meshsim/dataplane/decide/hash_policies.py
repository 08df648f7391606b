"""The hash of a request, from the hash policies of its route (Envoy source/common/http/hash_policy.cc)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from meshsim.dataplane.decide.headers import HeaderMap, query_parameters
from meshsim.dataplane.decide.re2 import global_replace
from meshsim.dataplane.decide.routes import HashPolicy, HashSource
from meshsim.dataplane.hashing import combine_hashes, xx_hash64, xx_hash64_all


class RequestHash(NamedTuple):
    """What a hash balancer gets to see of requests that are alike."""

    value: int | None = None
    """An unsigned 64-bit number, None where nothing was found to hash: each request then falls anywhere."""
    by_session: bool = False
    """Whether each client has a hash of its own: Envoy makes up a cookie, or clients have addresses of their own."""


NO_HASH = RequestHash()


def request_hash(policies: Sequence[HashPolicy], headers: HeaderMap, source: str | None) -> RequestHash:
    """The hash of a request as it is sent upstream; `source` is its client's address, None where each has its own."""
    found: list[tuple[int | None, bool]] = []
    for policy in policies:
        if _by_session(policy, headers, source):
            return RequestHash(None, by_session=True)
        found.append((_hash(policy, headers, source), policy.terminal))
        if policy.terminal and any(value is not None for value, _ in found):
            break
    return RequestHash(combine_hashes(found))


def _by_session(policy: HashPolicy, headers: HeaderMap, source: str | None) -> bool:
    if policy.source is HashSource.COOKIE:
        return policy.cookie_ttl is not None and not cookie_value(headers, policy.name)
    return policy.source is HashSource.SOURCE_IP and source is None


def _hash(policy: HashPolicy, headers: HeaderMap, source: str | None) -> int | None:
    match policy.source:
        case HashSource.HEADER:
            values = headers.all(policy.name)
            if policy.rewrite is not None:
                values = [
                    global_replace(policy.rewrite.pattern, value, policy.rewrite.substitution) for value in values
                ]
            return xx_hash64_all([v.encode() for v in sorted(values)]) if values else None
        case HashSource.COOKIE:
            cookie = cookie_value(headers, policy.name)
            return xx_hash64(cookie.encode()) if cookie else None
        case HashSource.QUERY_PARAMETER:
            value = query_parameters(headers.get(":path") or "").get(policy.name)
            return xx_hash64(value.encode()) if value is not None else None
        case HashSource.SOURCE_IP:
            return xx_hash64(source.encode()) if source else None
        case HashSource.FILTER_STATE:
            return None


def cookie_value(headers: HeaderMap, name: str) -> str:
    """A cookie's value without its quotes, empty without (Envoy source/common/http/utility.cc, parseCookieValue)."""
    for header in headers.all("cookie"):
        for part in header.split(";"):
            key, equals, value = part.strip(" ").partition("=")
            if key == name and equals:
                quoted = len(value) >= 2 and value[0] == value[-1] == '"'
                return value[1:-1] if quoted else value
    return ""
