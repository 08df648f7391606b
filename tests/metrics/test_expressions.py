"""Values of labels that Telemetry objects compute."""

from __future__ import annotations

import pytest

from meshsim.metrics.expressions import evaluate

KNOWN = {"request.method": "GET", "request.host": "stock", "response.code": "503"}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("request.method", "GET"),
        (" request.host ", "stock"),
        ('"fixed"', "fixed"),
        ("'fixed'", "fixed"),
        ("7", "7"),
        ("has(request.host) ? request.host : 'unknown'", "stock"),
        ("has(request.useragent) ? request.useragent : 'none'", "none"),
        ("request.headers['x-user']", "unknown"),
        ("string(response.code)", "unknown"),
    ],
)
def test_literals_and_attributes_are_evaluated_the_rest_is_unknown(expression: str, value: str) -> None:
    assert evaluate(expression, KNOWN) == value
