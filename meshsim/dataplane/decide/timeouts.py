"""Timeouts of one request (Envoy source/common/router/router.cc, FilterUtility::finalTimeout and setTimeoutHeaders;
source/common/http/conn_manager_impl.cc, refreshDurationTimeout).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.dataplane.decide.requested import EXPECTED, TIMEOUT, TRY_TIMEOUT, requested_timeout
from meshsim.dataplane.decide.route_match import is_grpc
from meshsim.dataplane.decide.routes import Forward
from meshsim.units import Nanos

_AT_ONCE: Final[Nanos] = 300_000
"""When a request ends whose client allows no time.

DEVIATION: a request whose client allows no time ends after 0.3 ms, three ways to a host 0.1 ms away: connecting and
sending. Envoy's timer of 0 ms fires in the next turn of the event loop; measured on 1.40 the host had the request,
which had lasted less than a millisecond.
"""


class Timeouts(NamedTuple):
    """What limits a request, in ns; 0 and None mean no limit."""

    route: Nanos
    per_try: Nanos
    stream: Nanos | None


def request_timeouts(
    action: Forward, headers: HeaderMap, default_stream: Nanos | None, respects_expected: bool = False
) -> Timeouts:
    """The timeouts of a request on a route.

    A route with `max_stream_duration` does not use its `timeout`; one with `max_grpc_timeout` takes that of a gRPC
    request from its header. `respects_expected`: what an Envoy before this one has announced counts.
    """
    grpc = is_grpc(headers)
    announced = parse_grpc_timeout(headers.get("grpc-timeout"))
    asked = (announced or 0) if grpc else 0
    timeout = 0 if action.limits_stream else action.timeout
    if not action.limits_stream and grpc and action.max_grpc_timeout is not None:
        timeout = asked
        if timeout and action.grpc_timeout_offset and action.grpc_timeout_offset < timeout:
            timeout -= action.grpc_timeout_offset
        limit = action.max_grpc_timeout
        if limit and (timeout == 0 or timeout > limit):
            timeout = limit
    own = requested_timeout(headers, EXPECTED if respects_expected and EXPECTED in headers else TIMEOUT)
    timeout = timeout if own is None else own
    per_try = action.retry.per_try_timeout if action.retry else 0
    own = requested_timeout(headers, TRY_TIMEOUT)
    per_try = per_try if own is None else own
    if timeout and per_try >= timeout:
        per_try = 0
    stream = action.max_stream_duration if action.max_stream_duration is not None else default_stream
    if announced is not None and action.grpc_timeout_header_max is not None:
        limit = action.grpc_timeout_header_max
        stream = min(announced, limit) if limit else announced
        stream = max(stream - action.grpc_header_offset, _AT_ONCE)
    return Timeouts(timeout, per_try, stream or None)


def announce_timeouts(action: Forward, headers: HeaderMap, timeouts: Timeouts, announce: bool) -> None:
    """Tell the upstream how long it has."""
    expected = (timeouts.per_try or timeouts.route) // 1_000_000
    if not expected:
        return
    if announce:
        headers.set(EXPECTED, str(expected))
    if is_grpc(headers) and not action.limits_stream and action.max_grpc_timeout is not None:
        headers.set("grpc-timeout", format_grpc_timeout(expected))


def parse_grpc_timeout(text: str | None) -> Nanos | None:
    """``grpc-timeout`` in whole milliseconds as ns, rounded up; None for none or a malformed one."""
    units = {"H": 3_600_000_000_000, "M": 60_000_000_000, "S": 1_000_000_000, "m": 1_000_000, "u": 1_000, "n": 1}
    if not text or not text.isascii() or not text[:-1].isdigit() or len(text) > 9 or text[-1] not in units:
        return None
    nanos = int(text[:-1]) * units[text[-1]]
    return -(-nanos // 1_000_000) * 1_000_000


def format_grpc_timeout(milliseconds: int) -> str:
    """The value in the finest unit that fits eight digits."""
    for unit, factor in (("m", 1), ("S", 1000), ("M", 60_000), ("H", 3_600_000)):
        if milliseconds // factor <= 99_999_999:
            return f"{milliseconds // factor}{unit}"
    return "99999999H"
