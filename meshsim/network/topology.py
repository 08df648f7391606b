"""Where things stand: regions, zones and nodes as a graph, and the latency between two places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.errors import InputError
from meshsim.units import MICROSECOND, MILLISECOND, Nanos

if TYPE_CHECKING:
    import networkx as nx

REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"


class Latency(NamedTuple):
    """Delay of one packet: `one_way` is its smallest value, `jitter` the mean of an exponential part on top of it."""

    one_way: Nanos
    jitter: Nanos = 0


class Distance(IntEnum):
    """How far apart two places are."""

    SAME_NODE = 0
    SAME_ZONE = 1
    CROSS_ZONE = 2
    CROSS_REGION = 3
    OUTSIDE = 4
    """One of both is a client or service outside the kube."""


_SAME_NODE: Final = Latency(10 * MICROSECOND, 2 * MICROSECOND)
_SAME_ZONE: Final = Latency(100 * MICROSECOND, 20 * MICROSECOND)
_CROSS_ZONE: Final = Latency(500 * MICROSECOND, 50 * MICROSECOND)
_CROSS_REGION: Final = Latency(30 * MILLISECOND, 500 * MICROSECOND)
_OUTSIDE: Final = Latency(5 * MILLISECOND, 500 * MICROSECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyDefaults:
    """One-way latencies by distance where no link says otherwise.

    Orders of magnitude, to be replaced by a team's own: 10 us over a veth pair and bridge of one host (half of the
    16-20 us round trip measured on loopback veth), 0.1 ms inside a zone, 0.5 ms
    between zones of a region (clouds promise round trips under 2 ms), 30 ms between regions, 5 ms to a client outside.
    """

    same_node: Latency = _SAME_NODE
    same_zone: Latency = _SAME_ZONE
    cross_zone: Latency = _CROSS_ZONE
    cross_region: Latency = _CROSS_REGION
    outside: Latency = _OUTSIDE

    def of(self, distance: Distance) -> Latency:
        """The latency of a distance."""
        return (self.same_node, self.same_zone, self.cross_zone, self.cross_region, self.outside)[distance]


class Vertex(NamedTuple):
    """A vertex of the topology graph; `kind` is ``outside``, ``region``, ``zone`` or ``node``."""

    kind: str
    region: str = ""
    zone: str = ""
    node: str = ""


OUTSIDE: Final = Vertex("outside")
"""Everything that is not in the kube."""


@dataclass(slots=True)
class Topology:
    """Regions hold zones, zones hold nodes; links between any two of them override the default latency.

    The most specific link wins: node to node before zone to zone before region to region.
    """

    defaults: LatencyDefaults = field(default_factory=LatencyDefaults)
    _nodes: dict[str, Vertex] = field(default_factory=dict)
    _vertices: dict[Vertex, None] = field(default_factory=lambda: {OUTSIDE: None})
    _links: dict[frozenset[Vertex], Latency] = field(default_factory=dict)
    """By both ends; one vertex alone is a link with itself."""
    _cache: dict[tuple[str, str], Latency] = field(default_factory=dict)

    @property
    def graph(self) -> nx.Graph:
        """It as a graph, made anew: an edge with ``relation="holds"`` from a region to its zones and from a zone to its
        nodes, and the attribute ``latency`` on the edge of each link."""
        # A run asks for latencies only, and networkx takes long to import.
        import networkx as nx

        graph = nx.Graph()
        graph.add_nodes_from(self._vertices)
        for node in self._nodes.values():
            zone = Vertex("zone", node.region, node.zone)
            graph.add_edge(Vertex("region", node.region), zone, relation="holds")
            graph.add_edge(zone, node, relation="holds")
        for ends, latency in self._links.items():
            one, *others = sorted(ends)
            graph.add_edge(one, others[0] if others else one, latency=latency)
        return graph

    def add_node(self, name: str, labels: Mapping[str, str]) -> Vertex:
        """Place a Kubernetes node by its well-known labels (again when they change)."""
        vertex = Vertex("node", labels.get(REGION_LABEL, ""), labels.get(ZONE_LABEL, ""), name)
        before = self._nodes.get(name)
        if before == vertex:
            return vertex
        if before is not None:
            self.remove_node(name)
        zone = Vertex("zone", vertex.region, vertex.zone)
        region = Vertex("region", vertex.region)
        self._vertices.update(dict.fromkeys((region, zone, vertex)))
        self._nodes[name] = vertex
        self._cache.clear()
        return vertex

    def remove_node(self, name: str) -> None:
        """Forget a Kubernetes node."""
        vertex = self._nodes.pop(name, None)
        if vertex is not None:
            del self._vertices[vertex]
            self._links = {ends: latency for ends, latency in self._links.items() if vertex not in ends}
            self._cache.clear()

    def node(self, name: str) -> Vertex | None:
        """The vertex of a Kubernetes node."""
        return self._nodes.get(name)

    def nodes(self) -> list[str]:
        """Names of the Kubernetes nodes in the order they came."""
        return list(self._nodes)

    def find(self, text: str) -> Vertex:
        """The vertex a name means: a node, a zone, a region or ``outside``; `InputError` when none or several."""
        if text == "outside":
            return OUTSIDE
        found = [v for v in self._vertices if text == getattr(v, v.kind, None)]
        if len(found) == 1:
            return found[0]
        problem = "is ambiguous" if found else "is not a node, zone or region"
        known = ", ".join(sorted({v.node or v.zone or v.region for v in self._vertices} - {""})[:12])
        raise InputError(f"'{text}' {problem}", None, f"known: {known}", text)

    def link(self, one: Vertex, other: Vertex, latency: Latency) -> None:
        """Override the latency between two vertices; both may be the same (inside a zone)."""
        self._vertices.update(dict.fromkeys((one, other)))
        self._links[frozenset((one, other))] = latency
        self._cache.clear()

    def distance(self, one: str, other: str) -> Distance:
        """How far apart two nodes are; an unknown or empty node name is outside."""
        here, there = self._nodes.get(one), self._nodes.get(other)
        if here is None or there is None:
            return Distance.OUTSIDE
        if here == there:
            return Distance.SAME_NODE
        if here.region != there.region:
            return Distance.CROSS_REGION
        return Distance.SAME_ZONE if here.zone == there.zone else Distance.CROSS_ZONE

    def latency(self, one: str, other: str) -> Latency:
        """The latency between two nodes by name; an unknown or empty name is outside."""
        key = (one, other)
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = self._latency(one, other)
        return found

    def _latency(self, one: str, other: str) -> Latency:
        for here in self._levels(one):
            for there in self._levels(other):
                link = self._links.get(frozenset((here, there)))
                if link is not None:
                    return link
        return self.defaults.of(self.distance(one, other))

    def _levels(self, name: str) -> tuple[Vertex, ...]:
        vertex = self._nodes.get(name)
        if vertex is None:
            return (OUTSIDE,)
        return (vertex, Vertex("zone", vertex.region, vertex.zone), Vertex("region", vertex.region))
