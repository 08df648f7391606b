"""Labels of the standard metrics, as istio_stats.cc derives them."""

from __future__ import annotations

from meshsim.metrics.labels import (
    Stream,
    Workload,
    attributes_of,
    destination_labels,
    overridden,
    service_of,
    source_labels,
)
from meshsim.metrics.rules import MetricRules, Service

FRONT = Workload("front", "front", "latest", "shop", "spiffe://td/ns/shop/sa/front", "front", "", "Kubernetes")
STOCK = Workload("stock-v1", "stock", "v1", "shop", "spiffe://td/ns/shop/sa/stock", "stock", "v1", "Kubernetes")
STREAM = Stream(
    source=FRONT,
    destination=STOCK,
    service=Service("stock.shop.svc.cluster.local", "stock"),
    status=503,
    flags="URX",
    secured=True,
    method="GET",
    path="/items?id=7",
    port="8080",
)
NAMES = [
    "reporter",
    *(
        f"source_{name}"
        for name in (
            *("workload", "canonical_service", "canonical_revision", "workload_namespace"),
            *("principal", "app", "version", "cluster"),
        )
    ),
    *(
        f"destination_{name}"
        for name in (
            *("workload", "canonical_service", "canonical_revision", "workload_namespace"),
            *("principal", "app", "version", "cluster", "service", "service_name", "service_namespace"),
        )
    ),
    *("request_protocol", "response_code", "grpc_response_status", "response_flags", "connection_security_policy"),
]


def test_both_sides_have_istios_labels() -> None:
    assert [name for name, _ in source_labels(STREAM)] == NAMES
    assert [name for name, _ in destination_labels(STREAM)] == NAMES


def test_only_the_server_knows_how_the_connection_is_protected() -> None:
    assert dict(source_labels(STREAM))["connection_security_policy"] == "unknown"
    assert dict(destination_labels(STREAM))["connection_security_policy"] == "mutual_tls"
    plain = dict(destination_labels(STREAM._replace(secured=False)))
    assert plain["connection_security_policy"] == "none"


def test_what_is_not_known() -> None:
    found = dict(source_labels(STREAM._replace(destination=Workload(), service=Service("", ""), flags="")))
    assert found["destination_workload"] == found["destination_service"] == "unknown"
    assert found["destination_service_namespace"] == "unknown"
    assert found["destination_canonical_revision"] == "latest"
    assert found["response_flags"] == "-"
    own = dict(destination_labels(STREAM._replace(service=Service("", ""))))
    assert (own["destination_service"], own["destination_service_name"]) == ("stock", "stock")


def test_the_service_comes_from_the_cluster_then_from_the_host() -> None:
    services = {"outbound|80||a.b": Service("a.b", "a")}
    assert service_of(services, "outbound|80||a.b", "default", "x") == Service("a.b", "a")
    assert service_of(services, "outbound|81||c", "", "x") == Service("x", "x")
    assert service_of(services, "PassthroughCluster", "", "x") == Service("x", "PassthroughCluster")
    assert service_of(services, "", "block_all", "x") == Service("x", "BlackHoleCluster")
    assert service_of(services, "", "", "") == Service("", "")


def test_overrides_drop_remove_change_and_add() -> None:
    rules = MetricRules(
        frozenset({"request_bytes"}),
        {"requests_total": frozenset({"source_principal"})},
        {"requests_total": {"destination_port": "destination.port", "source_app": "'other'"}},
    )
    labels = source_labels(STREAM)
    assert overridden(labels, rules, "request_bytes", STREAM) is None
    assert overridden(labels, rules, "request_duration_milliseconds", STREAM) == labels
    found = overridden(labels, rules, "requests_total", STREAM)
    assert found is not None
    assert "source_principal" not in dict(found)
    assert dict(found)["source_app"] == "other"
    assert found[-1] == ("destination_port", "8080")
    assert attributes_of(STREAM)["request.url_path"] == "/items"
