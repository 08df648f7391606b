"""The standard metrics of a run: who reports what."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from meshsim.metrics.connections import CLOSED, OPENED
from meshsim.metrics.istio import DURATION, REQUESTS, Mesh, Sample, istio_samples
from meshsim.recording import Run
from meshsim.units import SECOND

from .conftest import NOWHERE, SQL, STORES, pod, record, record_alone
from .test_envoy import stats
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


def test_sessions_of_tcp_proxies_are_connections_and_no_requests(tcp_run: Run) -> None:
    samples = list(istio_samples(tcp_run))
    asked = {dict(s.labels)["destination_service"] for s in samples if s.metric in (REQUESTS, DURATION)}
    assert asked == {"stock.shop.svc.cluster.local", "plain.bare.svc.cluster.local"}
    store = {"destination_service": "store.shop.svc.cluster.local", "request_protocol": "tcp"}
    (client,) = find(samples, CLOSED, reporter="source", **store)
    (server,) = find(samples, CLOSED, reporter="destination", source_workload="front", **store)
    (plain,) = find(samples, CLOSED, reporter="destination", source_workload="unknown", **store)
    sent = Counter(row["traffic"] for row in tcp_run.requests(["traffic"]).to_pylist())
    assert client.requests == server.requests == sent["sql"] > 0
    assert plain.requests == sent["bare-sql"] > 0
    for sample in (client, server, plain):
        assert not {"response_code", "grpc_response_status"} & dict(sample.labels).keys()
    assert dict(client.labels)["destination_principal"] == "spiffe://cluster.local/ns/shop/sa/stock"
    assert dict(client.labels)["destination_app"] == "stock"
    assert dict(server.labels)["connection_security_policy"] == "mutual_tls"
    assert dict(plain.labels)["connection_security_policy"] == "none"
    (none,) = find(samples, OPENED, response_flags="UH")
    assert none.requests == sent["nobody"] > 0
    assert dict(none.labels)["destination_workload"] == "unknown"
    assert dict(none.labels)["destination_service"] == "empty.shop.svc.cluster.local"


def test_sessions_for_a_missing_cluster_are_told(tmp_path: Path) -> None:
    run = record_alone(tmp_path, SQL, STORES + NOWHERE)
    sent = len(run.requests())
    samples = list(istio_samples(run))
    assert {sample.metric for sample in samples} == {OPENED, CLOSED}
    (closed,) = find(samples, CLOSED, reporter="source", response_flags="NC", destination_service="unknown")
    assert closed.requests == sent > 0


def test_sessions_stay_sessions_when_their_service_goes(tmp_path: Path) -> None:
    gone = "timeline:\n  - {id: gone, at: 5s, delete: {kind: Service, name: store, namespace: shop}}\n"
    run = record_alone(tmp_path, SQL, STORES, "10s", gone)
    early = sum(row["end"] < 5 * SECOND for row in run.requests().to_pylist())
    samples = list(istio_samples(run))
    assert not find(samples, REQUESTS)
    for reporter in ("source", "destination"):
        told = find(samples, CLOSED, reporter=reporter, destination_service_name="store")
        assert sum(sample.requests for sample in told) >= early > 30
    prefix = "tcp.outbound|5432||store.shop.svc.cluster.local"
    assert stats(run, "front")[f"{prefix}.downstream_cx_total"] >= early


def test_a_session_is_open_before_it_is_closed(tcp_run: Run) -> None:
    slow = {"reporter": "source", "destination_service_name": "slow", "response_flags": "-"}
    first = min(row["start"] for row in tcp_run.requests().to_pylist() if row["traffic"] == "slow")
    samples = list(istio_samples(tcp_run, first + 6 * SECOND))
    assert not find(samples, CLOSED, **slow)
    assert sum(s.requests for s in find(samples, OPENED, **slow)) > 0
