"""Which redirects are followed, as measured on Envoy 1.40; the real one: tests/conformance/test_envoy_redirects.py."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import http_listener, static_cluster

from meshsim.dataplane.decide import Connection, Decision, Request, decide_direct
from meshsim.dataplane.decide.redirects import follow_redirect

CLIENT = Connection(source="10.0.0.9", destination="10.0.0.1", destination_port=80)


def config(build: Any, policy: dict[str, Any] | None) -> Any:
    start: dict[str, Any] = {"cluster": "c", **({} if policy is None else {"internal_redirect_policy": policy})}
    routes = [
        {"match": {"prefix": "/start"}, "route": start},
        {"name": "up", "match": {"prefix": "/up"}, "route": {"cluster": "c"}},
        {"match": {"prefix": "/direct"}, "direct_response": {"status": 299}},
    ]
    return build((http_listener(routes),), (static_cluster("c", "10.0.0.5"),))


def follow(
    build: Any, location: str, status: int = 302, method: str = "GET", followed: int = 0, **policy: Any
) -> Decision | None:
    active = config(build, policy)
    first = decide_direct(active, CLIENT, Request(method=method, authority="h.example", path="/start?a=1"))
    before = (("", "elsewhere"),) * followed
    return follow_redirect(decide_direct, active, CLIENT, first, status, location, followed=before)


def test_the_new_request(build: Any) -> None:
    found = follow(build, "http://other.example:8080/up/x?q=1#part")
    assert found is not None
    assert (found.method, found.authority, found.path) == ("GET", "other.example:8080", "/up/x?q=1")
    direct = follow(build, "http://o/direct")
    assert direct is not None
    assert direct.status == 299


@pytest.mark.parametrize(
    ("location", "more"),
    [
        ("/up/y", {}),
        ("http://o/none", {}),
        ("http://o", {}),
        ("", {}),
        ("https://o/up", {}),
        ("http://o/up", {"status": 303}),
        ("http://o/up", {"status": 304, "redirect_response_codes": [304]}),
        ("http://o/up", {"followed": 1}),
    ],
    ids=["relative", "no route", "no path", "empty", "scheme", "code", "no redirect", "too many"],
)
def test_what_goes_to_the_client(build: Any, location: str, more: dict[str, Any]) -> None:
    assert follow(build, location, **more) is None


def test_what_a_policy_allows(build: Any) -> None:
    assert follow(build, "https://o/up", allow_cross_scheme_redirect=True)
    assert follow(build, "http://o/up", followed=1, max_internal_redirects=2)
    for status, method in ((303, "GET"), (307, "POST")):
        found = follow(build, "http://o/up", status, "POST", redirect_response_codes=[303, 307])
        assert found is not None
        assert found.method == method


def predicate(name: str, config: str, **fields: Any) -> dict[str, Any]:
    kind = f"type.googleapis.com/envoy.extensions.internal_redirect.{name}.v3.{config}"
    return {"predicates": [{"name": name, "typed_config": {"@type": kind, **fields}}]}


def test_predicates(build: Any) -> None:
    """Envoy source/extensions/internal_redirect; played on the real one in tests/conformance/test_envoy_dynamics.py."""
    listed = predicate("allow_listed_routes", "AllowListedRoutesConfig", allowed_route_names=["up"])
    assert follow(build, "http://o/up", **listed)
    assert follow(build, "http://o/direct", **listed) is None
    safe = predicate("safe_cross_scheme", "SafeCrossSchemeConfig")
    assert follow(build, "https://o/up", allow_cross_scheme_redirect=True, **safe) is None
    assert follow(build, "http://o/up", **safe)
    once = predicate("previous_routes", "PreviousRoutesConfig")
    active = config(build, {**once, "max_internal_redirects": 3})
    first = decide_direct(active, CLIENT, Request(authority="h", path="/start"))
    for before, ends in (((), False), ((("", "up"),), True), ((("other", "up"),), False)):
        found = follow_redirect(decide_direct, active, CLIENT, first, 302, "http://o/up", followed=before)
        assert (found is None) == ends


def test_without_a_policy_nothing_is_followed(build: Any) -> None:
    active = config(build, None)
    first = decide_direct(active, CLIENT, Request(authority="h", path="/start"))
    assert follow_redirect(decide_direct, active, CLIENT, first, 302, "http://o/up") is None
