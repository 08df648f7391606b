"""Rows of the failure matrix: a situation, what client and access log of Envoy 1.40 see, what the model is told.

Status, body, flags and response code details are those measured on the binary; tests/conformance/test_envoy_failures.py
measures them again and asks the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from meshsim.dataplane.decide import Protocol, Request
from meshsim.dataplane.decide.upstream_ends import Attempt, End
from meshsim.xds import type_urls

Json = dict[str, Any]

_TYPE: Final = type_urls.PREFIX
RESET: Final = "upstream connect error or disconnect/reset before headers. reset reason: "
RETRIED: Final = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: "
BEFORE: Final = "upstream_reset_before_response_started"
GRPC: Final = (("content-type", "application/grpc"),)


class Row(NamedTuple):
    """One situation."""

    name: str
    status: int
    body: str
    flags: str
    details: str
    upstream: str = "answers"
    """Behaviour of the upstream: a key of `failure_lab.BEHAVIOURS`."""
    attempts: tuple[Attempt, ...] = (Attempt(End.ANSWERED),)
    """How its attempts end, as the model is told."""
    action: Mapping[str, Any] = {}
    """Of the route to it."""
    routes: tuple[Json, ...] | None = None
    """Other routes than the one to it."""
    domain: str = "*"
    cluster: Mapping[str, Any] = {}
    filters: tuple[Json, ...] = ()
    manager: Mapping[str, Any] = {}
    request: Request = Request(authority="x.com")
    protocol: Protocol = Protocol.HTTP11
    grpc_status: str = ""
    denies: str = ""
    """What the external authorizer does: ``denies`` or ``fails``."""
    times: int = 1
    """How often the request is sent; the last answer counts."""
    leaves: bool = False
    """Whether the client goes away while it waits."""


def http_filter(kind: str, **config: Any) -> Json:
    """An HTTP filter by the name of its package."""
    full = f"envoy.extensions.filters.http.{kind}"
    return {"name": f"envoy.filters.http.{kind.split('.')[0]}", "typed_config": {"@type": _TYPE + full, **config}}


def h2() -> Json:
    """Of a cluster that speaks HTTP/2."""
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    explicit: Json = {"explicit_http_config": {"http2_protocol_options": {}}}
    return {"typed_extension_protocol_options": {kind: {"@type": _TYPE + kind, **explicit}}}


def limited_stream(seconds: str) -> Json:
    """Of a cluster whose streams have a longest time."""
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    body = {
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"max_stream_duration": seconds},
    }
    return {"typed_extension_protocol_options": {kind: {"@type": _TYPE + kind, **body}}}


def breaker(**limits: int) -> Json:
    """Of a cluster with these limits."""
    return {"circuit_breakers": {"thresholds": [limits]}}


def retrying(tokens: str, retries: int, **policy: Any) -> Json:
    """Of a route that retries, without waiting long."""
    backoff = {"base_interval": "0.001s", "max_interval": "0.002s"}
    return {"retry_policy": {"retry_on": tokens, "num_retries": retries, "retry_back_off": backoff, **policy}}


def get(path: str = "/", method: str = "GET", *headers: tuple[str, str], body: int = 0) -> Request:
    """A request."""
    return Request(method=method, authority="x.com", path=path, headers=headers, body=body)


def grpc(path: str = "/s/m") -> Request:
    """A gRPC request."""
    return Request(method="POST", authority="x.com", path=path, headers=GRPC)


def rbac(action: str, **policies: Json) -> Json:
    """The RBAC filter."""
    return http_filter("rbac.v3.RBAC", rules={"action": action, "policies": policies})


NOBODY: Final[Json] = {
    "permissions": [{"header": {"name": "x-none", "present_match": True}}],
    "principals": [{"any": True}],
}
EVERYBODY: Final[Json] = {"permissions": [{"any": True}], "principals": [{"any": True}]}
_KEY: Final = '{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]}'


def jwt() -> Json:
    """A filter that wants a token of issuer ``i`` for audience ``us``."""
    provider = {"issuer": "i", "audiences": ["us"], "local_jwks": {"inline_string": _KEY}}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]
    return http_filter("jwt_authn.v3.JwtAuthentication", providers={"p": provider}, rules=rules)


def ext_authz() -> Json:
    """A filter that asks the authorizer of the row."""
    uri = {"uri": "http://authz", "cluster": "authz", "timeout": "1s"}
    return http_filter("ext_authz.v3.ExtAuthz", http_service={"server_uri": uri})


def token_bucket(tokens: int) -> Json:
    """A local rate limit that is never filled again."""
    bucket = {"max_tokens": tokens, "fill_interval": "3600s"}
    whole = {"default_value": {"numerator": 100}, "runtime_key": "x"}
    return http_filter(
        "local_ratelimit.v3.LocalRateLimit",
        stat_prefix="x",
        token_bucket=bucket,
        filter_enabled=whole,
        filter_enforced=whole,
    )


ALWAYS: Final[Json] = {"numerator": 100}
