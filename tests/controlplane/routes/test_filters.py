from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshsim.controlplane.routes.filters import build_cors, build_fault


def test_faults(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    fault = fields(
        "{delay: {fixedDelay: 5s, percentage: {value: 0.5}}, abort: {httpStatus: 503, percentage: {value: 10}}}"
    )
    assert plain(build_fault(fault)) == {
        "delay": {"fixed_delay": "5s", "percentage": {"numerator": 5000, "denominator": "MILLION"}},
        "abort": {"http_status": 503, "percentage": {"numerator": 100000, "denominator": "MILLION"}},
    }


def test_faults_without_a_share(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    assert plain(build_fault(fields("{abort: {grpcStatus: UNAVAILABLE}}"))) == {"abort": {"grpc_status": 14}}
    assert plain(build_fault(fields("{delay: {fixedDelay: 1s, percent: 7}}"))) == {
        "delay": {"fixed_delay": "1s", "percentage": {"numerator": 7}}
    }
    assert plain(build_fault(fields("{abort: {percentage: {value: 10}}}"))) == {}


def test_cors(plain: Callable[[Any], Any], fields: Callable[[str], Any]) -> None:
    policy = fields(
        "{allowOrigins: [{exact: 'https://a.com'}, {prefix: 'https://b'}, {regex: '.*'}], allowMethods: [GET, POST],"
        " allowHeaders: [x], exposeHeaders: [y, z], maxAge: 24h, allowCredentials: false}"
    )
    assert plain(build_cors(policy)) == {
        "allow_origin_string_match": [
            {"exact": "https://a.com"},
            {"prefix": "https://b"},
            {"safe_regex": {"regex": ".*"}},
        ],
        "allow_methods": "GET,POST",
        "allow_headers": "x",
        "expose_headers": "y,z",
        "max_age": "86400",
        "allow_credentials": False,
        "filter_enabled": {"default_value": {"numerator": 100}},
        "forward_not_matching_preflights": True,
    }


def test_unmatched_preflights_may_be_kept(fields: Callable[[str], Any]) -> None:
    assert not build_cors(fields("{unmatchedPreflights: IGNORE}")).forward_not_matching_preflights.value
