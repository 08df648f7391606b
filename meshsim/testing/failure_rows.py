"""The failure matrix: situations, what a client and the access log of Envoy 1.40 see, and what the model is told.

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


def _h2() -> Json:
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    explicit = {"explicit_http_config": {"http2_protocol_options": {}}}
    return {"typed_extension_protocol_options": {kind: {"@type": _TYPE + kind, **explicit}}}


def _limited_stream(seconds: str) -> Json:
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    body = {
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"max_stream_duration": seconds},
    }
    return {"typed_extension_protocol_options": {kind: {"@type": _TYPE + kind, **body}}}


def _breaker(**limits: int) -> Json:
    return {"circuit_breakers": {"thresholds": [limits]}}


def _retrying(tokens: str, retries: int, **policy: Any) -> Json:
    backoff = {"base_interval": "0.001s", "max_interval": "0.002s"}
    return {"retry_policy": {"retry_on": tokens, "num_retries": retries, "retry_back_off": backoff, **policy}}


def _get(path: str = "/", method: str = "GET", *headers: tuple[str, str], body: int = 0) -> Request:
    return Request(method=method, authority="x.com", path=path, headers=headers, body=body)


def _grpc(path: str = "/s/m") -> Request:
    return Request(method="POST", authority="x.com", path=path, headers=GRPC)


def _rbac(action: str, **policies: Json) -> Json:
    return http_filter("rbac.v3.RBAC", rules={"action": action, "policies": policies})


_NOBODY: Final[Json] = {
    "permissions": [{"header": {"name": "x-none", "present_match": True}}],
    "principals": [{"any": True}],
}
_EVERYBODY: Final[Json] = {"permissions": [{"any": True}], "principals": [{"any": True}]}
_KEY: Final = '{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]}'


def _jwt() -> Json:
    provider = {"issuer": "i", "audiences": ["us"], "local_jwks": {"inline_string": _KEY}}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]
    return http_filter("jwt_authn.v3.JwtAuthentication", providers={"p": provider}, rules=rules)


def _ext_authz() -> Json:
    uri = {"uri": "http://authz", "cluster": "authz", "timeout": "1s"}
    return http_filter("ext_authz.v3.ExtAuthz", http_service={"server_uri": uri})


def _limit(tokens: int) -> Json:
    bucket = {"max_tokens": tokens, "fill_interval": "3600s"}
    whole = {"default_value": {"numerator": 100}, "runtime_key": "x"}
    return http_filter(
        "local_ratelimit.v3.LocalRateLimit",
        stat_prefix="x",
        token_bucket=bucket,
        filter_enabled=whole,
        filter_enforced=whole,
    )


_ALWAYS: Final[Json] = {"numerator": 100}


def local_rows() -> list[Row]:
    """What the proxy answers without any upstream."""
    return [
        Row("no virtual host", 404, "", "NR", "route_not_found", domain="other.com"),
        Row("no route", 404, "", "NR", "route_not_found", routes=()),
        Row("no cluster", 503, "", "NC", "cluster_not_found", action={"cluster": "nope"}),
        Row(
            "no cluster, with a status of its own",
            404,
            "",
            "NC",
            "cluster_not_found",
            action={"cluster": "nope", "cluster_not_found_response_code": "NOT_FOUND"},
        ),
        Row("no host", 503, "no healthy upstream", "UH", "no_healthy_upstream", upstream="none"),
        Row(
            "no healthy host",
            503,
            "no healthy upstream",
            "UH",
            "no_healthy_upstream",
            upstream="unhealthy",
            cluster={"common_lb_config": {"healthy_panic_threshold": {"value": 0}}},
        ),
        Row(
            "an injected abort",
            418,
            "fault filter abort",
            "FI",
            "fault_filter_abort",
            filters=(http_filter("fault.v3.HTTPFault", abort={"http_status": 418, "percentage": _ALWAYS}),),
        ),
        Row(
            "an injected delay and abort",
            503,
            "fault filter abort",
            "DI,FI",
            "fault_filter_abort",
            filters=(
                http_filter(
                    "fault.v3.HTTPFault",
                    abort={"http_status": 503, "percentage": _ALWAYS},
                    delay={"fixed_delay": "0.01s", "percentage": _ALWAYS},
                ),
            ),
        ),
        Row(
            "an injected delay",
            200,
            "ok",
            "DI",
            "via_upstream",
            filters=(http_filter("fault.v3.HTTPFault", delay={"fixed_delay": "0.01s", "percentage": _ALWAYS}),),
        ),
        Row(
            "an empty token bucket",
            429,
            "local_rate_limited",
            "RL",
            "local_rate_limited",
            filters=(_limit(1),),
            times=2,
        ),
        Row(
            "no policy that allows",
            403,
            "RBAC: access denied",
            "",
            "rbac_access_denied_matched_policy[none]",
            filters=(_rbac("ALLOW", nobody=_NOBODY),),
        ),
        Row(
            "a policy that denies",
            403,
            "RBAC: access denied",
            "",
            "rbac_access_denied_matched_policy[everybody]",
            filters=(_rbac("DENY", everybody=_EVERYBODY),),
        ),
        Row(
            "no token",
            401,
            "Jwt is missing",
            "",
            "jwt_authn_access_denied{Jwt_is_missing}",
            filters=(_jwt(),),
        ),
        Row(
            "a token that is none",
            401,
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            "",
            "jwt_authn_access_denied{Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections}",
            filters=(_jwt(),),
            request=_get("/", "GET", ("authorization", "Bearer x.y")),
        ),
        Row(
            "an authorizer that denies",
            401,
            "who are you",
            "UAEX",
            "ext_authz_denied",
            filters=(_ext_authz(),),
            denies="denies",
        ),
        Row(
            "an authorizer that fails",
            403,
            "",
            "UAEX",
            "ext_authz_error",
            filters=(_ext_authz(),),
            denies="fails",
        ),
        Row(
            "a body over the buffer",
            413,
            "Payload Too Large",
            "",
            "request_payload_too_large",
            filters=(http_filter("buffer.v3.Buffer", max_request_bytes=10),),
            request=_get("/", "POST", body=100),
        ),
        Row(
            "a direct response",
            201,
            "made up",
            "",
            "direct_response",
            routes=(
                {"match": {"prefix": "/"}, "direct_response": {"status": 201, "body": {"inline_string": "made up"}}},
            ),
        ),
        Row(
            "a redirect",
            301,
            "",
            "",
            "direct_response",
            routes=({"match": {"prefix": "/"}, "redirect": {"https_redirect": True}},),
        ),
        Row(
            "a host that has to use TLS",
            301,
            "",
            "",
            "direct_response",
            manager={"_require_tls": "ALL"},
        ),
        Row(
            "an upgrade that nobody allows",
            403,
            "",
            "",
            "upgrade_failed",
            request=_get("/", "GET", ("connection", "upgrade"), ("upgrade", "websocket")),
        ),
    ]


def codec_rows() -> list[Row]:
    """What the codec and the checks behind it refuse."""
    many = tuple((f"x-{index}", "v" * 1000) for index in range(64))
    reject = {"path_with_escaped_slashes_action": "REJECT_REQUEST"}
    return [
        Row("HTTP/1.0", 426, "Upgrade Required", "DPE", "low_version", protocol=Protocol.HTTP10),
        Row("bytes that are not HTTP", 400, "Bad Request", "DPE", "http1.codec_error", protocol=Protocol.TCP),
        Row("an unknown method", 400, "Bad Request", "DPE", "http1.codec_error", request=_get("/", "FOO")),
        Row("a method in lower case", 400, "Bad Request", "DPE", "http1.codec_error", request=_get("/", "get")),
        Row("a relative target", 400, "Bad Request", "DPE", "http1.codec_error", request=_get("a/b")),
        Row(
            "a length and chunks",
            400,
            "Bad Request",
            "DPE",
            "http1.content_length_and_chunked_not_allowed",
            request=_get("/", "POST", ("content-length", "0"), ("transfer-encoding", "chunked")),
        ),
        Row(
            "headers over 60 KiB",
            431,
            "Request Header Fields Too Large",
            "DPE",
            "http1.headers_too_large",
            request=_get("/", "GET", *many),
        ),
        Row("no host header", 400, "", "", "missing_host_header", request=Request(authority=None)),
        Row(
            "an underscore where none is allowed",
            400,
            "Bad Request",
            "DPE",
            "http1.unexpected_underscore",
            manager={"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}},
            request=_get("/", "GET", ("a_b", "c")),
        ),
        Row(
            "an escaped slash where none is allowed",
            400,
            "",
            "",
            "path_normalization_failed",
            manager=reject,
            request=_get("/a%2fb"),
        ),
        Row(
            "a zero in a path",
            400,
            "",
            "",
            "path_normalization_failed",
            manager={"normalize_path": True},
            request=_get("/a%00b"),
        ),
        Row("a target of all", 404, "", "", "absolute_path_rejected", request=_get("*", "OPTIONS")),
    ]


def upstream_rows() -> list[Row]:
    """How attempts end."""
    return [
        _ends("a connection that is refused", End.CONNECTION_REFUSED, "UF", "refuses"),
        _ends(
            "a connection that is never made",
            End.CONNECT_TIMEOUT,
            "UF",
            "drops",
            cluster={"connect_timeout": "0.1s"},
        ),
        _ends("an upstream that closes", End.CONNECTION_CLOSED, "UC", "closes"),
        _ends("an upstream that resets the connection", End.CONNECTION_CLOSED, "UC", "resets"),
        _ends("an upstream that talks nonsense", End.PROTOCOL_ERROR, "UPE", "nonsense", status=502),
        _ends("a stream that is cancelled", End.REMOTE_RESET, "UR", "h2 cancel", cluster=_h2()),
        _ends("a stream that is reset without error", End.REMOTE_RESET, "UR", "h2 no error", cluster=_h2()),
        _ends("a stream that fails inside", End.REMOTE_RESET, "UR", "h2 internal", cluster=_h2()),
        _ends("a stream that is told to calm down", End.REMOTE_RESET, "UR", "h2 calm", cluster=_h2()),
        _ends("a stream that is refused", End.REFUSED_STREAM, "UR", "h2 refused", cluster=_h2()),
        _ends("a stream that a GOAWAY leaves out", End.REFUSED_STREAM, "UR", "h2 goaway", cluster=_h2()),
        _ends("a stream that breaks the protocol", End.PROTOCOL_ERROR, "UPE", "h2 protocol", status=502, cluster=_h2()),
        _ends(
            "no connection left",
            End.OVERFLOW,
            "UO",
            "answers",
            cluster=_breaker(max_connections=0, max_pending_requests=0),
        ),
        _ends("no request left", End.OVERFLOW, "UO", "answers", cluster=_breaker(max_requests=0)),
        Row(
            "a body that is cut",
            200,
            "half",
            "UPE",
            "upstream_reset_after_response_started{protocol_error}",
            upstream="cuts",
            attempts=(Attempt(End.PROTOCOL_ERROR, 200, "half", headers_sent=True),),
        ),
        Row(
            "a stream that is reset after its headers",
            200,
            "",
            "UR",
            "upstream_reset_after_response_started{remote_reset}",
            upstream="h2 late",
            cluster=_h2(),
            attempts=(Attempt(End.REMOTE_RESET, 200, "", headers_sent=True),),
        ),
        Row(
            "a client that leaves",
            0,
            "",
            "DC",
            "downstream_remote_disconnect",
            upstream="silent",
            attempts=(Attempt(End.CLIENT_LEFT),),
            leaves=True,
        ),
    ]


def _ends(
    name: str, end: End, flag: str, upstream: str, status: int = 503, cluster: Mapping[str, Any] | None = None
) -> Row:
    cause = "|delayed_connect_error:_Connection_refused" if end is End.CONNECTION_REFUSED else ""
    details = f"{BEFORE}{{{end.value.replace(' ', '_')}{cause}}}"
    attempts = (Attempt(end),)
    return Row(name, status, RESET + end.value, flag, details, upstream, attempts, cluster=cluster or {})


def time_rows() -> list[Row]:
    """What runs out while an upstream is silent."""
    silent = (Attempt(End.SILENT),)
    text = "upstream request timeout"
    return [
        Row("the route's time", 504, text, "UT", "response_timeout", "silent", silent, {"timeout": "0.1s"}),
        Row(
            "the time of one try",
            504,
            text,
            "UT",
            "upstream_per_try_timeout",
            "silent",
            silent,
            _retrying("connect-failure", 1, per_try_timeout="0.1s"),
        ),
        Row(
            "the time of every try",
            504,
            text,
            "URX,UT",
            "upstream_per_try_timeout",
            "silent",
            silent,
            _retrying("reset", 1, per_try_timeout="0.1s"),
        ),
        Row(
            "the idle time of one try",
            504,
            text,
            "UT",
            "upstream_per_try_idle_timeout",
            "silent",
            silent,
            _retrying("connect-failure", 1, per_try_idle_timeout="0.1s"),
        ),
        Row(
            "the route's time before its tries",
            504,
            text,
            "UT",
            "response_timeout",
            "silent",
            silent,
            {"timeout": "0.25s", **_retrying("reset", 9, per_try_timeout="0.1s")},
        ),
        Row(
            "the route's idle time",
            504,
            "stream timeout",
            "SI",
            "stream_idle_timeout",
            "silent",
            silent,
            {"idle_timeout": "0.1s"},
        ),
        Row(
            "the manager's idle time",
            504,
            "stream timeout",
            "SI",
            "stream_idle_timeout",
            "silent",
            silent,
            manager={"stream_idle_timeout": "0.1s"},
        ),
        Row(
            "the stream's time",
            504,
            "downstream duration timeout",
            "",
            "max_duration_timeout",
            "silent",
            silent,
            {"max_stream_duration": {"max_stream_duration": "0.1s"}},
        ),
        Row(
            "the manager's stream time",
            504,
            "downstream duration timeout",
            "",
            "max_duration_timeout",
            "silent",
            silent,
            manager={"common_http_protocol_options": {"max_stream_duration": "0.1s"}},
        ),
        Row(
            "the cluster's stream time",
            504,
            "upstream max stream duration reached",
            "UMSDR",
            "upstream_max_stream_duration_reached",
            "silent",
            silent,
            cluster=_limited_stream("0.1s"),
        ),
    ]


def retry_rows() -> list[Row]:
    """When tries are used up or refused."""
    failing = (Attempt(End.ANSWERED, 503, "sorry"),)
    refused = (Attempt(End.CONNECTION_REFUSED),)
    closed = (Attempt(End.CONNECTION_CLOSED),)
    details = f"{BEFORE}{{remote_connection_failure|delayed_connect_error:_Connection_refused}}"
    return [
        Row("an upstream's own 503", 503, "sorry", "", "via_upstream", "503", failing),
        Row("a 503 that is not retried", 503, "sorry", "", "via_upstream", "503", failing, _retrying("reset", 2)),
        Row("503s until tries are used up", 503, "sorry", "URX", "via_upstream", "503", failing, _retrying("5xx", 2)),
        Row(
            "refusals until tries are used up",
            503,
            RETRIED + "remote connection failure",
            "URX,UF",
            details,
            "refuses",
            refused,
            _retrying("connect-failure", 2),
        ),
        Row(
            "closing until tries are used up",
            503,
            RETRIED + "connection termination",
            "URX,UC",
            f"{BEFORE}{{connection_termination}}",
            "closes",
            closed,
            _retrying("gateway-error", 1),
        ),
        Row(
            "closing that is not retried",
            503,
            RESET + "connection termination",
            "UC",
            f"{BEFORE}{{connection_termination}}",
            "closes",
            closed,
            _retrying("connect-failure", 2),
        ),
        Row(
            "a retry that the breaker refuses",
            503,
            "sorry",
            "UO",
            "via_upstream",
            "503",
            failing,
            _retrying("5xx", 2),
            cluster=_breaker(max_retries=0),
        ),
        Row(
            "a 503 that is rate limited",
            503,
            "sorry",
            "",
            "via_upstream",
            "503 limited",
            (Attempt(End.ANSWERED, 503, "sorry", (("x-envoy-ratelimited", "true"),)),),
            _retrying("5xx", 2),
        ),
        Row(
            "a status of the list",
            503,
            "sorry",
            "URX",
            "via_upstream",
            "503",
            failing,
            _retrying("retriable-status-codes", 1, retriable_status_codes=[503]),
        ),
    ]


def grpc_rows() -> list[Row]:
    """The same to gRPC: a status and a message in an HTTP 200."""
    return [
        Row("gRPC: no route", 200, "", "NR", "route_not_found", routes=(), request=_grpc(), grpc_status="12"),
        Row(
            "gRPC: no cluster",
            200,
            "",
            "NC",
            "cluster_not_found",
            action={"cluster": "nope"},
            request=_grpc(),
            grpc_status="14",
        ),
        Row(
            "gRPC: no host",
            200,
            "",
            "UH",
            "no_healthy_upstream",
            upstream="none",
            request=_grpc(),
            grpc_status="14",
        ),
        Row(
            "gRPC: denied",
            200,
            "",
            "",
            "rbac_access_denied_matched_policy[none]",
            filters=(_rbac("ALLOW", nobody=_NOBODY),),
            request=_grpc(),
            grpc_status="7",
        ),
        Row(
            "gRPC: no token",
            200,
            "",
            "",
            "jwt_authn_access_denied{Jwt_is_missing}",
            filters=(_jwt(),),
            request=_grpc(),
            grpc_status="16",
        ),
        Row(
            "gRPC: refused",
            200,
            "",
            "UF",
            f"{BEFORE}{{remote_connection_failure|delayed_connect_error:_Connection_refused}}",
            "refuses",
            (Attempt(End.CONNECTION_REFUSED),),
            request=_grpc(),
            grpc_status="14",
        ),
        Row(
            "gRPC: the route's time",
            200,
            "",
            "UT",
            "response_timeout",
            "silent",
            (Attempt(End.SILENT),),
            {"timeout": "0.1s"},
            request=_grpc(),
            grpc_status="14",
        ),
        Row(
            "gRPC: the stream's time",
            200,
            "",
            "",
            "max_duration_timeout",
            "silent",
            (Attempt(End.SILENT),),
            {"max_stream_duration": {"max_stream_duration": "0.1s"}},
            request=_grpc(),
            grpc_status="4",
        ),
        Row(
            "gRPC: an empty token bucket",
            200,
            "",
            "RL",
            "local_rate_limited",
            filters=(_limit(1),),
            times=2,
            request=_grpc(),
            grpc_status="14",
        ),
        Row(
            "gRPC: an injected status",
            200,
            "",
            "FI",
            "fault_filter_abort",
            filters=(http_filter("fault.v3.HTTPFault", abort={"grpc_status": 13, "percentage": _ALWAYS}),),
            request=_grpc(),
            grpc_status="13",
        ),
    ]


def rows() -> list[Row]:
    """The whole matrix."""
    return [*local_rows(), *codec_rows(), *upstream_rows(), *time_rows(), *retry_rows(), *grpc_rows()]
