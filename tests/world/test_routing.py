"""Decisions turned into routes, clusters and hosts, under policies and faults."""

from __future__ import annotations

from collections import Counter

from .conftest import run, seconds

STRICT = """
  - apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: default, namespace: shop}
    spec: {mtls: {mode: STRICT}}
"""
DENY = """
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: no-front, namespace: shop}
    spec:
      selector: {matchLabels: {app: stock}}
      action: DENY
      rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/front]}}]}]
"""


def _rule(http: str) -> str:
    return f"""
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {{name: stock, namespace: shop}}
    spec: {{hosts: [stock], http: [{http}]}}
"""


def _statuses(**parts: str) -> Counter[tuple[int, str]]:
    return Counter((row["status"], row["flags"]) for row in run(**parts).sink.rows if row["last"])


def test_mutual_tls_carries_the_callers_identity() -> None:
    assert set(_statuses(istio=STRICT)) == {(200, "")}
    assert set(_statuses(istio=DENY)) == {(403, "")}


def test_a_client_without_sidecar_is_served_unless_tls_is_strict() -> None:
    assert set(_statuses(sender="plain")) == {(200, "")}
    refused = run(istio=STRICT, sender="plain")
    assert all(row["status"] not in range(200, 500) for row in refused.sink.rows)
    assert len(refused.sink.rows) > 100


def test_a_policy_on_callers_needs_their_identity() -> None:
    assert set(_statuses(istio=DENY, sender="plain")) == {(200, "")}


def test_weights_of_a_virtual_service() -> None:
    rule = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec: {host: stock, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
""" + _rule(
        "{route: [{destination: {host: stock, subset: v1}, weight: 75},"
        " {destination: {host: stock, subset: v2}, weight: 25}]}"
    )
    rows = run(istio=rule, duration="20s").sink.rows
    share = sum(row["destination_version"] == "v2" for row in rows) / len(rows)
    # five standard deviations of a binomial of this size
    assert abs(share - 0.25) < 5 * (0.25 * 0.75 / len(rows)) ** 0.5


def test_an_injected_abort_and_delay() -> None:
    route = "route: [{destination: {host: stock}}]"
    abort = _rule(f"{{fault: {{abort: {{percentage: {{value: 100}}, httpStatus: 418}}}}, {route}}}")
    assert set(_statuses(istio=abort)) == {(418, "FI")}
    delay = _rule(f"{{fault: {{delay: {{percentage: {{value: 100}}, fixedDelay: 1s}}}}, {route}}}")
    rows = run(istio=delay).sink.rows
    assert rows
    assert all(row["request_end"] - row["start"] > seconds(1) and row["flags"] == "DI" for row in rows)


def test_a_direct_response_and_a_redirect_never_leave_the_proxy() -> None:
    direct = run(istio=_rule("{directResponse: {status: 503}}")).sink.rows
    assert {(row["status"], row["pod"], row["attempt"]) for row in direct} == {(503, "", 0)}
    redirect = run(istio=_rule("{redirect: {uri: /other}}")).sink.rows
    assert {row["status"] for row in redirect} == {301}


def test_a_route_timeout() -> None:
    rows = run(istio=_rule("{timeout: 2ms, route: [{destination: {host: stock}}]}")).sink.rows
    late = Counter((row["status"], row["flags"]) for row in rows if row["last"])
    assert set(late) == {(504, "UT")}


def test_a_subset_without_cluster_is_unavailable() -> None:
    missing = _rule("{route: [{destination: {host: stock, subset: none}}]}")
    assert set(_statuses(istio=missing)) == {(503, "NC")}


def test_a_partition_between_caller_and_callee() -> None:
    timeline = """
timeline:
  - id: cut
    at: 1s
    for: 1s
    partition: {between: [{pods: {match: {app: front}}}, {pods: {match: {app: stock}}}]}
"""
    rule = _rule("{timeout: 100ms, route: [{destination: {host: stock}}]}")
    rows = run(istio=rule, timeline=timeline).sink.rows
    during = {row["status"] for row in rows if seconds(1.05) < row["start"] < seconds(1.85)}
    after = {row["status"] for row in rows if row["start"] > seconds(3)}
    assert during == {504}
    assert after == {200}


def test_requests_of_one_caller_that_the_other_end_treats_differently() -> None:
    """A policy on paths: both kinds of request go over the same cluster, and each meets its own rule."""
    rule = """
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: no-admin, namespace: shop}
    spec:
      selector: {matchLabels: {app: stock}}
      action: DENY
      rules: [{to: [{operation: {paths: [/admin]}}]}]
"""
    more = """
  - name: admin
    from: {match: {app: front}}
    request: {host: "stock.shop:80", path: /admin}
    rate: 50/s
    arrivals: constant
"""
    found = _statuses(istio=rule, timeline=more)
    assert set(found) == {(200, ""), (403, "")}
    assert abs(found[200, ""] - 2 * found[403, ""]) <= 3
