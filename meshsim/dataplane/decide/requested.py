"""What a request asks of the router by its own headers, which reach it from internal clients alone.

Rules: Envoy source/common/router/retry_state_impl.cc (constructor) and router.cc (FilterUtility::finalTimeout),
measured on 1.40.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from meshsim.dataplane.decide.headers import HeaderMap, HeaderMatcher, HeaderTest
from meshsim.dataplane.decide.routes import RetryPolicy
from meshsim.units import MILLISECOND, Nanos

TIMEOUT: Final = "x-envoy-upstream-rq-timeout-ms"
EXPECTED: Final = "x-envoy-expected-rq-timeout-ms"
"""How long another Envoy on the way gives the request."""
TRY_TIMEOUT: Final = "x-envoy-upstream-rq-per-try-timeout-ms"
_RETRY_ON: Final = ("x-envoy-retry-on", "x-envoy-retry-grpc-on")
_MOST: Final = "x-envoy-max-retries"
_CODES: Final = "x-envoy-retriable-status-codes"
_NAMES: Final = "x-envoy-retriable-header-names"
_HEDGE: Final = "x-envoy-hedge-on-per-try-timeout"
_ALTERNATIVE: Final = "x-envoy-upstream-rq-timeout-alt-response"
_ALL: Final = frozenset({TIMEOUT, TRY_TIMEOUT, *_RETRY_ON, _MOST, _CODES, _NAMES, _HEDGE, _ALTERNATIVE})
_NO_POLICY: Final = RetryPolicy((), 1, 0, 0, (), False, 0, 1, 25 * MILLISECOND, 250 * MILLISECOND, (), ())


def requested_timeout(headers: HeaderMap, name: str) -> Nanos | None:
    """A timeout that the request asks for, None for none or a malformed one."""
    text = headers.get(name)
    number = None if text is None else _number(text)
    return None if number is None else number * MILLISECOND


def requested_retry(policy: RetryPolicy | None, headers: HeaderMap) -> RetryPolicy | None:
    """The retry policy of a route with what the request's headers add to it."""
    if not headers.has_any(_ALL):
        return policy
    asked = tuple(token for name in _RETRY_ON for token in _list(headers, name))
    if policy is None and not asked:
        return None
    found = policy or _NO_POLICY
    most = _number(headers.get(_MOST) or "")
    codes = tuple(code for code in (_number(text) for text in _list(headers, _CODES)) if code is not None)
    names = tuple(HeaderMatcher(name.lower(), HeaderTest.PRESENT) for name in _list(headers, _NAMES))
    if not (asked or codes or names) and most is None:
        return policy
    return replace(
        found,
        retry_on=found.retry_on + asked,
        retries=found.retries if most is None else most,
        status_codes=found.status_codes + codes,
        retriable_headers=found.retriable_headers + names,
    )


def requested_hedge(configured: bool, headers: HeaderMap) -> bool:
    """Whether a per-try timeout hedges: as the route says, unless the request says otherwise."""
    asked = headers.get(_HEDGE)
    return asked == "true" if asked in ("true", "false") else configured


def timeout_status(headers: HeaderMap) -> int:
    """What a request gets that has timed out: 504, or 204 if it asks for the alternative."""
    return 504 if headers.get(_ALTERNATIVE) is None else 204


def consume_requests(headers: HeaderMap) -> None:
    """Take away what the router has read."""
    headers.remove_any(_ALL)


def _list(headers: HeaderMap, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in (headers.get(name) or "").split(",") if part.strip())


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else None
