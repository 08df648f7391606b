"""Istio's standard metrics of a run: each proxy's series with their labels, at an instant or second by second.

DEVIATION: of the standard metrics requests, their durations and TCP connections are told, no bytes and gRPC messages.
Bytes are those on the wire with all headers, of which a run knows the bodies alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from meshsim.metrics.connections import NO_SESSION, connection_groups
from meshsim.metrics.histogram import total
from meshsim.metrics.labels import (
    CLUSTER_ID,
    Labels,
    Stream,
    Workload,
    destination_labels,
    overridden,
    service_of,
    source_labels,
)
from meshsim.metrics.requests import Group, Side, request_groups
from meshsim.metrics.rules import TYPES, MetricRules, ProxyRules, Service, proxy_rules
from meshsim.recording import InstanceInfo, Run
from meshsim.units import Nanos

REQUESTS: Final = "requests_total"
DURATION: Final = "request_duration_milliseconds"
_NOBODY: Final = Workload()


class Sample(NamedTuple):
    """Requests of one series in one step of time."""

    second: int
    """They had been reported by then, since the second before; 0 for all of a run."""
    proxy: InstanceInfo
    metric: str
    """Without ``istio_``."""
    labels: Labels
    bins: dict[int, float]
    """Requests by the bin of their duration (`histogram.bins_of`); sessions are in that of 0."""

    @property
    def requests(self) -> float:
        """How many, or how many sessions."""
        return sum(self.bins.values())

    @property
    def total(self) -> float:
        """Sum of their durations in milliseconds, as Envoy tells it."""
        return total(self.bins)


@dataclass(slots=True)
class Mesh:
    """Who is who in a run, and what each proxy has been told, as of an instant or the end."""

    run: Run
    at: Nanos | None
    pods: dict[tuple[str, str], InstanceInfo] = field(init=False)
    _rules: dict[str, ProxyRules] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.run.instances().to_pylist()
        self.pods = {
            (row["namespace"], row["pod"]): InstanceInfo(*(row[name] for name in InstanceInfo._fields)) for row in rows
        }

    def named(self, proxy: str) -> InstanceInfo:
        """The pod of a proxy id; raises `KeyError`."""
        pod, _, namespace = proxy.rpartition(".")
        return self.pods[namespace, pod]

    def rules(self, pod: InstanceInfo) -> ProxyRules:
        """The rules of a pod's proxy, with what it had before."""
        name = f"{pod.pod}.{pod.namespace}"
        if name not in self._rules:
            former = self.run.former_config(name, TYPES, self.at)
            self._rules[name] = proxy_rules(self.run.config(name, self.at), former)
        return self._rules[name]


def istio_samples(
    run: Run, at: Nanos | None = None, step: Nanos = 0, chosen: Callable[[InstanceInfo], bool] | None = None
) -> Iterator[Sample]:
    """The series of all proxies, or of chosen ones, by second, proxy and labels.

    `at`: what had been reported by then, with the rules of then; by default at the end. Runs that recorded only a share
    of their requests give estimates. The proxies' rules are those of the first replication.
    """
    until = run.duration + 1 if at is None else at
    mesh = Mesh(run, at)
    weight = 1 / run.manifest.sampling
    found: dict[tuple[int, str, str, str, Labels], Sample] = {}
    for (metrics, group), report in _reports(mesh, until, step, chosen):
        for proxy, metric, labels in report(metrics, group._replace(second=0, bin=0, requests=0)):
            key = (group.second, proxy.namespace, proxy.pod, metric, labels)
            sample = found.get(key)
            if sample is None:
                sample = found[key] = Sample(group.second, proxy, metric, labels, {})
            sample.bins[group.bin] = sample.bins.get(group.bin, 0) + group.requests * weight
    for key in sorted(found):
        yield found[key]


_Metrics: TypeAlias = tuple[str, ...]
_Report: TypeAlias = Callable[[_Metrics, Group], tuple[tuple[InstanceInfo, str, Labels], ...]]


def _reports(
    mesh: Mesh, until: Nanos, step: Nanos, chosen: Callable[[InstanceInfo], bool] | None
) -> Iterator[tuple[tuple[_Metrics, Group], _Report]]:
    """What counts into which metrics, and who tells the series."""
    for side in Side:
        report = lru_cache(maxsize=None)(_Reporter(mesh, side, chosen))
        for group in request_groups(mesh.run, side, until, step):
            yield ((REQUESTS, DURATION), group), report
        told = lru_cache(maxsize=None)(_TcpReporter(mesh, side, chosen))
        for metric, group in connection_groups(mesh.run, side, until, session_reports(mesh, side), step):
            yield ((metric,), group), told


def session_reports(mesh: Mesh, side: Side) -> Callable[[str, str, str, str], Nanos]:
    """How often a proxy reports a session while it lasts (`connections.Reports`)."""

    def reports(namespace: str, pod: str, there: str, session: str) -> Nanos:
        own = mesh.pods.get((namespace, pod))
        if own is None or not own.kind:
            return NO_SESSION
        known = mesh.rules(own)
        at_caller = side is Side.SOURCE
        found = known.session_filter(there, session) if at_caller else known.served_filter(there, session)
        return NO_SESSION if found is None else known.reports(there, found)

    return reports


