"""A client of the delta stream that only watches: it follows references as Envoy does and notes what it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meshsim.controlplane.model import Proxy
from meshsim.world.verify.push_recording import Event
from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient, DeltaReaction
from meshsim.xds.client import Applied
from meshsim.xds.delta_response import DeltaResponse
from meshsim.xds.messages import base_pb2, discovery_pb2
from meshsim.xds.references import references


class ReferenceMemo:
    """References of serialized resources; proxies of one mesh hold mostly the same."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, bytes], Mapping[str, tuple[str, ...]]] = {}

    def of(self, type_url: str, body: bytes) -> Mapping[str, tuple[str, ...]]:
        """Names by type that a resource refers to."""
        found = self._held.get((type_url, body))
        if found is None:
            found = references(type_url, body)
            self._held[type_url, body] = found
        return found


class WatchingClient:
    """One proxy's end of a stream: everything is accepted and effective at once, every event is noted.

    It asks for clusters and listeners (and a sidecar's agent for its name table) as soon as the stream is up, without
    waiting for clusters to warm, as the clients of the recordings did.
    """

    def __init__(self, proxy: Proxy, memo: ReferenceMemo) -> None:
        self.events: list[Event] = []
        self._memo = memo
        self._held: dict[str, dict[str, bytes]] = {}
        self._wanted: dict[str, tuple[str, ...]] = {}
        node = base_pb2.Node(id=proxy.node_id, cluster=proxy.cluster)
        at_once = (type_urls.LISTENER,) if proxy.is_router else (type_urls.LISTENER, type_urls.NAME_TABLE)
        self._client = AdsClient(node, self._apply, (type_urls.EXTENSION,), at_once)

    def on_connected(self) -> tuple[discovery_pb2.DeltaDiscoveryRequest, ...]:
        """The stream is up: the first requests."""
        return self._client.on_connected().send

    def on_response(self, response: DeltaResponse) -> tuple[discovery_pb2.DeltaDiscoveryRequest, ...]:
        """Take a response in; returns what leaves for the server."""
        self._note_response(response)
        reaction: DeltaReaction = self._client.on_response(response)
        for request in reaction.send:
            self._note_request(request)
        return reaction.send

    def _note_response(self, response: DeltaResponse) -> None:
        held = self._held.setdefault(response.type_url, {})
        bodies = response.bodies()
        names = {
            "sent": tuple(sorted(bodies)),
            "changed": tuple(sorted(n for n, body in bodies.items() if n in held and held[n] != body)),
            "added": tuple(sorted(n for n in bodies if n not in held)),
            "removed": tuple(sorted(response.removed_resources)),
        }
        self.events.append(Event(type_urls.SHORT[response.type_url].upper(), False, names))

    def _note_request(self, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        wanted, dropped = request.resource_names_subscribe, request.resource_names_unsubscribe
        if not wanted and not dropped:
            return
        held = self._held.get(request.type_url, {})
        for name in dropped:
            held.pop(name, None)
        names = {"subscribe": tuple(sorted(wanted)), "unsubscribe": tuple(sorted(dropped))}
        self.events.append(Event(type_urls.SHORT[request.type_url].upper(), True, names))

    def _apply(self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str) -> Applied:
        held = self._held.setdefault(type_url, {})
        held.update(changed)
        for name in removed:
            held.pop(name, None)
        if type_url in (type_urls.CLUSTER, type_urls.LISTENER):
            self._follow(type_url, held)
        return Applied((), (), self._wanted, warming_clusters=False)

    def _follow(self, type_url: str, held: Mapping[str, bytes]) -> None:
        wanted: dict[str, dict[str, None]] = {}
        for body in held.values():
            for followed, names in self._memo.of(type_url, body).items():
                wanted.setdefault(followed, {}).update(dict.fromkeys(names))
        if type_url == type_urls.CLUSTER:
            self._wanted[type_urls.ENDPOINT] = tuple(wanted.get(type_urls.ENDPOINT, ()))
        else:
            for followed in (type_urls.ROUTE, type_urls.EXTENSION):
                self._wanted[followed] = tuple(wanted.get(followed, ()))
