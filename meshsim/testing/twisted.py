"""Resources that were good until something in them was twisted: which of them does Envoy take?"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from google.protobuf.message import Message

from meshsim.testing.ads_resources import name_of, type_of
from meshsim.testing.config_oracle import EDS, TABLE, base_resources
from meshsim.testing.hostile_messages import twist
from meshsim.testing.refusals import cases
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, endpoint_pb2, listener_pb2, route_pb2

_CLASSES: Final[dict[str, type[Message]]] = {
    type_urls.CLUSTER: cluster_pb2.Cluster,
    type_urls.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    type_urls.LISTENER: listener_pb2.Listener,
    type_urls.ROUTE: route_pb2.RouteConfiguration,
}
_NAMES: Final = {type_urls.CLUSTER: "new", type_urls.ENDPOINT: EDS, type_urls.LISTENER: "new", type_urls.ROUTE: TABLE}


class Twisted(NamedTuple):
    """One resource, and what it is sent as."""

    type_url: str
    name: str
    body: bytes


class TwistedResources:
    """Draws resources one after another from one seed; listeners use `port` + 1, `port` is taken."""

    def __init__(self, seed: int, port: int) -> None:
        self._rng = random.Random(seed)
        self._bodies: dict[str, list[bytes]] = {type_url: [] for type_url in _CLASSES}
        for message in base_resources(port):
            self._bodies[type_of(message)].append(message.SerializeToString(deterministic=True))
        for case in cases(port + 1, port):
            if case.accepted:
                self._bodies[case.type_url] += case.resources.values()

    def next(self) -> Twisted:
        """One that a judge gives an answer to."""
        rng = self._rng
        while True:
            type_url = rng.choice(tuple(_CLASSES))
            message = _CLASSES[type_url].FromString(rng.choice(self._bodies[type_url]))
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                twist(message, rng)
            setattr(message, "cluster_name" if type_url == type_urls.ENDPOINT else "name", _NAMES[type_url])
            if not _keeps_silent(message):
                assert name_of(message) == _NAMES[type_url]
                return Twisted(type_url, _NAMES[type_url], message.SerializeToString(deterministic=True))


def _keeps_silent(message: Message) -> bool:
    """A cluster that waits for endpoints withholds its answer; of an additional address without one Envoy dies."""
    if isinstance(message, cluster_pb2.Cluster):
        return message.type == cluster_pb2.Cluster.EDS
    if isinstance(message, listener_pb2.Listener):
        return any(not a.HasField("address") for a in message.additional_addresses)
    return False