@dataclass(slots=True)
class _Reporter:
    """Which series a group of requests counts into."""

    mesh: Mesh
    side: Side
    chosen: Callable[[InstanceInfo], bool] | None

    def __call__(self, metrics: _Metrics, group: Group) -> tuple[tuple[InstanceInfo, str, Labels], ...]:
        source = self.mesh.pods.get((group.source_namespace, group.source_pod))
        destination = self.mesh.pods.get((group.destination_namespace, group.pod)) if group.pod else None
        own = source if self.side is Side.SOURCE else destination
        if own is None or not own.kind or (self.chosen is not None and not self.chosen(own)):
            return ()
        known = self.mesh.rules(own)
        rules = self._rules(group, known)
        if rules is None:
            return ()
        if self.side is Side.SOURCE:
            stream = self._as_source(group, own, destination, known)
            labels = source_labels(stream)
        else:
            stream = self._as_destination(group, own, source, known)
            labels = destination_labels(stream)
        return tuple(_series(metrics, own, labels, rules, stream))

    def _rules(self, group: Group, known: ProxyRules) -> MetricRules | None:
        if self.side is Side.SOURCE:
            return known.source if group.routed else None
        return known.destination if known.served_filter(group.endpoint, group.session) is None else None

    def _connected(self, group: Group) -> bool:
        return bool(group.pod) and not {"UF", "UO", "UH", "NC"} & set(group.flags.split(","))

    def _as_source(self, group: Group, own: InstanceInfo, peer: InstanceInfo | None, known: ProxyRules) -> Stream:
        secured = self._connected(group) and group.security == "mutual_tls"
        host = group.service if own.kind == "sidecar" else ""
        return _stream(
            source=own_workload(own, secured),
            destination=_NOBODY if peer is None else _peer(peer, secured, told=group.heard and bool(peer.kind)),
            service=service_of(known.services, group.cluster, group.route, host),
            secured=secured,
            group=group,
        )

    def _as_destination(self, group: Group, own: InstanceInfo, peer: InstanceInfo | None, known: ProxyRules) -> Stream:
        secured = group.security == "mutual_tls"
        return _stream(
            source=_peer(peer, secured, told=True) if peer is not None and peer.kind else _NOBODY,
            destination=own_workload(own, secured),
            service=service_of(known.services, known.inbound_cluster(group.endpoint), "", ""),
            secured=secured,
            group=group,
        )


class _TcpReporter(_Reporter):
    """Which series a group of sessions counts into: peers tell who they are over mutual TLS alone."""

    __slots__ = ()

    def _rules(self, group: Group, known: ProxyRules) -> MetricRules | None:
        found = known.session_filter(group.cluster, group.session)
        if self.side is Side.DESTINATION:
            found = known.served_filter(group.endpoint, group.session)
        return None if found is None else found.rules

    def _connected(self, group: Group) -> bool:
        return group.heard

    def _as_source(self, group: Group, own: InstanceInfo, peer: InstanceInfo | None, known: ProxyRules) -> Stream:
        told = group._replace(heard=group.heard and group.security == "mutual_tls", service="")
        return super()._as_source(told, own, peer, known)._replace(tcp=True)

    def _as_destination(self, group: Group, own: InstanceInfo, peer: InstanceInfo | None, known: ProxyRules) -> Stream:
        known_peer = peer if group.security == "mutual_tls" else None
        return super()._as_destination(group, own, known_peer, known)._replace(tcp=True)


def _series(
    metrics: _Metrics, own: InstanceInfo, labels: Labels, rules: MetricRules, stream: Stream
) -> Iterator[tuple[InstanceInfo, str, Labels]]:
    for metric in metrics:
        final = overridden(labels, rules, metric, stream)
        if final is not None:
            yield own, metric, final


def _stream(*, source: Workload, destination: Workload, service: Service, secured: bool, group: Group) -> Stream:
    method, _, path = group.call.partition(" ")
    port = group.endpoint.rpartition(":")[2]
    return Stream(source, destination, service, group.status, group.flags, secured, method, path, port)


def own_workload(pod: InstanceInfo, secured: bool) -> Workload:
    """A pod from its own node metadata: labels it lacks are empty."""
    return Workload(
        pod.workload,
        pod.app,
        pod.version,
        pod.namespace,
        pod.identity if secured else _NOBODY.principal,
        pod.app_label,
        pod.version_label,
        CLUSTER_ID,
    )


def _peer(pod: InstanceInfo, secured: bool, *, told: bool) -> Workload:
    """A pod as its peer knows it: by what its proxy told, else by its endpoint's metadata, which lack two labels."""
    unknown = _NOBODY.app
    return own_workload(pod, secured)._replace(
        app=(pod.app_label or unknown) if told else unknown,
        version=(pod.version_label or unknown) if told else unknown,
    )
