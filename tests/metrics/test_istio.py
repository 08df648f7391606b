"""The standard metrics of a run: who reports what."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.metrics.istio import DURATION, REQUESTS, Mesh, Sample, istio_samples
from meshsim.recording import Run
from meshsim.units import SECOND

from .conftest import pod, record
from .test_rules import OFF


def find(samples: list[Sample], metric: str, **labels: str) -> list[Sample]:
    """Samples of a metric with these labels."""
    return [s for s in samples if s.metric == metric and labels.items() <= dict(s.labels).items()]


def rows(run: Run, source: str, destination: str) -> int:
    """Requests from one pod to another."""
    return sum(
        row["last"] and (row["source_pod"], row["pod"]) == (pod(run, source).pod, pod(run, destination).pod)
        for row in run.requests().to_pylist()
    )


def test_both_sides_report_what_goes_between_sidecars(run: Run) -> None:
    samples = list(istio_samples(run))
    (client,) = find(samples, REQUESTS, reporter="source", destination_workload="stock-v1")
    (server,) = find(samples, REQUESTS, reporter="destination", source_workload="front")
    assert client.requests == server.requests == rows(run, "front", "stock") > 0
    assert (client.proxy, server.proxy) == (pod(run, "front"), pod(run, "stock"))
    assert (
        dict(server.labels).items()
        >= {
            "source_principal": "spiffe://cluster.local/ns/shop/sa/front",
            "source_app": "front",
            "source_version": "unknown",
            "destination_principal": "spiffe://cluster.local/ns/shop/sa/stock",
            "destination_service": "stock.shop.svc.cluster.local",
            "destination_service_name": "stock",
            "destination_version": "v1",
            "response_code": "200",
            "response_flags": "-",
            "connection_security_policy": "mutual_tls",
        }.items()
    )
    assert dict(client.labels)["connection_security_policy"] == "unknown"
    assert dict(client.labels)["source_version"] == ""


def test_who_has_no_sidecar_reports_nothing(run: Run) -> None:
    samples = list(istio_samples(run))
    assert {sample.proxy.app for sample in samples} == {"front", "stock"}
    (server,) = find(samples, REQUESTS, reporter="destination", source_workload="unknown")
    assert server.requests == rows(run, "plain", "stock") > 0
    assert dict(server.labels)["connection_security_policy"] == "none"
    assert dict(server.labels)["source_principal"] == dict(server.labels)["destination_principal"] == "unknown"
    (client,) = find(samples, REQUESTS, reporter="source", destination_workload="plain")
    found = dict(client.labels)
    assert client.requests == rows(run, "front", "plain") > 0
    assert (found["destination_app"], found["destination_canonical_service"]) == ("unknown", "plain")
    assert found["destination_principal"] == "unknown"


def test_durations_are_the_clients_and_the_servers(run: Run) -> None:
    samples = list(istio_samples(run))
    (client,) = find(samples, DURATION, reporter="source", destination_workload="stock-v1")
    (server,) = find(samples, DURATION, reporter="destination", source_workload="front")
    assert client.requests == server.requests
    assert client.total > server.total
    assert server.total / server.requests == pytest.approx(5.05, abs=0.5)


def test_seconds_add_up(run: Run) -> None:
    whole = {(s.proxy.pod, s.metric, s.labels): s.requests for s in istio_samples(run)}
    parts: dict[object, float] = {}
    for sample in istio_samples(run, step=SECOND):
        key = (sample.proxy.pod, sample.metric, sample.labels)
        parts[key] = parts.get(key, 0) + sample.requests
    assert parts == whole


def test_chosen_proxies_alone(run: Run) -> None:
    stock = pod(run, "stock")
    assert {s.proxy for s in istio_samples(run, chosen=lambda other: other == stock)} == {stock}
    assert Mesh(run, None).named(f"{stock.pod}.shop") == stock


def test_the_telemetry_api_is_obeyed(tmp_path: Path) -> None:
    samples = list(istio_samples(record(tmp_path, OFF)))
    assert {sample.metric for sample in samples} == {REQUESTS}
    for sample in samples:
        labels = dict(sample.labels)
        assert labels["reporter"] == "source"
        assert labels["method"] == "GET"
        assert "source_principal" not in labels


def test_a_share_of_the_requests_gives_estimates(tmp_path: Path) -> None:
    run = record(tmp_path, sampling=0.25)
    total = sum(s.requests for s in istio_samples(run) if s.metric == REQUESTS)
    assert total == pytest.approx(2 * 50 * 5 + 20 * 5 + 10 * 5, rel=0.35)
    kept = len(run.requests())
    assert total % 4 == 0
    assert total > 3 * kept


TCP = """\
  - apiVersion: v1
    kind: Service
    metadata: {name: store, namespace: shop}
    spec: {selector: {app: stock}, ports: [{name: tcp-store, port: 5432, targetPort: 5432}]}
"""


def test_what_goes_through_tcp_proxies_is_no_request(tmp_path: Path) -> None:
    """Envoy reports streams of TCP proxies as connections alone; the same mesh with requests besides reports those."""
    more = '  - {name: sql, from: {match: {app: front}}, request: {host: "store.shop:5432", path: /}, rate: 50/s}\n'
    run = record(tmp_path, TCP, traffic=more)
    sent = [row for row in run.requests(["traffic", "cluster", "route"]).to_pylist() if row["traffic"] == "sql"]
    assert {(row["cluster"], row["route"]) for row in sent} == {("outbound|5432||store.shop.svc.cluster.local", "")}
    services = {dict(sample.labels)["destination_service"] for sample in istio_samples(run)}
    assert services == {"stock.shop.svc.cluster.local", "plain.bare.svc.cluster.local"}
