"""What Pilot sends to a proxy of a scenario, as a script of updates that a stock Envoy without network can follow.

Extensions of Istio's own build are left out, TLS as well (its secrets come over another server), listeners do not bind
and names are not resolved: what is left is the order of subscriptions, pushes and answers, on configuration of real
size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from google.protobuf.message import Message

from meshsim.recording import ColumnData, Record
from meshsim.testing.ads_scripts import Step
from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.stock import strip_cluster, strip_listener

Resources = Mapping[str, Mapping[str, bytes]]
"""Bodies by type and name."""

Pushes = tuple[tuple[str, tuple[str, ...] | None], ...]
"""Types and names, in the order in which they are sent."""

_CLASSES: Final[Mapping[str, type[Message]]] = {
    type_urls.CLUSTER: cluster_pb2.Cluster,
    type_urls.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    type_urls.LISTENER: listener_pb2.Listener,
    type_urls.ROUTE: route_pb2.RouteConfiguration,
}
_BY_DNS: Final = (cluster_pb2.Cluster.STRICT_DNS, cluster_pb2.Cluster.LOGICAL_DNS)


class ConfigStates:
    """A sink of a run that keeps the configuration of every proxy at the instants when `keep` is called."""

    def __init__(self) -> None:
        self._current: dict[str, dict[str, dict[str, bytes]]] = {}
        self.states: dict[str, list[dict[str, dict[str, bytes]]]] = {}

    def add_requests(self, columns: Mapping[str, ColumnData]) -> None:
        """Not of interest."""

    def add_record(self, record: Record) -> None:
        """Not of interest."""

    def add_config(
        self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]
    ) -> None:
        """Resources reached a proxy, or went."""
        resources = self._current.setdefault(proxy, {}).setdefault(type_url, {})
        resources.update(changed)
        for name in removed:
            resources.pop(name, None)

    def keep(self) -> None:
        """Remember the present state of every proxy, where it differs from the last one."""
        for proxy, state in self._current.items():
            copy = {type_url: dict(resources) for type_url, resources in state.items()}
            kept = self.states.setdefault(proxy, [])
            if not kept or kept[-1] != copy:
                kept.append(copy)


def script_of(states: Sequence[Resources]) -> tuple[Step, list[Step]]:
    """The first state as what the server holds, every later one as a push of what changed, in Pilot's order."""
    plain = [{t: dict(_plain(t, state.get(t, {}))) for t in _CLASSES} for state in states]
    first = tuple(message for resources in plain[0].values() for message in resources.values())
    steps: list[Step] = []
    for number, (before, after) in enumerate(pairwise(plain), 1):
        puts: list[Message] = []
        drops: list[tuple[str, str]] = []
        pushes: dict[str, tuple[str, ...]] = {}
        for type_url in _CLASSES:
            changed = [n for n, m in after[type_url].items() if before[type_url].get(n) != m]
            gone = [n for n in before[type_url] if n not in after[type_url]]
            puts += [after[type_url][n] for n in changed]
            drops += [(type_url, n) for n in gone]
            if changed or gone:
                pushes[type_url] = (*changed, *gone)
        steps.append(Step(f"state {number}", tuple(puts), tuple(drops), _with_endpoints(pushes, after)))
    return Step("start", first), steps


def _with_endpoints(pushes: Mapping[str, tuple[str, ...]], after: Mapping[str, Mapping[str, Message]]) -> Pushes:
    """The pushes in Pilot's order, with the endpoints of every changed cluster: without them it would warm for ever."""
    names = dict(pushes)
    needed = [n for n in pushes.get(type_urls.CLUSTER, ()) if n in after[type_urls.ENDPOINT]]
    endpoints = tuple(dict.fromkeys([*pushes.get(type_urls.ENDPOINT, ()), *needed]))
    if endpoints:
        names[type_urls.ENDPOINT] = endpoints
    return tuple((t, names[t]) for t in type_urls.PUSH_ORDER if t in names)


def _plain(type_url: str, resources: Mapping[str, bytes]) -> Iterator[tuple[str, Message]]:
    for name, body in resources.items():
        message = _CLASSES[type_url].FromString(body)
        if isinstance(message, cluster_pb2.Cluster):
            message = _plain_cluster(message)
        elif isinstance(message, listener_pb2.Listener):
            message = _plain_listener(message)
        yield name, message


def _plain_cluster(cluster: cluster_pb2.Cluster) -> cluster_pb2.Cluster:
    plain = strip_cluster(cluster)
    plain.ClearField("transport_socket")
    del plain.transport_socket_matches[:]
    if plain.type in _BY_DNS:
        plain.type = cluster_pb2.Cluster.STATIC
        plain.load_assignment.Clear()
        plain.load_assignment.cluster_name = plain.name
    return plain


def _plain_listener(listener: listener_pb2.Listener) -> listener_pb2.Listener:
    plain = strip_listener(listener)
    plain.bind_to_port.value = False
    plain.ClearField("access_log")
    for chain in (*plain.filter_chains, plain.default_filter_chain):
        chain.ClearField("transport_socket")
    if not listener.HasField("default_filter_chain"):
        plain.ClearField("default_filter_chain")
    return plain
