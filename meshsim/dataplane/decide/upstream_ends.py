"""What a client gets for the ways in which attempts at an upstream end: the router's half of the failure matrix.

Rules: Envoy source/common/router/router.cc (onUpstreamReset, onUpstreamHeaders, timeouts) and retry_state_impl.cc;
texts, flags and details measured on Envoy 1.40 (tests/conformance/test_envoy_failures.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from meshsim.dataplane.decide.decision import Flag, Policies, Reply
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.routes import RetryPolicy
from meshsim.units import Nanos


class End(Enum):
    """How one attempt ends; the value is Envoy's name of the reset, where it is one."""

    ANSWERED = "answered"
    CONNECTION_REFUSED = "remote connection failure"
    CONNECT_TIMEOUT = "connection timeout"
    CONNECTION_CLOSED = "connection termination"
    REMOTE_RESET = "remote reset"
    """RST_STREAM of HTTP/2, but for the two codes below."""
    REFUSED_STREAM = "remote refused stream reset"
    """RST_STREAM with REFUSED_STREAM, or a GOAWAY that does not count the stream in."""
    PROTOCOL_ERROR = "protocol error"
    """Bytes that are not HTTP, a body that ends too early, or RST_STREAM with PROTOCOL_ERROR."""
    OVERFLOW = "overflow"
    """A circuit breaker: nothing was sent."""
    SILENT = "silent"
    """No answer before the first limit runs out."""
    CLIENT_LEFT = "client left"


class Attempt(NamedTuple):
    """One attempt; status, body and headers are those of the upstream."""

    end: End
    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    headers_sent: bool = False
    """Whether the answer had begun before it ended so."""


class Finished(NamedTuple):
    """What the client got."""

    reply: Reply
    attempts: int


_FLAGS: Final = {
    End.CONNECTION_REFUSED: Flag.UPSTREAM_CONNECTION_FAILURE,
    End.CONNECT_TIMEOUT: Flag.UPSTREAM_CONNECTION_FAILURE,
    End.CONNECTION_CLOSED: Flag.UPSTREAM_TERMINATION,
    End.REMOTE_RESET: Flag.UPSTREAM_REMOTE_RESET,
    End.REFUSED_STREAM: Flag.UPSTREAM_REMOTE_RESET,
    End.PROTOCOL_ERROR: Flag.UPSTREAM_PROTOCOL_ERROR,
    End.OVERFLOW: Flag.UPSTREAM_OVERFLOW,
}
_CAUSES: Final = {End.CONNECTION_REFUSED: "delayed_connect_error:_Connection_refused"}
"""Transport failures that details name besides the reset."""
_BODY: Final = "upstream connect error or disconnect/reset before headers. "
_CONNECT_FAILURES: Final = (End.CONNECTION_REFUSED, End.CONNECT_TIMEOUT)
_GRPC_TOKENS: Final = {
    "cancelled": "1",
    "deadline-exceeded": "4",
    "resource-exhausted": "8",
    "internal": "13",
    "unavailable": "14",
}


class _Limit(NamedTuple):
    """What ends a silent attempt."""

    after: Nanos
    reply: Reply
    per_try: bool = False


def finish(
    policies: Policies,
    attempts: Sequence[Attempt],
    *,
    cluster_limit: Nanos = 0,
    retries_allowed: bool = True,
) -> Finished:
    """The end of a request whose attempts end so, one after another; the last one repeats.

    `cluster_limit` is the cluster's longest stream (0 = none), `retries_allowed` what its breaker says to a retry.
    """
    policy, left = policies.retry, policies.retry.retries if policies.retry else 0
    spent: Nanos = 0
    number = 0
    while True:
        attempt = attempts[min(number, len(attempts) - 1)]
        number += 1
        limit = _first_limit(policies, cluster_limit, spent) if attempt.end is End.SILENT else None
        flags: tuple[Flag, ...] = ()
        if policy is not None and _would_retry(policy, attempt, limit):
            if left == 0:
                flags = (Flag.RETRY_LIMIT_EXCEEDED,)
            elif not retries_allowed:
                flags = (Flag.UPSTREAM_OVERFLOW,)
            else:
                left -= 1
                spent += limit.after if limit else 0
                continue
        reply = limit.reply if limit else _reply(attempt, number > 1)
        return Finished(reply._replace(flags=(*flags, *(f for f in reply.flags if f not in flags))), number)


