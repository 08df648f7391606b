"""Clients that a header or cookie tells apart."""

from __future__ import annotations

from meshsim.dataplane.decide.routes import HashPolicy, HashSource
from meshsim.dataplane.hashing import xx_hash64
from meshsim.world.sessions import MOST_KEYS, SessionValues

from .conftest import run

RULE = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec:
      host: stock
      trafficPolicy: {loadBalancer: {consistentHash: {KEY}}}
"""
TRAFFIC = """  - name: people
    from: {match: {app: front}}
    request: {host: "stock:80", path: /mine, headers: {cookie: "theme=dark; user=me"}}
    rate: 300/s
    sessions: {count: 12, WAY}
"""


def test_values_stand_in_headers_and_cookies() -> None:
    sessions = SessionValues("people", 3, "X-User", "user")
    headers = (("x-user", "somebody"), ("cookie", "theme=dark; user=me"), ("accept", "*/*"))
    assert sessions.mark(headers, 2) == (
        ("accept", "*/*"),
        ("x-user", "people-2"),
        ("cookie", "theme=dark; user=people-2"),
    )
    assert sessions.template({}) == {"x-user": "people-0", "cookie": "user=people-0"}


def test_hashes_are_those_of_the_values() -> None:
    by_header = (HashPolicy(HashSource.HEADER, "x-user"),)
    by_cookie = (HashPolicy(HashSource.COOKIE, "user", cookie_ttl=0),)
    for sessions, policies in (
        (SessionValues("p", 3, header="x-user"), by_header),
        (SessionValues("p", 3, cookie="user"), by_cookie),
    ):
        expected = tuple(xx_hash64(f"p-{number}".encode()) for number in range(3))
        assert sessions.hashes(policies, (), None) == expected
    assert len(SessionValues("p", MOST_KEYS + 5, header="x-user").hashes(by_header, (), None)) == MOST_KEYS


def _pods(key: str, way: str) -> int:
    """How many pods the sessions use together."""
    ran = run(more=RULE.replace("KEY", key), timeline=TRAFFIC.replace("WAY", way), duration="4s")
    rows = [row for row in ran.sink.rows if row["traffic"] == "people"]
    assert len(rows) > 900
    return len({row["pod"] for row in rows})


def test_all_pods_have_some_sessions() -> None:
    assert _pods("httpHeaderName: x-user", "header: x-user") == 3
    assert _pods("httpCookie: {name: user, ttl: 0s}", "cookie: user") == 3
    assert _pods("httpHeaderName: x-user", "cookie: other") == 3, "without the header they go anywhere"
    assert _pods("httpCookie: {name: user, ttl: 0s}", "header: x-user") == 1, "they all have the same cookie"


def test_each_session_stays_with_a_pod() -> None:
    lines = TRAFFIC.replace("WAY", "header: x-user").replace("count: 12", "count: 1")
    ran = run(more=RULE.replace("KEY", "httpHeaderName: x-user"), timeline=lines, duration="4s")
    assert len({row["pod"] for row in ran.sink.rows if row["traffic"] == "people"}) == 1
