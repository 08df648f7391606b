"""Labels of Istio's standard metrics, and where each comes from.

istio/proxy source/extensions/filters/http/istio_stats/istio_stats.cc (populatePeerInfo,
populateFlagsAndConnectionSecurity), release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from meshsim.metrics.expressions import UNKNOWN, evaluate
from meshsim.metrics.rules import MetricRules, Service

Labels = tuple[tuple[str, str], ...]

CLUSTER_ID: Final = "Kubernetes"
"""The kube's name in the node metadata, where none is configured."""
_LATEST: Final = "latest"
_SPECIAL: Final = {"block_all": "BlackHoleCluster", "allow_any": "PassthroughCluster"}
"""Clusters that catch what no service is for, by the names of the routes that lead there."""
_CATCHING: Final = ("BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster")


class Workload(NamedTuple):
    """A pod as proxies know it: from its own node metadata, from what a peer sends, or from an endpoint's metadata."""

    workload: str = UNKNOWN
    canonical_service: str = UNKNOWN
    canonical_revision: str = _LATEST
    namespace: str = UNKNOWN
    principal: str = UNKNOWN
    app: str = UNKNOWN
    version: str = UNKNOWN
    cluster: str = UNKNOWN

    def labels(self, side: str) -> Labels:
        """Its labels as the ``source`` or ``destination``."""
        names = ("workload", "canonical_service", "canonical_revision", "workload_namespace")
        more = ("principal", "app", "version", "cluster")
        return tuple((f"{side}_{name}", value) for name, value in zip((*names, *more), self, strict=True))


class Stream(NamedTuple):
    """What a group of requests has in common at the proxy that reports them."""

    source: Workload
    destination: Workload
    service: Service
    """Empty where nothing is known."""
    status: int
    """0 without an answer."""
    flags: str
    """With commas, empty without."""
    secured: bool
    """Whether mutual TLS protects the server's side."""
    method: str
    path: str
    port: str
    """Of the destination."""
    tcp: bool = False
    """Whether it is a connection through a TCP proxy."""


def service_of(services: Mapping[str, Service], cluster: str, route: str, host: str) -> Service:
    """The destination service: of the cluster's metadata, else what the Host header says, if that may count."""
    if route in _SPECIAL:
        return Service(host, _SPECIAL[route])
    if cluster.startswith(_CATCHING):
        return Service(host, cluster)
    return services.get(cluster, Service(host, host))


def source_labels(stream: Stream) -> Labels:
    """As the caller's proxy reports; it never knows how the connection is protected."""
    peer = stream.destination
    return (
        ("reporter", "source"),
        *stream.source.labels("source"),
        *peer.labels("destination"),
        ("destination_service", stream.service.host or UNKNOWN),
        ("destination_service_name", stream.service.name or UNKNOWN),
        ("destination_service_namespace", peer.namespace),
        *_answer(stream),
        ("connection_security_policy", UNKNOWN),
    )


def destination_labels(stream: Stream) -> Labels:
    """As the server's sidecar reports."""
    own = stream.destination
    return (
        ("reporter", "destination"),
        *stream.source.labels("source"),
        *own.labels("destination"),
        ("destination_service", stream.service.host or own.canonical_service),
        ("destination_service_name", stream.service.name or own.canonical_service),
        ("destination_service_namespace", own.namespace),
        *_answer(stream),
        ("connection_security_policy", "mutual_tls" if stream.secured else "none"),
    )


def _answer(stream: Stream) -> Labels:
    if stream.tcp:
        return ("request_protocol", "tcp"), ("response_flags", stream.flags or "-")
    return (
        ("request_protocol", "http"),
        ("response_code", str(stream.status)),
        ("grpc_response_status", ""),
        ("response_flags", stream.flags or "-"),
    )


def overridden(labels: Labels, rules: MetricRules, metric: str, stream: Stream) -> Labels | None:
    """The labels of a metric once the Telemetry API has had its say; `None` for a metric that is switched off."""
    if metric in rules.dropped:
        return None
    removed = rules.removed.get(metric, frozenset())
    changed = rules.changed.get(metric)
    if not removed and not changed:
        return labels
    values = {tag: evaluate(text, attributes_of(stream)) for tag, text in (changed or {}).items()}
    kept = [(name, values.pop(name, value)) for name, value in labels if name in values or name not in removed]
    return (*kept, *values.items())


def attributes_of(stream: Stream) -> dict[str, str]:
    """The CEL attributes that a run knows."""
    if stream.tcp:
        return {"destination.port": stream.port}
    return {
        "request.method": stream.method,
        "request.path": stream.path,
        "request.url_path": stream.path.partition("?")[0],
        "request.host": stream.service.host,
        "request.protocol": "HTTP/1.1",
        "response.code": str(stream.status),
        "destination.port": stream.port,
    }
