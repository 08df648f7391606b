"""Responses that no honest control plane sends: broken bytes, resources of other types, nonsense in every field."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from google.protobuf import any_pb2
from google.protobuf.message import Message

from meshsim.dataplane.active import ActiveConfig, ProxyConfig
from meshsim.dataplane.decide import Connection, Request, decide_direct
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.testing.ads_resources import name_of, type_of
from meshsim.testing.config_oracle import base_resources
from meshsim.testing.hostile_messages import twist
from meshsim.testing.refusals import cases
from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient
from meshsim.xds.messages import base_pb2, cluster_pb2, discovery_pb2, endpoint_pb2, listener_pb2, route_pb2
from meshsim.xds.sotw_client import SotwClient

_TYPES: Final = (type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE)
_CLASSES: Final[Mapping[str, type[Message]]] = {
    type_urls.CLUSTER: cluster_pb2.Cluster,
    type_urls.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    type_urls.LISTENER: listener_pb2.Listener,
    type_urls.ROUTE: route_pb2.RouteConfiguration,
}
_CLIENT: Final = "10.0.0.9"
_REQUEST: Final = Request(authority="x.com", path="/a/b?c=d", headers=(("x-a", "1"),))
_OTHER_TYPES: Final = (*_TYPES, type_urls.SECRET, type_urls.EXTENSION, type_urls.NAME_TABLE, "", "no url", "a/b/c")
_LENGTHS: Final = (b"\x00", b"\x7f", b"\xff\x01", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\x80" * 11)
_NUMBERS: Final = (b"\x00", b"\x01", b"\xff" * 9 + b"\x01", b"\x80\x80\x80\x80\x08", b"\xe0\xd4\x03")
_NAMES: Final = ("a", "eds", "table", "base", "", "x" * 300, "\u0000", "ü", "*", "bad")


class Input(NamedTuple):
    """Bytes that arrive on a stream as one response."""

    delta: bool
    body: bytes


class HostileServer:
    """Draws inputs one after another from one seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        found: dict[str, list[bytes]] = {type_url: [] for type_url in _TYPES}
        for message in base_resources(80):
            found[type_of(message)].append(message.SerializeToString(deterministic=True))
        for case in cases(81, 80):
            found[case.type_url] += case.resources.values()
        self._bodies = found
        self._nonce = 0

    def next(self) -> Input:
        """One input: mostly a well-formed response with ill-formed resources, now and then broken itself."""
        rng = self._rng
        delta = rng.random() < 0.5
        body = (self._delta() if delta else self._sotw()).SerializeToString()
        if rng.random() < 0.1:
            body = self._mutate(body)
        if rng.random() < 0.02:
            body = rng.randbytes(rng.randint(0, 200))
        return Input(delta, body)

    def _delta(self) -> discovery_pb2.DeltaDiscoveryResponse:
        rng = self._rng
        type_url = self._type()
        self._nonce += 1
        response = discovery_pb2.DeltaDiscoveryResponse(
            type_url=type_url, nonce=str(self._nonce), system_version_info=str(self._nonce)
        )
        for body in self._resources(type_url):
            resource = response.resources.add(name=rng.choice(_NAMES), version="1")
            if rng.random() < 0.95:
                resource.resource.CopyFrom(self._packed(type_url, body))
        if rng.random() < 0.2:
            response.removed_resources.extend(rng.sample(_NAMES, rng.randint(1, 3)))
        return response

    def _sotw(self) -> discovery_pb2.DiscoveryResponse:
        type_url = self._type()
        self._nonce += 1
        packed = [self._packed(type_url, body) for body in self._resources(type_url)]
        return discovery_pb2.DiscoveryResponse(
            type_url=type_url, nonce=str(self._nonce), version_info=str(self._nonce), resources=packed
        )

    def _type(self) -> str:
        return self._rng.choice(_OTHER_TYPES if self._rng.random() < 0.03 else _TYPES)

    def _packed(self, type_url: str, body: bytes) -> any_pb2.Any:
        other = self._rng.random() < 0.03
        return any_pb2.Any(type_url=self._rng.choice(_OTHER_TYPES) if other else type_url, value=body)

    def _resources(self, type_url: str) -> list[bytes]:
        rng = self._rng
        bodies = self._bodies.get(type_url) or self._bodies[type_urls.CLUSTER]
        found = []
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            body = rng.choice(bodies)
            if rng.random() < 0.7:
                body = self._twisted(type_url, body)
            else:
                for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
                    body = self._mutate(body)
            found.append(body)
        return found

    def _twisted(self, type_url: str, body: bytes) -> bytes:
        """Well-formed, with nonsense in some fields."""
        message = _CLASSES.get(type_url, cluster_pb2.Cluster).FromString(body)
        for _ in range(self._rng.choice((1, 1, 1, 2, 4, 10))):
            twist(message, self._rng)
        return message.SerializeToString(deterministic=True)

    def _mutate(self, body: bytes) -> bytes:
        rng = self._rng
        at = rng.randint(0, len(body))
        kind = rng.randint(0, 9)
        if kind == 0 and body:
            at = min(at, len(body) - 1)
            return body[:at] + bytes([body[at] ^ (1 << rng.randint(0, 7))]) + body[at + 1 :]
        if kind == 1:
            return body[:at]
        if kind == 2:
            return body[:at] + rng.randbytes(rng.randint(1, 8)) + body[at:]
        if kind == 3:
            end = rng.randint(at, len(body))
            return body[:at] + body[end:]
        if kind == 4:
            other = self._any_body()
            cut = rng.randint(0, len(other))
            return body[:at] + other[cut:]
        if kind == 5:
            return body[:at] + rng.choice(_LENGTHS) + body[at + 1 :]
        if kind == 6:
            return body + body
        return self._with_field(body, kind)

    def _with_field(self, body: bytes, kind: int) -> bytes:
        """The message with one more field: of any number, with a value from another message or none."""
        rng = self._rng
        number = rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15, 20, 25, 33, 37, 43, 50, 1000))
        if kind == 7:
            return body + _tag(number, 0) + rng.choice(_NUMBERS)
        if kind == 8:
            value = rng.choice((b"", self._any_body(), rng.randbytes(5), "ü".encode(), b"(", b"%", b"*" * 3))
            return body + _tag(number, 2) + _varint(len(value)) + value
        value = self._any_body()
        for _ in range(rng.choice((1, 3, 50, 200))):
            value = _tag(number, 2) + _varint(len(value)) + value
        return body + value

    def _any_body(self) -> bytes:
        return self._rng.choice(self._bodies[self._rng.choice(_TYPES)])


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


