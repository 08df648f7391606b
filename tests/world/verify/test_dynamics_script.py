"""Scripted behaviours as rows of the event core."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import Fields
from meshsim.dataplane import core
from meshsim.dataplane.decide.route_policies import decode_retry
from meshsim.dataplane.layout import row_of
from meshsim.dataplane.storage import FIELDS
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.verify.dynamics_script import Host, allowed_streams, behaviour
from meshsim.xds.messages import route_components_pb2
from meshsim.xds.packing import from_json

MS = MILLISECOND
POLICY = {
    "retry_on": "5xx",
    "retriable_headers": [{"name": "x-retry", "present_match": True}],
    "rate_limited_retry_back_off": {"reset_headers": [{"name": "retry-after"}], "max_interval": "2s"},
}


def row(entry: dict[str, Any], http2: bool = False) -> tuple[int, ...] | None:
    retry = decode_retry(from_json(POLICY, route_components_pb2.RetryPolicy), [])
    return behaviour(Fields(entry), retry, http2).row


@pytest.mark.parametrize(
    ("entry", "how"),
    [
        ({"reset": "before_headers"}, core.TERMINATED),
        ({"garbage": True}, core.PROTOCOL_ERROR),
        ({"rst_stream": 7}, core.REFUSED_STREAM),
        ({"rst_stream": 1}, core.PROTOCOL_ERROR),
        ({"rst_stream": 8}, core.REMOTE_RESET),
    ],
)
def test_resets(entry: dict[str, Any], how: int) -> None:
    assert row(entry) == row_of("inbound", kind=core.IN_RESET, how=how)


def test_answers() -> None:
    assert row({}) == row_of("inbound", kind=core.IN_REPLY, status=200)
    assert row({"grpc_status": 14}) == row_of("inbound", kind=core.IN_REPLY, status=core.GRPC + 14)
    assert row({"grpc_status": 14, "trailers_only": False}) == row({})
    assert row({"hang": True}) is None
    marked = row({"headers": {"X-Retry": "a", "x-envoy-ratelimited": "true"}, "close": True})
    marks = core.MARK_MATCHED | core.MARK_LIMITED | core.MARK_CLOSES
    assert marked == row_of("inbound", kind=core.IN_REPLY, status=200, marks=marks)


@pytest.mark.parametrize(
    ("entry", "how", "after"),
    [
        ({"reset": "before_headers", "delay_ms": 5}, core.TERMINATED, 5 * MS),
        ({"reset": "after_headers", "delay_ms": 5}, core.TERMINATED, 25 * MS),
        ({"garbage": True}, core.PROTOCOL_ERROR, 0),
        ({"close": True, "body_delay_ms": 7}, core.TERMINATED, 7 * MS),
    ],
)
def test_what_ends_an_http2_connection_with_all_its_streams(entry: dict[str, Any], how: int, after: int) -> None:
    found = behaviour(Fields(entry), None, True)
    assert found.cut == (row_of("inbound", kind=core.IN_RESET, how=how), after, "close" in entry)
    assert behaviour(Fields(entry), None, False).cut is None


def test_settings() -> None:
    assert allowed_streams(Fields({"settings": {"max_concurrent_streams": 3}})) == 3
    assert allowed_streams(Fields({})) is None
    assert behaviour(Fields({"settings": {"max_concurrent_streams": 3}}), None, True).streams == 3
    assert behaviour(Fields({"hang": True}), None, True) == behaviour(Fields({"hang": True}), None, False)


def test_answers_that_ask_for_a_back_off() -> None:
    def wait(value: str) -> int:
        found = row({"headers": {"retry-after": value}})
        assert found is not None
        return found[FIELDS["inbound"].index("wait")]

    assert (wait("1"), wait("2"), wait("3"), wait("soon")) == (SECOND, 2 * SECOND, 0, 0)


def test_answers_that_break_off() -> None:
    cut = {"reset": "after_headers", "after_ms": 5}

    def after(**more: Any) -> int:
        found = row({**cut, **more}, http2=more.pop("http2", False))
        assert found is not None
        return found[5]

    assert after() == core.PROTOCOL_ERROR
    assert after(framing="close") == core.ANSWERED
    assert after(rst=True) == core.PROTOCOL_ERROR
    assert row(cut, http2=True) == row_of("inbound", kind=core.IN_REPLY, status=200, body=5 * MS, after=core.TERMINATED)


def test_what_a_host_does_next() -> None:
    script = {
        "windows": [[10, 20, {"status": 1}], [40, None, {"status": 2}]],
        "by_index": [{"status": 3}, {"status": 5}],
        "default": {"status": 4},
    }
    host = Host(0, "127.0.0.11:8080", Fields(script))
    times = (0, 5, 10, 20, 40, 99)
    assert [host.next(t * MS).integer("status") for t in times] == [3, 5, 1, 4, 2, 2]
    cycling = Host(0, "127.0.0.11:8080", Fields({"cycle": [{"status": 1}, {"status": 2}]}))
    assert [cycling.next(0).integer("status") for _ in range(3)] == [1, 2, 1]