def _reply(attempt: Attempt, retried: bool) -> Reply:
    """What follows from an attempt that is not repeated."""
    if attempt.end is End.ANSWERED:
        return Reply(attempt.status, attempt.body, "via_upstream")
    if attempt.end is End.CLIENT_LEFT:
        return Reply(0, "", "downstream_remote_disconnect", (Flag.DOWNSTREAM_TERMINATION,))
    reason = attempt.end.value
    flag = _FLAGS[attempt.end]
    name = reason.replace(" ", "_")
    if attempt.headers_sent:
        return Reply(attempt.status, attempt.body, f"upstream_reset_after_response_started{{{name}}}", (flag,))
    cause = _CAUSES.get(attempt.end)
    details = f"upstream_reset_before_response_started{{{name}{f'|{cause}' if cause else ''}}}"
    which = "retried and the latest reset reason: " if retried else "reset reason: "
    status = 502 if attempt.end is End.PROTOCOL_ERROR else 503
    headers = (("x-envoy-overloaded", "true"),) if attempt.end is End.OVERFLOW else ()
    return Reply(status, f"{_BODY}{which}{reason}", details, (flag,), headers)


def _first_limit(policies: Policies, cluster_limit: Nanos, spent: Nanos) -> _Limit | None:
    """The limit that ends a silent attempt first; None when it may wait for ever."""
    text, timeout = "upstream request timeout", (Flag.UPSTREAM_REQUEST_TIMEOUT,)
    limits = [
        _Limit(policies.timeout - spent, Reply(504, text, "response_timeout", timeout)),
        _Limit(policies.per_try_timeout, Reply(504, text, "upstream_per_try_timeout", timeout), per_try=True),
        _Limit(
            policies.retry.per_try_idle_timeout if policies.retry else 0,
            Reply(504, text, "upstream_per_try_idle_timeout", timeout),
            per_try=True,
        ),
        _Limit(
            policies.idle_timeout,
            Reply(504, "stream timeout", "stream_idle_timeout", (Flag.STREAM_IDLE_TIMEOUT,)),
        ),
        _Limit(
            (policies.max_stream_duration or 0) - spent,
            Reply(504, "downstream duration timeout", "max_duration_timeout", headers=(("grpc-status", "4"),)),
        ),
        _Limit(
            cluster_limit,
            Reply(
                504,
                "upstream max stream duration reached",
                "upstream_max_stream_duration_reached",
                (Flag.UPSTREAM_MAX_DURATION,),
            ),
        ),
    ]
    return min((limit for limit in limits if limit.after > 0), default=None, key=lambda limit: limit.after)


def _would_retry(policy: RetryPolicy, attempt: Attempt, limit: _Limit | None) -> bool:
    """Whether the conditions of the policy cover this end."""
    if attempt.headers_sent or attempt.end in (End.OVERFLOW, End.CLIENT_LEFT):
        return False
    tokens = policy.retry_on
    if attempt.end is End.ANSWERED:
        return _retries_answer(policy, attempt)
    if limit is not None and not limit.per_try:
        return False
    if "reset" in tokens or "5xx" in tokens or "gateway-error" in tokens:
        return True
    if attempt.end in _CONNECT_FAILURES:
        return "connect-failure" in tokens or "reset-before-request" in tokens
    return attempt.end is End.REFUSED_STREAM and "refused-stream" in tokens


def _retries_answer(policy: RetryPolicy, attempt: Attempt) -> bool:
    tokens, headers, status = policy.retry_on, dict(attempt.headers), attempt.status
    if "x-envoy-ratelimited" in headers:
        return "envoy-ratelimited" in tokens
    if ("5xx" in tokens and 500 <= status < 600) or ("gateway-error" in tokens and status in (502, 503, 504)):
        return True
    if "retriable-4xx" in tokens and status == 409:
        return True
    if "retriable-status-codes" in tokens and status in policy.status_codes:
        return True
    if "retriable-headers" in tokens and any(m.matches(HeaderMap(attempt.headers)) for m in policy.retriable_headers):
        return True
    grpc = headers.get("grpc-status")
    return grpc is not None and any(token in tokens and grpc == code for token, code in _GRPC_TOKENS.items())
