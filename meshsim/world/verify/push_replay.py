"""A recorded sequence of changes on the simulated clock: the model's Pilot, its clients, what each of them saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from meshsim.api import ApiObject, ObjectStore
from meshsim.controlplane.mesh import MeshConfig, build_mesh_config
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.controlplane.pilot import Pilot
from meshsim.controlplane.proxies import build_proxy, node_of_pod
from meshsim.controlplane.timing import PilotTiming
from meshsim.errors import InputError
from meshsim.kernel import Environment
from meshsim.trace import Taps
from meshsim.units import MILLISECOND, SECOND, Nanos
from meshsim.world.verify.folder import read_proxies, read_world
from meshsim.world.verify.push_client import ReferenceMemo, WatchingClient
from meshsim.world.verify.push_recording import RecordedPushes, Seen
from meshsim.xds.delta_response import DeltaResponse
from meshsim.xds.messages import discovery_pb2

_TIMING: Final = PilotTiming(debounce_after=50 * MILLISECOND, max_requests_per_second=1e6)
"""As the recordings were made: debounce of 50 ms, all clients let in at once."""
_QUIET: Final[Nanos] = 60 * SECOND
"""Far more than any step takes."""


class _Wire:
    """Carries messages between Pilot and the clients; requests take as long as responses."""

    def __init__(self, env: Environment, delay: Nanos) -> None:
        self._env = env
        self._delay = delay
        self.clients: dict[str, WatchingClient] = {}
        self.pilot: Pilot | None = None

    def deliver(self, connection: str, response: DeltaResponse) -> None:
        self.send(connection, self.clients[connection].on_response(response))

    def closed(self, connection: str) -> None:
        self.clients.pop(connection, None)

    def send(self, connection: str, requests: tuple[discovery_pb2.DeltaDiscoveryRequest, ...]) -> None:
        """Requests leave a client, in order."""
        self._env.call_at(self._env.instant + self._delay, lambda: self._arrive(connection, requests))

    def _arrive(self, connection: str, requests: tuple[discovery_pb2.DeltaDiscoveryRequest, ...]) -> None:
        assert self.pilot is not None
        for request in requests:
            self.pilot.on_request(connection, request)


class Replay:
    """One world with its Pilot and connected clients."""

    def __init__(self, folder: Path, name: str, recorded: RecordedPushes) -> None:
        world = read_world(folder, name)
        mesh = build_mesh_config(world.mesh_base, world.mesh_overrides)
        self._objects = world.store()
        self._steps = recorded.steps
        self._version = 1
        self._env = Environment()
        self._wire = _Wire(self._env, _TIMING.network)
        self._pilot = Pilot(self._env, mesh, _TIMING, Taps(), self._wire)
        self._wire.pilot = self._pilot
        nodes = {proxy.id: proxy.node for proxy in read_proxies(folder, "xds", name)}
        self._proxies = {proxy: _proxy(proxy, nodes.get(proxy), self._objects, mesh) for proxy in recorded.connected}

    def run(self) -> Iterator[Seen]:
        """What the model's clients saw of each step."""
        self._pilot.load(self._objects)
        memo = ReferenceMemo()
        for step in self._steps:
            if step is self._steps[0]:
                self._connect(memo)
            for applied in step.applied:
                item = self._written(applied)
                before = self._objects.put(item)
                self._pilot.on_change("add" if before is None else "update", item, before)
            for item in step.deleted:
                before = self._objects.remove(item.key)
                if before is not None:
                    self._pilot.on_change("delete", item, before)
            self._env.run(until=self._env.instant + _QUIET)
            yield self._seen()

    def _written(self, item: ApiObject) -> ApiObject:
        """The object as the API server hands it on: with the version of this write."""
        self._version += 1
        metadata = {**item.metadata.body, "resourceVersion": str(self._version)}
        return replace(item, body={**item.body, "metadata": metadata})

    def _connect(self, memo: ReferenceMemo) -> None:
        for proxy in self._proxies.values():
            client = WatchingClient(proxy, memo)
            self._wire.clients[proxy.id] = client
            self._pilot.connect(proxy)
            self._wire.send(proxy.id, client.on_connected())

    def _seen(self) -> Seen:
        out = {}
        for name, proxy in self._proxies.items():
            client = self._wire.clients[proxy.id]
            out[name] = tuple(client.events)
            client.events.clear()
        return out


def _proxy(name: str, node: Mapping[str, object] | None, objects: ObjectStore, mesh: MeshConfig) -> Proxy:
    """The proxy of a recorded node, else the sidecar of the pod of that name."""
    if node is None:
        namespace, _, pod_name = name.partition("/")
        pod = objects.find("Pod", namespace, pod_name)
        if pod is None:
            raise InputError(f"the recording connects {name}, of which the world has no pod")
        node = node_of_pod(pod, objects, mesh, ProxyType.SIDECAR)
    return build_proxy(node, objects, mesh)
