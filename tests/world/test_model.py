"""A whole world, from pods to rows."""

from __future__ import annotations

from meshsim.recording import ProxyInfo
from meshsim.trace import PodPhase, ProxyEffective, PushAnswer, TimelineMark

from .conftest import run, seconds

SPLIT = """
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: stock, namespace: shop}
    spec: {host: stock, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stock, namespace: shop}
    spec: {hosts: [stock], http: [{name: pinned, route: [{destination: {host: stock, subset: v1}}]}]}
"""
TO_V2 = """
timeline:
  - id: shift
    at: 2s
    apply:
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      metadata: {name: stock, namespace: shop}
      spec: {hosts: [stock], http: [{name: moved, route: [{destination: {host: stock, subset: v2}}]}]}
"""


def test_requests_go_through_both_proxies() -> None:
    ran = run()
    rows = ran.sink.rows
    assert len(rows) > 350
    assert {row["status"] for row in rows} == {200}
    assert {row["cluster"] for row in rows} == {"outbound|80||stock.shop.svc.cluster.local"}
    assert {row["destination_version"] for row in rows} == {"v1", "v2"}
    assert {row["source"] for row in rows} == {"front"}
    assert all(row["endpoint"].endswith(":8080") for row in rows)
    assert all(row["parent"] == -1 and row["last"] for row in rows)
    # 5 ms of service, four passes through proxies and the network
    middle = sorted(row["request_end"] - row["start"] for row in rows)[len(rows) // 2]
    assert seconds(0.0051) < middle < seconds(0.009)


def test_a_rule_takes_effect_when_its_proxy_has_it() -> None:
    ran = run(istio=SPLIT, timeline=TO_V2)
    effective = [
        r.time
        for r in ran.sink.of(ProxyEffective)
        if r.proxy.startswith("front") and r.type_url.endswith("RouteConfiguration")
    ]
    assert len(effective) == 1
    # watch latency, 100 ms of debounce, push context, generation and the way to the proxy
    assert seconds(2.1) < effective[0] < seconds(2.3)
    for row in ran.sink.rows:
        wanted = "v1" if row["start"] < effective[0] else "v2"
        assert row["destination_version"] == wanted
        assert row["route"] == ("pinned" if wanted == "v1" else "moved")


def test_everything_is_recorded() -> None:
    ran = run(istio=SPLIT, timeline=TO_V2)
    assert sorted({p.pod.rsplit("-", 2)[0] for p in ran.sink.of(ProxyInfo)}) == ["front", "stock-v1", "stock-v2"]
    assert [(m.id, m.begins) for m in ran.sink.of(TimelineMark)] == [("shift", True)]
    assert all(answer.accepted for answer in ran.sink.of(PushAnswer))
    assert {time for time, *_ in ran.sink.config if time} != set()
    assert ran.outcome.requests == len([row for row in ran.sink.rows if row["last"]])


def test_equal_seeds_give_equal_digests() -> None:
    one, two = run(istio=SPLIT, timeline=TO_V2), run(istio=SPLIT, timeline=TO_V2)
    assert one.outcome.digest == two.outcome.digest
    assert one.sink.rows == two.sink.rows
    other = run(istio=SPLIT)
    assert other.outcome.digest != one.outcome.digest


def test_a_killed_pod_is_replaced_and_used_again() -> None:
    timeline = "timeline: [{id: crash, at: 1s, kill: {pods: {match: {app: stock, version: v2}}, namespace: shop}}]"
    ran = run(timeline=timeline, duration="20s")
    phases = [r.phase for r in ran.sink.of(PodPhase) if r.pod.startswith("stock-v2")]
    assert "ready" in phases
    late = [row for row in ran.sink.rows if row["start"] > seconds(18)]
    assert {row["destination_version"] for row in late} == {"v1", "v2"}
    assert {row["status"] for row in late} == {200}
    assert sum(row["status"] != 200 for row in ran.sink.rows if row["last"]) < 10
