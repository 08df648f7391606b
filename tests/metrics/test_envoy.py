"""Envoy's statistics of a proxy of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from meshsim.metrics.envoy import envoy_stats, named
from meshsim.metrics.istio import Mesh
from meshsim.recording import Run
from meshsim.units import SECOND

from .conftest import NOWHERE, SQL, STORES, pod, record_alone


def stats(run: Run, app: str, at: int | None = None) -> dict[str, int]:
    proxy = pod(run, app)
    return {stat.name: stat.value for stat in envoy_stats(run, proxy, Mesh(run, at).rules(proxy), at)}


def test_clusters_and_connection_managers_agree_with_the_requests(run: Run) -> None:
    rows = run.requests().to_pylist()
    asked = sum(row["last"] and row["source_pod"] == pod(run, "front").pod and row["traffic"] == "ask" for row in rows)
    front = stats(run, "front")
    cluster = "cluster.outbound|80||stock.shop.svc.cluster.local;"
    assert front[f"{cluster}.upstream_rq_200"] == front[f"{cluster}.upstream_rq_2xx"] == asked
    assert front[f"{cluster}.membership_healthy"] == front[f"{cluster}.membership_total"] == 1
    assert front[f"{cluster}.upstream_rq_retry"] == 0
    # One connection manager takes in what goes to port 80 of any service.
    assert front["http.outbound_0.0.0.0_80;.downstream_rq_2xx"] > asked
    served = sum(row["pod"] == pod(run, "stock").pod for row in rows)
    assert stats(run, "stock")["http.inbound_0.0.0.0_8080;.downstream_rq_total"] == served


def test_an_instant(run: Run) -> None:
    name = "cluster.outbound|80||stock.shop.svc.cluster.local;.upstream_rq_total"
    early, late = stats(run, "front", 2 * SECOND)[name], stats(run, "front")[name]
    assert 0 < early < late
    ended = [row for row in run.requests().to_pylist() if row["traffic"] == "ask" and row["attempt_start"] < 2 * SECOND]
    assert abs(early - len(ended)) <= 1


def test_tcp_proxies_count_sessions(tcp_run: Run) -> None:
    sent = Counter(row["traffic"] for row in tcp_run.requests(["traffic"]).to_pylist())
    front = stats(tcp_run, "front")
    prefix = "tcp.outbound|{}||{}.shop.svc.cluster.local"
    assert front[prefix.format(5432, "store") + ".downstream_cx_total"] == sent["sql"] > 0
    assert front[prefix.format(5432, "store") + ".idle_timeout"] == 0
    assert front[prefix.format(5433, "empty") + ".downstream_cx_total"] == sent["nobody"] > 0
    assert front["cluster.outbound|5433||empty.shop.svc.cluster.local;.upstream_cx_none_healthy"] == sent["nobody"]
    idle = prefix.format(5435, "idle")
    assert front[f"{idle}.idle_timeout"] == front[f"{idle}.downstream_cx_total"] == sent["idle"] > 0
    assert front[f"{idle}.upstream_flush_total"] == front[f"{idle}.downstream_cx_no_route"] == 0
    assert stats(tcp_run, "stock")["tcp.inbound|5432||.downstream_cx_total"] == sent["sql"] + sent["bare-sql"]
    assert not any(".tcp." in name for name in front)


def test_sessions_are_no_requests(tcp_run: Run) -> None:
    asked = Counter(row["traffic"] for row in tcp_run.requests().to_pylist() if row["last"])

    def requests(app: str) -> int:
        found = stats(tcp_run, app)
        assert not any(name.endswith(".no_cluster") for name in found)
        return sum(n for name, n in found.items() if name.startswith("http.") and name.endswith(".downstream_rq_total"))

    assert requests("front") == asked["ask"] + asked["out"] > 0
    assert requests("stock") == asked["ask"] + asked["bare"]


def test_sessions_for_a_missing_cluster_are_counted(tmp_path: Path) -> None:
    run = record_alone(tmp_path, SQL, STORES + NOWHERE)
    sent = len(run.requests())
    front = stats(run, "front")
    prefix = "tcp.outbound|99||nowhere.shop.svc.cluster.local"
    assert front[f"{prefix}.downstream_cx_no_route"] == front[f"{prefix}.downstream_cx_total"] == sent > 0
    assert not any(name.startswith("http.") for name in front)


def test_tcp_proxies_at_an_instant(tcp_run: Run) -> None:
    name = "tcp.outbound|5434||slow.shop.svc.cluster.local.downstream_cx_total"
    begun = [row["start"] for row in tcp_run.requests().to_pylist() if row["traffic"] == "slow"]
    assert stats(tcp_run, "front", 2 * SECOND)[name] == sum(start <= 2 * SECOND for start in begun) > 0


def test_names_in_prometheus_text() -> None:
    stat = named("cluster", "outbound|80||a.b;", "cluster_name", "upstream_rq_503", 7)
    assert (stat.name, stat.family) == ("cluster.outbound|80||a.b;.upstream_rq_503", "envoy_cluster_upstream_rq")
    assert stat.labels == (("cluster_name", "outbound|80||a.b"), ("response_code", "503"))
    stat = named("cluster", "c", "cluster_name", "retry.upstream_rq_5xx", 7)
    assert (stat.family, stat.labels[1]) == ("envoy_cluster_retry_upstream_rq_xx", ("response_code_class", "5xx"))
    assert named("cluster", "c", "cluster_name", "circuit_breakers.default.rq_open", 0).gauge
    assert not named("cluster", "c", "cluster_name", "upstream_cx_total", 0).gauge
