"""Decisions turned into routes, clusters and hosts, under policies and faults."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from meshsim.scenario import load_text
from meshsim.testing.manifests import service_item
from meshsim.units import MILLISECOND, SECOND
from meshsim.world.model import RunOptions, World

from .conftest import APP, HEAD, MemorySink, Ran, run, seconds

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


OPERATIONS = """
apiVersion: meshsim/v1alpha1
kind: Scenario
name: operations
duration: 4s
seeds: [7]
workloads:
  - match: {{app: front}}
    calls: [{{to: "stock:80", path: /count/7}}, {{to: "stock:80", path: /reserve, method: POST, optional: true}}]
  - match: {{app: stock}}
    serve: {{time: 9ms}}
    operations:
      - {{path: /count/*, time: 2ms}}
      - {{path: /reserve, method: POST, time: 1ms, errors: {{rate: 100%, status: 507}}}}
      - {{path: /items, calls: ["front.shop:80"]}}
traffic:
  - name: ask
    from: {{match: {{app: {sender}}}}}
    request: {{host: "stock.shop:80", path: "/items?page=2"}}
    rate: 50/s
    arrivals: constant
  - name: other
    from: {{match: {{app: {sender}}}}}
    request: {{host: "stock.shop:80", path: /reserve}}
    rate: 50/s
    arrivals: constant
resources:
  - apiVersion: v1
    kind: Service
    metadata: {{name: front, namespace: shop}}
    spec: {{selector: {{app: front}}, ports: [{{name: http, port: 80}}]}}
"""


@pytest.mark.parametrize("sender", ["front", "plain"])
def test_pods_do_what_is_asked_of_them(sender: str) -> None:
    """By path and method, with a sidecar at the caller and without; calls of an operation come back for another."""
    sink = MemorySink()
    loaded = load_text(OPERATIONS.format(sender=sender) + APP, "operations.yaml")
    World(loaded, 7, sink, RunOptions(mode="plain", steps=4)).run()
    rows = [row for row in sink.rows if row["done"] >= 0 and row["start"] < seconds(3.5)]
    counts = Counter((row["call"], row["status"]) for row in rows)
    asked = counts["GET /items?page=2", 200]
    assert abs(asked - counts["GET /reserve", 200]) <= 2
    assert 150 <= asked <= 180
    assert set(counts) == {
        ("GET /items?page=2", 200),
        ("GET /reserve", 200),
        ("GET /", 200),
        ("GET /count/7", 200),
        ("POST /reserve", 507),
    }
    for call, time in (("GET /count/7", 2), ("POST /reserve", 1), ("GET /reserve", 9)):
        assert {row["done"] - row["served"] for row in rows if row["call"] == call} == {time * MILLISECOND}, call
    assert all(row["done"] - row["served"] > 12 * MILLISECOND for row in rows if row["call"].startswith("GET /items"))


LIMITED = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec: {host: stock, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}
"""


@pytest.mark.parametrize("limited", [False, True])
def test_what_a_tcp_proxy_forwards_are_sessions(limited: bool) -> None:
    """Requests of 25 ms every 10 ms: each has an upstream connection of its own, the third at once is one too many."""
    text = HEAD.format(duration="4s", sender="front", timeline="") + APP + STRICT + (LIMITED if limited else "")
    text = text.replace("5ms", "25ms").replace('"name": "http"', '"name": "tcp"')
    sink = MemorySink()
    World(load_text(text, "sessions.yaml"), 7, sink, RunOptions(mode="plain", steps=4)).run()
    found = Counter((row["status"], row["flags"]) for row in sink.rows if row["last"])
    counted: Counter[str] = Counter()
    for row in sink.counters:
        if row["cluster"] == "outbound|80||stock.shop.svc.cluster.local":
            counted[row["stat"]] = max(counted[row["stat"]], row["value"])
    assert set(found) == ({(200, ""), (0, "UO")} if limited else {(200, "")})
    assert found[200, ""] > 100
    assert counted["upstream_cx_overflow"] == found[0, "UO"]
    assert 0 <= counted["upstream_cx_total"] - found[200, ""] <= 3
    assert counted["upstream_cx_http1_total"] == counted["upstream_rq_completed"] == 0


MUTUAL = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: plain, namespace: shop}
    spec: {host: plain.bare.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
"""


@pytest.mark.parametrize(("protocol", "expected"), [("http", (503, "UF,URX")), ("tcp", (0, "UF,URX"))])
def test_who_does_not_know_tls_cannot_be_connected_to_with_it(protocol: str, expected: tuple[int, str]) -> None:
    """As a real Envoy has it: WRONG_VERSION_NUMBER, or a connection closed in the handshake."""
    text = HEAD.format(duration="1s", sender="front", timeline="") + APP + service_item("plain", "bare") + MUTUAL
    text = text.replace("stock.shop:80", "plain.bare:80").replace('"name": "http"', f'"name": "{protocol}"')
    sink = MemorySink()
    World(load_text(text, "tls.yaml"), 7, sink, RunOptions(mode="plain", steps=4)).run()
    assert {(row["status"], row["flags"]) for row in sink.rows if row["last"]} == {expected}


BY_SOURCE = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec: {host: stock, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}
"""


@pytest.mark.parametrize("hashed", [False, True])
def test_sessions_keep_to_the_host_of_their_source(hashed: bool) -> None:
    text = HEAD.format(duration="2s", sender="front", timeline="") + APP + STRICT + (BY_SOURCE if hashed else "")
    text = text.replace('"name": "http"', '"name": "tcp"')
    sink = MemorySink()
    World(load_text(text, "sessions.yaml"), 7, sink, RunOptions(mode="plain", steps=4)).run()
    pods = {row["pod"] for row in sink.rows if row["destination"] == "stock"}
    assert len(pods) == (1 if hashed else 3)


# -- balancing ----------------------------------------------------------------------------------------------------

REGIONS = """
apiVersion: meshsim/v1alpha1
kind: Scenario
name: regions
duration: 20s
seeds: [7]
workloads:
  - {{match: {{app: stock, version: v1}}, serve: {{errors: {{rate: {errors}%, status: 503}}}}}}
traffic:
  - name: ask
    from: {{match: {{app: front}}}}
    request: {{host: "stock.shop:80", path: /items, headers: {{x-user: anna}}}}
    rate: 200/s
resources:
  - {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{istio-injection: enabled}}}}}}
  - {{apiVersion: v1, kind: Node, metadata: {{name: west, labels: {{topology.kubernetes.io/region: west}}}}}}
  - {{apiVersion: v1, kind: Node, metadata: {{name: east, labels: {{topology.kubernetes.io/region: east}}}}}}
  - apiVersion: v1
    kind: Service
    metadata: {{name: stock, namespace: shop}}
    spec: {{selector: {{app: stock}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"""
FAILOVER = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec:
      host: stock
      trafficPolicy:
        loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {enabled: true, failover: [{from: west, to: east}]}}
        outlierDetection:
          {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 60s, maxEjectionPercent: 100}
"""
BY_USER = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec: {host: stock, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}
"""
NO_RETRIES = _rule("{retries: {attempts: 0}, route: [{destination: {host: stock}}]}")


def _deployment(app: str, version: str, node: str) -> str:
    return f"""
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: {app}-{version}, namespace: shop}}
    spec:
      replicas: 1
      selector: {{matchLabels: {{app: {app}, version: {version}}}}}
      template:
        metadata: {{labels: {{app: {app}, version: {version}}}}}
        spec: {{nodeName: {node}, containers: [{{name: {app}, image: "example/{app}:1"}}]}}
"""


def _regions(istio: str, errors: int) -> list[tuple[float, str, int]]:
    """(second, version, status) of every request from the west; v1 and v2 are there too, v3 is in the east."""
    text = REGIONS.format(errors=errors) + _deployment("front", "v1", "west")
    text += "".join(_deployment("stock", *place) for place in (("v1", "west"), ("v2", "west"), ("v3", "east")))
    sink = MemorySink()
    World(load_text(text + istio, "regions.yaml"), 7, sink, RunOptions(mode="plain", sampling=1.0)).run()
    rows = [row for row in sink.rows if row["last"]]
    return [(row["start"] / SECOND, row["destination_version"], row["status"]) for row in rows]


def test_callers_stay_in_their_region_while_it_is_well() -> None:
    found = Counter(version for _, version, _ in _regions(FAILOVER + NO_RETRIES, errors=0))
    assert set(found) == {"v1", "v2"}
    assert abs(found["v1"] - found["v2"]) <= 1


def test_an_ejected_half_of_a_region_sends_three_tenths_to_the_next() -> None:
    """One of two hosts of the first priority is left: 140 % of a half (Envoy's overprovisioning) is 70 %."""
    rows = _regions(FAILOVER + NO_RETRIES, errors=100)
    failed = [second for second, _, status in rows if status == 503]
    assert len(failed) == 3
    after = Counter(version for second, version, _ in rows if second > max(failed))
    share = after["v3"] / after.total()
    assert set(after) == {"v2", "v3"}
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / after.total()) ** 0.5


def test_a_hashed_header_keeps_its_host() -> None:
    assert len({version for _, version, _ in _regions(BY_USER + NO_RETRIES, errors=0)}) == 1
    assert len({version for _, version, _ in _regions(NO_RETRIES, errors=0)}) == 3


STAGES = """
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {{name: stages, namespace: shop}}
    spec:
      configPatches:
        - applyTo: CLUSTER
          match: {{context: SIDECAR_OUTBOUND}}
          patch:
            operation: ADD
            value:
              name: stages
              type: STATIC
              load_assignment: {{cluster_name: stages, endpoints: [{{lb_endpoints: {hosts}}}]}}
"""
ROUTED = """
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {{name: {name}, namespace: shop}}
    spec:
      configPatches:
        - applyTo: HTTP_ROUTE
          match:
            context: SIDECAR_OUTBOUND
            routeConfiguration: {{vhost: {{name: "stock.shop.svc.cluster.local:80"}}}}
          patch: {{operation: MERGE, value: {{route: {action}}}}}
"""
RETRIED = """{
  cluster: stages,
  retry_policy: {
    retry_on: retriable-status-codes,
    retriable_status_codes: [403],
    num_retries: 1,
    host_selection_retry_max_attempts: 9
  }}
"""
REFUSED = """
  - apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: nobody, namespace: shop}
    spec: {selector: {matchLabels: {app: stock}}, action: DENY, rules: [{}]}
"""
OMIT = "type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig"


def _omitting(stages: list[str]) -> tuple[Ran, str]:
    """From the first second on retries omit hosts of some stages; the pod whose stage is a, the others are b."""
    pods = sorted((pod.name, pod.address) for pod in run(duration="1s").world.directory if "stock" in pod.name)
    hosts = [
        {
            "endpoint": {"address": {"socket_address": {"address": address, "port_value": 8080}}},
            "metadata": {"filter_metadata": {"envoy.lb": {"stage": stage}}},
        }
        for (_, address), stage in zip(pods, "abb", strict=True)
    ]
    labels = [{"metadata_match": {"filter_metadata": {"envoy.lb": {"stage": stage}}}} for stage in stages]
    predicates = [{"name": "omit", "typed_config": {"@type": OMIT, **one}} for one in labels]
    omit = ROUTED.format(name="omit", action=json.dumps({"retry_policy": {"retry_host_predicate": predicates}}))
    timeline = "timeline:\n  - id: omit\n    at: 1s\n    apply:" + omit.replace("\n", "\n    ")
    filters = STAGES.format(hosts=json.dumps(hosts)) + ROUTED.format(name="retried", action=RETRIED)
    return run(istio=NO_RETRIES + REFUSED + filters, timeline=timeline), pods[0][0]


def test_retries_omit_hosts_by_their_labels() -> None:
    """A host that has all of the labels is refused (Envoy source/extensions/retry/host/omit_host_metadata)."""
    ran, kept = _omitting(["b"])
    retries = [(row["start"], row["pod"]) for row in ran.sink.rows if row["attempt"] == 2]
    assert len({pod for start, pod in retries if start < seconds(1)}) == 3
    assert {pod for start, pod in retries if start > seconds(1.5)} == {kept}
    assert ran.outcome.notes == ()


def test_more_sets_of_labels_than_can_be_told_are_noted() -> None:
    ran, _ = _omitting([*"cdefgh", "b"])
    assert len({row["pod"] for row in ran.sink.rows if row["attempt"] == 2 and row["start"] > seconds(1.5)}) == 3
    (note,) = ran.outcome.notes
    assert "retries that omit hosts by more than 6 sets of labels" in note


def test_an_assignment_that_goes_away_takes_its_policy_along() -> None:
    """A cluster of another configuration is a new one (Envoy source/common/upstream/cluster_manager_impl.cc,
    loadCluster): nothing is dropped, but there is no host."""
    drop = {"category": "all", "drop_percentage": {"numerator": 100}}
    policy = {"drop_overloads": [drop], "overprovisioning_factor": 300}
    assignment = "load_assignment: {cluster_name: stages, "
    address = {"socket_address": {"address": "192.0.2.1", "port_value": 80}}
    hosts = json.dumps([{"endpoint": {"address": address}}])
    with_policy = STAGES.format(hosts=hosts).replace(assignment, f"{assignment}policy: {json.dumps(policy)}, ")
    without = "\n".join(line for line in with_policy.split("\n") if "load_assignment" not in line)
    timeline = "timeline:\n  - id: none\n    at: 1s\n    apply:" + without.replace("\n", "\n    ")
    weights = [{"name": name, "weight": 50} for name in ("stages", "outbound|80||stock.shop.svc.cluster.local")]
    routed = ROUTED.format(name="routed", action=json.dumps({"weighted_clusters": {"clusters": weights}}))
    rows = run(istio=NO_RETRIES + with_policy + routed, timeline=timeline).sink.rows
    early = {(row["status"], row["flags"]) for row in rows if row["start"] < seconds(1)}
    late = {(row["status"], row["flags"]) for row in rows if row["start"] > seconds(1.5)}
    assert early == {(503, "UDO"), (200, "")}
    assert late == {(503, "UH"), (200, "")}
