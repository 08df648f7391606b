"""Route tables from protobuf: defaults, policies, and what is noted as not modelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshsim.dataplane.decide.chances import Fractional
from meshsim.dataplane.decide.rejected import MalformedResourceError, ResourceRejectedError
from meshsim.dataplane.decide.route_decoding import decode_route_configuration
from meshsim.dataplane.decide.routes import Forward, HashSource, Redirect, Route
from meshsim.xds.messages import route_pb2
from meshsim.xds.packing import from_json

PREVIOUS = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"


def route(action: dict[str, Any], **host: Any) -> Route:
    body = {
        "name": "t",
        "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}], **host}],
    }
    return decode_route_configuration(from_json(body, route_pb2.RouteConfiguration)).virtual_hosts[0].routes[0]


def forward(**action: Any) -> Forward:
    found = route({"route": {"cluster": "c", **action}}).action
    assert isinstance(found, Forward)
    return found


def test_defaults() -> None:
    action = forward()
    assert (action.clusters.name, action.timeout, action.retry, action.not_found_status) == (
        "c",
        15_000_000_000,
        None,
        503,
    )
    assert (action.mirrors, action.hash_policies, action.limits_stream) == ((), (), False)


def test_retry_policy_as_istio_sends_it() -> None:
    policy = {
        "retry_on": "connect-failure,refused-stream, unavailable",
        "num_retries": 2,
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": PREVIOUS}}
        ],
        "host_selection_retry_max_attempts": 5,
        "retriable_status_codes": [503],
        "per_try_timeout": "2s",
        "retry_back_off": {"base_interval": "0.1s"},
    }
    retry = forward(retry_policy=policy).retry
    assert retry is not None
    assert retry.retry_on == ("connect-failure", "refused-stream", "unavailable")
    assert (retry.retries, retry.previous_hosts, retry.host_reselect_attempts) == (2, True, 5)
    assert (retry.backoff_base, retry.backoff_max, retry.per_try_timeout) == (10**8, 10**9, 2 * 10**9)
    default = forward(retry_policy={"retry_on": "5xx"}).retry
    assert default is not None
    assert (default.retries, default.backoff_base, default.backoff_max) == (1, 25_000_000, 250_000_000)


def test_policies_of_the_virtual_host_are_taken_over() -> None:
    mirror = [{"cluster": "m", "runtime_fraction": {"default_value": {"numerator": 5}}}]
    host = {"retry_policy": {"retry_on": "5xx"}, "request_mirror_policies": mirror}
    action = route({"route": {"cluster": "c"}}, **host).action
    assert isinstance(action, Forward)
    assert action.retry is not None
    assert action.mirrors[0].fraction == Fractional(5, 100)


@pytest.mark.parametrize(
    ("own", "shared", "hedges"),
    [
        (None, None, None),
        (True, None, True),
        (None, True, True),
        (False, True, False),
    ],
)
def test_a_route_hedges_as_it_says_itself_or_its_virtual_host(
    own: bool | None, shared: bool | None, hedges: bool | None
) -> None:
    action = {"cluster": "c", **({} if own is None else {"hedge_policy": {"hedge_on_per_try_timeout": own}})}
    host = {} if shared is None else {"hedge_policy": {"hedge_on_per_try_timeout": shared}}
    found = route({"route": action}, **host).action
    assert isinstance(found, Forward)
    assert found.hedge is hedges


def test_hash_policies() -> None:
    policies = [
        {"header": {"header_name": "X-User"}, "terminal": True},
        {"cookie": {"name": "s", "ttl": "60s", "path": "/"}},
        {"connection_properties": {"source_ip": True}},
        {"query_parameter": {"name": "q"}},
    ]
    found = forward(hash_policy=policies).hash_policies
    assert [p.source for p in found] == [
        HashSource.HEADER,
        HashSource.COOKIE,
        HashSource.SOURCE_IP,
        HashSource.QUERY_PARAMETER,
    ]
    assert (found[0].name, found[0].terminal, found[1].cookie_ttl) == ("x-user", True, 60_000_000_000)


def test_redirect_codes() -> None:
    codes = {
        "MOVED_PERMANENTLY": 301,
        "FOUND": 302,
        "SEE_OTHER": 303,
        "TEMPORARY_REDIRECT": 307,
        "PERMANENT_REDIRECT": 308,
    }
    for name, status in codes.items():
        action = route({"redirect": {"response_code": name}}).action
        assert isinstance(action, Redirect)
        assert action.status == status


def test_the_config_path_is_kept() -> None:
    path = "/apis/networking.istio.io/v1/namespaces/a/virtual-service/b"
    found = route({"route": {"cluster": "c"}, "metadata": {"filter_metadata": {"istio": {"config": path}}}})
    assert found.config == path


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"route": {}},
        {
            "route": {
                "cluster": "c",
                "prefix_rewrite": "/",
                "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": ""},
            }
        },
        {"route": {"cluster": "c", "retry_policy": {"retry_back_off": {"base_interval": "2s", "max_interval": "1s"}}}},
        {"direct_response": {"status": 700}},
        {"route": {"weighted_clusters": {}}},
    ],
)
def test_refused(action: dict[str, Any]) -> None:
    with pytest.raises(ResourceRejectedError):
        route(action)


def test_what_is_not_modelled_is_noted() -> None:
    predicate = {"name": "p", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {}}}
    body = {
        "name": "t",
        "virtual_hosts": [
            {
                "name": "v",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "route": {
                            "cluster": "c",
                            "internal_redirect_policy": {"predicates": [predicate]},
                            "hedge_policy": {},
                        },
                    }
                ],
            }
        ],
    }
    notes = decode_route_configuration(from_json(body, route_pb2.RouteConfiguration)).unmodelled
    assert notes == ("internal redirect predicates",)


PLAIN_HOSTS: list[dict[str, Any]] = [
    {"routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]},
    {"routes": [], "include_request_attempt_count": True},
    {
        "domains": ["a.example", "a", "10.0.0.1", "*.b"],
        "routes": [
            {
                "name": "first",
                "match": {"path": "/x", "headers": [{"name": "X-A"}]},
                "route": {"cluster": "outbound|80||a", "timeout": "0s", "retry_policy": {"num_retries": 2}},
                "decorator": {"operation": "a:80/*"},
                "metadata": {"filter_metadata": {"istio": {"config": "/apis/x"}}},
            },
            {
                "match": {"prefix": "/"},
                "route": {"weighted_clusters": {"clusters": [{"name": "v1", "weight": 1}]}},
                "decorator": {"operation": "b", "propagate": False},
            },
        ],
    },
    {"routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c", "cors": {"allow_methods": "GET"}}}]},
    {"routes": [{"match": {"prefix": "/"}, "redirect": {"path_redirect": "/x" * 9000}}]},
    {"routes": [{"match": {"prefix": "/p" * 100}, "route": {"cluster": "n" * 20_000}}]},
]


@pytest.mark.parametrize("host", PLAIN_HOSTS, ids=[str(i) for i in range(len(PLAIN_HOSTS))])
def test_the_short_way_and_the_long_way_agree(host: dict[str, Any]) -> None:
    """A field that plain hosts have not sends the same host the long way."""
    body = {"name": "v", "domains": ["*"], **host}
    short, long = (
        decode_route_configuration(
            from_json({"name": "t", "virtual_hosts": [{**body, **more}]}, route_pb2.RouteConfiguration)
        ).virtual_hosts[0]
        for more in ({}, {"include_attempt_count_in_response": True})
    )
    assert long == replace(short, attempt_count_in_response=True)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ({"name": ""}, "VirtualHostValidationError.Name"),
        ({"domains": []}, "VirtualHostValidationError.Domains"),
        ({"domains": ["a\nb"]}, "VirtualHostValidationError.Domains"),
        ({"routes": [{"route": {"cluster": "c"}}]}, "RouteValidationError.Match"),
        ({"routes": [{"match": {"prefix": "/"}}]}, 'field: "action"'),
        ({"routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}, "decorator": {}}]}, "DecoratorValidation"),
        ({"routes": [{"match": {}, "route": {"cluster": "c"}}]}, 'field: "path_specifier"'),
        ({"routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c", "timeout": "-1s"}}]}, "Invalid duration"),
    ],
    ids=["name", "no domain", "domain", "match", "action", "decorator", "path", "duration"],
)
def test_a_broken_constraint_comes_before_everything_else(host: dict[str, Any], reason: str) -> None:
    """Envoy checks the whole message before it looks at any value: a clash of domains before it does not count."""
    good = {"name": "g", "domains": ["x", "x"]}
    hosts = [good, {"name": "v", "domains": ["*"], **host}]
    message = from_json({"name": "t", "virtual_hosts": hosts}, route_pb2.RouteConfiguration)
    with pytest.raises(MalformedResourceError, match=reason):
        decode_route_configuration(message)
