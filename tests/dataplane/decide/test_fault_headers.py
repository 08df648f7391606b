"""What headers make of a fault; tests/conformance/test_envoy_faults.py holds it against a real Envoy."""

from __future__ import annotations

import pytest

from meshsim.dataplane.decide.chances import ALWAYS, Fractional
from meshsim.dataplane.decide.fault_headers import asked_by_headers
from meshsim.dataplane.decide.filter_configs import FaultConfig
from meshsim.dataplane.decide.headers import HeaderMap
from meshsim.units import MILLISECOND

LEFT = FaultConfig(0, ALWAYS, True, 0, None, ALWAYS, True, "", (), ())
FIXED = LEFT._replace(delay=5, abort_status=418, delay_from_header=False, abort_from_header=False)


def asked(**headers: str) -> FaultConfig:
    names = {f"x-envoy-fault-{name.replace('_', '-')}": value for name, value in headers.items()}
    return asked_by_headers(LEFT, HeaderMap(names.items()))


def test_a_fixed_fault_is_not_changed_by_headers() -> None:
    headers = HeaderMap([("x-envoy-fault-abort-request", "503"), ("x-envoy-fault-delay-request", "9")])
    assert asked_by_headers(FIXED, headers) is FIXED


def test_without_headers_nothing_happens() -> None:
    found = asked()
    assert (found.delay, found.abort_status, found.abort_grpc_status) == (0, 0, None)


@pytest.mark.parametrize(
    ("text", "status"),
    [("503", 503), ("+200", 200), ("599", 599), ("600", 0), ("199", 0), ("-1", 0), ("5x", 0), ("", 0), ("9" * 99, 0)],
)
def test_the_status_is_one_of_http(text: str, status: int) -> None:
    assert asked(abort_request=text).abort_status == status


@pytest.mark.parametrize(("text", "status"), [("14", 14), ("4294967301", 5), ("4294967295", -1), ("x", None)])
def test_a_status_of_grpc_is_cut(text: str, status: int | None) -> None:
    assert asked(abort_grpc_request=text).abort_grpc_status == status


def test_delays_are_milliseconds() -> None:
    assert asked(delay_request="250").delay == 250 * MILLISECOND


@pytest.mark.parametrize(("text", "numerator"), [("0", 0), ("30", 30), ("200", 50), ("-1", 50), ("4294967296", 50)])
def test_a_share_can_be_made_smaller(text: str, numerator: int) -> None:
    half = LEFT._replace(delay_share=Fractional(50, 100), abort_share=Fractional(50, 100))
    names = ("x-envoy-fault-delay-request-percentage", "x-envoy-fault-abort-request-percentage")
    found = asked_by_headers(half, HeaderMap((name, text) for name in names))
    assert found.delay_share == found.abort_share == Fractional(numerator, 100)


def test_the_first_of_several_headers_counts() -> None:
    name = "x-envoy-fault-abort-request"
    assert asked_by_headers(LEFT, HeaderMap([(name, "404"), (name, "418")])).abort_status == 404
    assert asked_by_headers(LEFT, HeaderMap([(name, "x"), (name, "418")])).abort_status == 0
