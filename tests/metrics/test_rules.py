"""What a proxy's configuration says about its metrics."""

from __future__ import annotations

from pathlib import Path

from meshsim.metrics.rules import METRICS, MetricRules, Service, metric_rules, proxy_rules
from meshsim.recording import Run
from meshsim.units import SECOND
from meshsim.xds.istio_messages import StatsMetricConfig, StatsPluginConfig

from .conftest import STORES, pod, record

OFF = """\
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: mesh, namespace: istio-system}
    spec:
      metrics:
        - providers: [{name: prometheus}]
          overrides:
            - {match: {mode: SERVER}, disabled: true}
            - match: {metric: REQUEST_COUNT, mode: CLIENT}
              tagOverrides: {method: {value: request.method}, source_principal: {operation: REMOVE}}
            - {match: {metric: REQUEST_DURATION, mode: CLIENT}, disabled: true}
"""


def test_an_installation_reports_on_both_sides(run: Run) -> None:
    front = pod(run, "front")
    rules = proxy_rules(run.config(f"{front.pod}.{front.namespace}"))
    assert (rules.source, rules.destination) == (MetricRules(), MetricRules())
    cluster = "outbound|80||stock.shop.svc.cluster.local"
    assert rules.services[cluster] == Service("stock.shop.svc.cluster.local", "stock")
    assert rules.stat_names[cluster] == f"{cluster};"
    assert rules.outbound_prefixes[80] == "outbound_0.0.0.0_80;"
    stock = pod(run, "stock")
    rules = proxy_rules(run.config(f"{stock.pod}.{stock.namespace}"))
    assert rules.inbound_prefixes[8080] == "inbound_0.0.0.0_8080;"


def test_telemetry_objects_count(tmp_path: Path) -> None:
    run = record(tmp_path, OFF)
    front = pod(run, "front")
    rules = proxy_rules(run.config(f"{front.pod}.{front.namespace}"))
    assert rules.destination is None
    assert rules.source is not None
    assert rules.source.dropped == {"request_duration_milliseconds"}
    assert rules.source.changed["requests_total"] == {"method": "request.method"}
    assert rules.source.removed["requests_total"] == {"source_principal"}


def test_overrides_without_a_metric_are_for_all() -> None:
    config = StatsPluginConfig(metrics=[StatsMetricConfig(tags_to_remove=["source_app"], dimensions={"a": "1"})])
    rules = metric_rules(config)
    assert all(rules.removed[name] == {"source_app"} and rules.changed[name] == {"a": "1"} for name in METRICS)


def test_a_tcp_proxy_and_how_often_it_reports(tcp_run: Run) -> None:
    front, stock = (
        proxy_rules(tcp_run.config(f"{own.pod}.{own.namespace}"))
        for own in (pod(tcp_run, "front"), pod(tcp_run, "stock"))
    )
    store = "outbound|5432||store.shop.svc.cluster.local"
    found = front.session_filter(store, store)
    assert found is not None
    # A proxy that has not got a cluster knows which one it wants.
    assert found == front.session_filter("", store)
    assert front.session_filter(store, "") is None
    assert (found.prefix, found.rules, found.inbound) == (store, MetricRules(), False)
    assert front.reports(store, found) == 5 * SECOND
    assert front.reports("PassthroughCluster", front.tcp["PassthroughCluster"]) == 5 * SECOND
    # Where nobody tells who he is, nothing is reported before the end.
    assert front.reports("somewhere", found) == 0
    served = stock.served_filter("10.0.0.1:5432", store)
    assert served == stock.served_filter("10.0.0.1:5432", "")
    assert served is not None
    assert stock.reports("10.0.0.1:5432", served) == 5 * SECOND
    assert stock.served_filter("10.0.0.1:8080", "") is None


def test_the_telemetry_api_says_how_often(tmp_path: Path) -> None:
    often = """\
  - apiVersion: telemetry.istio.io/v1
    kind: Telemetry
    metadata: {name: mesh, namespace: istio-system}
    spec: {metrics: [{providers: [{name: prometheus}], reportingInterval: 2s500ms}]}
"""
    run = record(tmp_path, STORES + often)
    front = pod(run, "front")
    rules = proxy_rules(run.config(f"{front.pod}.{front.namespace}"))
    assert rules.tcp["outbound|5432||store.shop.svc.cluster.local"].interval == 2500 * SECOND // 1000


def test_where_both_may_come_the_caller_knows(run: Run) -> None:
    front, stock = (proxy_rules(run.config(f"{pod(run, app).pod}.shop")) for app in ("front", "stock"))
    assert front.session_filter("PassthroughCluster", "PassthroughCluster") == front.tcp["PassthroughCluster"]
    assert front.session_filter("PassthroughCluster", "") is None
    assert stock.served_filter("10.0.0.1:9999", "PassthroughCluster") == stock.tcp["InboundPassthroughCluster"]
    assert stock.served_filter("10.0.0.1:9999", "") is None
