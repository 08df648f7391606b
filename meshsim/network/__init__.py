"""Addresses, the networkx topology of zones, nodes and links, latency, loss, partitions."""

from meshsim.network.addresses import Addresses, AddressRanges
from meshsim.network.links import OUTSIDE_PARTY, LinkState, Network, Party, Path, Selection
from meshsim.network.topology import (
    OUTSIDE,
    REGION_LABEL,
    ZONE_LABEL,
    Distance,
    Latency,
    LatencyDefaults,
    Topology,
    Vertex,
)

__all__ = [
    "OUTSIDE",
    "OUTSIDE_PARTY",
    "REGION_LABEL",
    "ZONE_LABEL",
    "AddressRanges",
    "Addresses",
    "Distance",
    "Latency",
    "LatencyDefaults",
    "LinkState",
    "Network",
    "Party",
    "Path",
    "Selection",
    "Topology",
    "Vertex",
]
