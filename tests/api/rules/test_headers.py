"""Header names and values that routes set."""

from __future__ import annotations

import pytest

from meshsim.api import Fields
from meshsim.api.rules.headers import authorities, check_headers, refuse_header_value
from meshsim.api.rules.report import Report


@pytest.mark.parametrize(
    "value", ["plain", "100%%", "%REQ(x-name)%", "%START_TIME%", '%A(["a", "b"])%', "a %REQ(x?y)% b", "%A(b) %"]
)
def test_values(value: str) -> None:
    assert refuse_header_value(value) is None


@pytest.mark.parametrize("value", ["50%", "%REQ(x", "%FOO", "%REQ(a)b%", '%A(["a" "b"])%', "%A([a])%", '%A(["a",])%'])
def test_values_that_envoy_refuses(value: str) -> None:
    assert refuse_header_value(value)


def _problems(route: dict[str, object]) -> list[str]:
    report = Report("x", "shop")
    check_headers(Fields(route, "spec.http[0]"), report)
    return [f"{problem.path}: {problem.message}" for problem in report.problems]


def test_pseudo_headers_and_host() -> None:
    assert _problems({"headers": {"request": {"set": {"host": "a.example"}}}}) == []
    assert _problems({"headers": {"response": {"set": {"host": "a.example"}}}}) == [
        "spec.http[0].headers.response.set.host: the Host header can be set on requests only"
    ]
    assert _problems({"headers": {"request": {"add": {":path": "/x"}}}}) == [
        "spec.http[0].headers.request.add.:path: ':path' cannot be changed: it starts with ':'"
    ]
    assert _problems({"headers": {"request": {"remove": ["host"]}}})


def test_authority_is_set_once() -> None:
    route: dict[str, object] = {
        "rewrite": {"authority": "a.example"},
        "headers": {"request": {"set": {":authority": "b.example"}}},
    }
    assert authorities(Fields(route)) == ["a.example", "b.example"]
    assert _problems(route) == ["spec.http[0].headers: the authority is set more than once"]