class Victim:
    """A proxy of each protocol with a good configuration, which then takes whatever arrives."""

    def __init__(self) -> None:
        cache = ResourceCache()
        node = base_pb2.Node(id="n")
        self.configs = {True: ProxyConfig(cache, drains=True), False: ProxyConfig(cache, drains=True, reads_all=True)}
        self._delta = AdsClient(node, self.configs[True])
        self._sotw = SotwClient(node, self.configs[False])
        self._delta.on_connected()
        self._sotw.on_connected()
        for type_url, bodies in _good_responses():
            self._delta.on_response(_delta_response(type_url, bodies))
            self._sotw.on_response(_sotw_response(type_url, list(bodies.values())))

    def take(self, arrived: Input) -> tuple[int, int, int]:
        """Take an input in; (ACKs, NACKs, refusals that lead to no answer)."""
        reaction = (self._delta if arrived.delta else self._sotw).on_response(arrived.body)
        answers = [r for r in reaction.send if r.response_nonce]
        nacks = sum(r.HasField("error_detail") for r in answers)
        if reaction.changes:
            self._use(self.configs[arrived.delta].active)
        return len(answers) - nacks, nacks, int(not answers and bool(reaction.rejected))

    def _use(self, config: ActiveConfig) -> None:
        """Requests to every listener of a configuration that was accepted."""
        for listener in config.listeners.values():
            for address, port in listener.addresses:
                decide_direct(config, Connection(source=_CLIENT, destination=address, destination_port=port), _REQUEST)


def _good_responses() -> list[tuple[str, dict[str, bytes]]]:
    found: dict[str, dict[str, bytes]] = {type_url: {} for type_url in _TYPES}
    for message in base_resources(80):
        found[type_of(message)][name_of(message)] = message.SerializeToString()
    return list(found.items())


def _delta_response(type_url: str, bodies: dict[str, bytes]) -> discovery_pb2.DeltaDiscoveryResponse:
    response = discovery_pb2.DeltaDiscoveryResponse(type_url=type_url, nonce="0")
    for name, body in bodies.items():
        response.resources.add(name=name).resource.CopyFrom(any_pb2.Any(type_url=type_url, value=body))
    return response


def _sotw_response(type_url: str, bodies: Sequence[bytes]) -> discovery_pb2.DiscoveryResponse:
    packed = [any_pb2.Any(type_url=type_url, value=body) for body in bodies]
    return discovery_pb2.DiscoveryResponse(type_url=type_url, nonce="0", resources=packed)
