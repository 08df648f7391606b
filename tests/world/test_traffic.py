"""Sources follow pods as they come and go."""

from __future__ import annotations

import pytest

from meshsim.errors import InputError
from meshsim.recording import TrafficInfo
from meshsim.units import MILLISECOND, SECOND

from .conftest import build, run, seconds

GATEWAY = """
  - apiVersion: v1
    kind: Service
    metadata: {name: edge, namespace: istio-system}
    spec: {selector: {istio: edge}, ports: [{name: http2, port: 80, targetPort: 8080}]}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: edge, namespace: istio-system}
    spec:
      replicas: 2
      selector: {matchLabels: {istio: edge}}
      template:
        metadata:
          labels: {istio: edge, sidecar.istio.io/inject: "true"}
          annotations: {inject.istio.io/templates: gateway}
        spec: {containers: [{name: istio-proxy, image: auto, ports: [{containerPort: 8080}]}]}
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: edge, namespace: shop}
    spec:
      selector: {istio: edge}
      servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [www.example.com]}]
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: www, namespace: shop}
    spec: {hosts: [www.example.com], gateways: [edge], http: [{name: www, route: [{destination: {host: stock}}]}]}
"""


def _scaled(replicas: int) -> str:
    return f"timeline: [{{id: scaled, at: 1s, scale: {{deployment: front, namespace: shop, replicas: {replicas}}}}}]"


def test_senders_share_the_rate() -> None:
    ran = run(timeline=_scaled(2), duration="20s")
    early = {row["source_pod"] for row in ran.sink.rows if row["start"] < seconds(1)}
    late = [row for row in ran.sink.rows if row["start"] > seconds(18)]
    assert len(early) == 1
    assert len({row["source_pod"] for row in late}) == 2
    assert len(late) == pytest.approx(200, abs=10), "the rate is that of all senders together"


def test_clients_outside_come_through_the_gateways_pods() -> None:
    world, sink = build(more=GATEWAY)
    del world
    assert sink.rows == []
    text = {"duration": "4s"}
    ran = run(more=GATEWAY, timeline=_THROUGH, **text)
    outside = [row for row in ran.sink.rows if row["traffic"] == "visitors"]
    assert len(outside) > 150
    assert {row["status"] for row in outside} == {200}
    assert {row["route"] for row in outside} == {"www"}
    assert {row["source"] for row in outside} == {"edge"}, "the gateway is the caller, as in Istio's metrics"
    assert {row["source_pod"].rpartition("-")[0].rpartition("-")[0] for row in outside} == {"edge"}
    told = {record.traffic: record for record in ran.sink.of(TrafficInfo)}
    assert (told["visitors"].gateway, told["visitors"].way) == ("edge", 5 * MILLISECOND)
    assert (told["ask"].gateway, told["ask"].way) == ("", 0)


def test_clients_outside_who_find_no_gateway_are_callers_themselves() -> None:
    gone = "timeline: [{id: gone, at: 1s, scale: {deployment: edge, namespace: istio-system, replicas: 0}}]"
    ran = run(more=GATEWAY, timeline=_THROUGH + gone, duration="40s")
    late = [row for row in ran.sink.rows if row["traffic"] == "visitors" and row["start"] > seconds(38)]
    assert {(row["source"], row["destination"], row["status"]) for row in late} == {("visitors", "edge", 0)}


_THROUGH = """  - name: visitors
    through: edge
    request: {host: www.example.com, path: /}
    rate: 50/s
"""


def test_what_a_gateway_cannot_pass_on_was_for_whom_it_routes_to() -> None:
    gone = (
        "timeline:\n"
        "  - {id: one, at: 1s, scale: {deployment: stock-v1, namespace: shop, replicas: 0}}\n"
        "  - {id: other, at: 1s, scale: {deployment: stock-v2, namespace: shop, replicas: 0}}\n"
    )
    ran = run(more=GATEWAY, timeline=_THROUGH + gone, duration="40s")
    late = [row for row in ran.sink.rows if row["traffic"] == "visitors" and row["start"] > seconds(38)]
    assert {(row["source"], row["destination"], row["service"], row["status"]) for row in late} == {
        ("edge", "stock", "www.example.com", 503)
    }


def test_when_nobody_is_left_requests_find_nobody() -> None:
    ran = run(timeline=_scaled(0), duration="40s")
    late = [row for row in ran.sink.rows if row["start"] > seconds(38)]
    assert late
    assert {row["status"] for row in late} == {0}


def test_a_port_the_gateway_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="port 8443"):
        build(more=GATEWAY, timeline=_THROUGH.replace("www.example.com, path", "'www.example.com:8443', path"))


def _traffic(*lines: str) -> str:
    """Another traffic from the front, after the one that every test has."""
    head = "  - name: other\n    from: {match: {app: front}}\n    request: {host: stock, path: /other}\n"
    return head + "".join(f"    {line}\n" for line in lines)


def _begun(*lines: str, **options: str) -> list[float]:
    """When its requests were sent, in seconds."""
    ran = run(timeline=_traffic(*lines), **options)
    return sorted(row["start"] / SECOND for row in ran.sink.rows if row["traffic"] == "other")


def test_rates_follow_a_series() -> None:
    times = _begun("series: {every: 500ms, rates: [100/s, 0/s, 40/s]}", "arrivals: constant", "start: 1s")
    assert [sum(at <= time < at + 0.5 for time in times) for at in (0.5, 1, 1.5, 2, 2.5)] == [0, 50, 0, 20, 0]


def test_requests_are_replayed() -> None:
    assert _begun("replay: {at: [0s, 250ms, 1s]}", "start: 500ms") == [0.5, 0.75, 1.5]


def test_connections_share_their_rate_and_wait() -> None:
    times = _begun("rate: 10/s", "connections: 2")
    assert len(times) == 38, "the last two are due when the run is over"
    assert times[:4] == pytest.approx([0, 0, 4 / 19, 4 / 19])


def test_bursts_differ_by_seed_alone() -> None:
    lines = ("bursts: [{rate: 400/s, dwell: 300ms}, {rate: 0/s, dwell: 300ms}]",)
    once, again = _begun(*lines), _begun(*lines)
    assert once == again
    seconds_used = {int(time * 20) for time in once}
    assert 10 < len(seconds_used) < 75, "some twentieths of a second are silent"


def test_users_join_by_their_ramp() -> None:
    times = _begun("userRamp: [{at: 0s, users: 0}, {at: 4s, users: 8}]", "think: 100ms")
    late = sum(time > 3 for time in times)
    assert 0.5 <= times[0] < 0.51
    assert late > 2 * sum(time < 2 for time in times)
