"""Connected proxies: each an ADS client with the configuration it follows, on the simulated clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter

from meshsim.controlplane.model import Proxy
from meshsim.controlplane.pilot import Pilot
from meshsim.dataplane.active import ActiveConfig, ProxyConfig
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.dataplane.shared_steps import SharedSteps
from meshsim.kernel import Environment, below
from meshsim.trace import ProxyEffective, Taps
from meshsim.units import Nanos
from meshsim.world.envoy_timing import EnvoyTiming
from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient, DeltaReaction
from meshsim.xds.client import Applied, Fetching
from meshsim.xds.delta_response import DeltaResponse
from meshsim.xds.messages import base_pb2

OnChanged = Callable[["RunningProxy", dict[str, list[str]]], None]
"""Called when something took effect: the proxy, and changed names by type."""

OnConfig = Callable[[str, str, Mapping[str, bytes], Sequence[str]], None]
"""Called for each response: proxy, type URL, bodies by name, removed names."""


@dataclass(slots=True, eq=False)
class RunningProxy:
    """One Envoy of the run."""

    proxy: Proxy
    config: ProxyConfig
    client: AdsClient
    connected: bool = False
    failures: int = 0
    """Connection attempts that failed in a row."""
    alive: bool = True
    warm: bool = False
    """Whether it has listeners, which is when it answers on 15021."""
    busy_until: Nanos = 0
    """Responses are taken in one after the other."""
    drains: int = 0
    """Changes of listeners that left some draining."""
    alarm: Nanos | None = None
    """When it is next looked whether something did not come in time."""


class Fleet:
    """All proxies of the run and their streams to Pilot."""

    def __init__(self, env: Environment, seed: int, timing: EnvoyTiming, taps: Taps, network: Nanos) -> None:
        self._env = env
        self._seed = seed
        self._timing = timing
        self._taps = taps
        self._network = network
        self.proxies: dict[str, RunningProxy] = {}
        self._beginning = ActiveConfig(ResourceCache(), workers_started=False, drains=True)
        self._steps = SharedSteps()
        self._pilot: Pilot | None = None
        self._settling = False
        self.on_changed: OnChanged | None = None
        self.on_config: OnConfig | None = None

    def attach(self, pilot: Pilot) -> None:
        """Use this Pilot for every stream."""
        self._pilot = pilot

    @property
    def pilot(self) -> Pilot:
        assert self._pilot is not None, "attach a Pilot first"
        return self._pilot

    def settle(self, proxies: Sequence[Proxy], told: Callable[[int, int], None] | None = None) -> None:
        """Connect proxies that have run since long before the start: everything applied at once.

        `told` hears how many of how many are connected.
        """

        def start_all() -> None:
            for number, proxy in enumerate(proxies):
                if told is not None:
                    told(number, len(proxies))
                self.start(proxy)

        self._settling = True
        try:
            self.pilot.settle(start_all)
        finally:
            self._settling = False

    def start(self, proxy: Proxy) -> None:
        """A proxy process begins; its first request leaves after its start-up time."""
        config = ProxyConfig.beginning(self._beginning, self._steps.take)
        name = proxy.id

        def apply(type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str) -> Applied:
            if self.on_config is not None:
                self.on_config(name, type_url, changed, removed)
            return config(type_url, changed, removed, version)

        node = base_pb2.Node(id=proxy.node_id, cluster=proxy.cluster)
        fetching = Fetching(config.expire, began=self._env.instant)
        running = RunningProxy(proxy, config, AdsClient(node, apply, fetching=fetching))
        self.proxies[name] = running
        self._after(self._timing.start, lambda: self._connect(running))

    def stop(self, name: str) -> None:
        """The proxy's process is gone."""
        running = self.proxies.pop(name, None)
        if running is not None:
            running.alive = False
            if running.connected:
                running.connected = False
                self.pilot.disconnect(name)

    # ---- Pilot's transport --------------------------------------------------------------------------------------

    def deliver(self, connection: str, response: DeltaResponse) -> None:
        """A response reached the proxy; taken in after those before it."""
        running = self.proxies.get(connection)
        if running is None:
            return
        if self._settling:
            self._take(running, response)
            return
        begin = max(self._env.instant, running.busy_until)
        running.busy_until = begin + self._timing.apply(response)
        self._env.call_at(running.busy_until, lambda: self._take(running, response))

    def closed(self, connection: str) -> None:
        """Pilot closed the stream: the configuration stays, the proxy tries again with back-off."""
        running = self.proxies.get(connection)
        if running is None:
            return
        running.connected = False
        running.client.on_disconnected()
        self._retry(running)

    # ---- stream -------------------------------------------------------------------------------------------------

    def _connect(self, running: RunningProxy) -> None:
        if not running.alive or running.connected:
            return
        if not self.pilot.connect(running.proxy):
            self._retry(running)
            return
        running.connected = True
        running.failures = 0
        self._send(running, running.client.on_connected())

    def _retry(self, running: RunningProxy) -> None:
        cap = min(self._timing.reconnect_base << min(running.failures, 16), self._timing.reconnect_max)
        running.failures += 1
        wait = below(cap, self._seed, "ads-reconnect", running.proxy.id, self._env.instant, running.failures)
        self._env.call_at(self._env.instant + max(1, wait), lambda: self._connect(running))

    def _take(self, running: RunningProxy, response: DeltaResponse) -> None:
        if not running.alive or not running.connected:
            return
        reaction = running.client.on_response(response, self._env.instant)
        name = running.proxy.id
        changed = _by_type(reaction)
        if not self._settling:
            push = self.pilot.push_of(name, response.nonce)
            for type_url in sorted({response.type_url, *changed}):
                if type_url in changed or not reaction.rejected:
                    self._taps.proxy_effective(ProxyEffective(self._env.instant, push, name, type_url, response.nonce))
        self._react(running, reaction, changed)

    def _react(self, running: RunningProxy, reaction: DeltaReaction, changed: dict[str, list[str]]) -> None:
        if changed and self.on_changed is not None:
            self.on_changed(running, changed)
        self._send(running, reaction)
        if reaction.draining and type_urls.LISTENER in changed and not self._settling:
            self._drain(running)
        deadline = running.client.deadline
        if deadline is not None and deadline != running.alarm:
            running.alarm = deadline
            self._env.call_at(deadline, partial(self._give_up, running, deadline))

    def _give_up(self, running: RunningProxy, alarm: Nanos) -> None:
        """Something may not have come in time."""
        if running.alive and running.alarm == alarm:
            running.alarm = None
            reaction = running.client.on_time(self._env.instant)
            self._react(running, reaction, _by_type(reaction))

    def _drain(self, running: RunningProxy) -> None:
        """Listeners were replaced or removed; the last of them is gone after the drain time."""
        running.drains += 1
        number = running.drains

        def gone() -> None:
            if running.alive and running.drains == number:
                self._send(running, running.client.on_drained(running.config.drained()))

        self._env.call_at(self._env.instant + self._timing.listener_drain, gone)

    def _send(self, running: RunningProxy, reaction: DeltaReaction) -> None:
        name = running.proxy.id
        for request in reaction.send:
            self._after(0 if self._settling else self._network, partial(self.pilot.on_request, name, request))

    def _after(self, delay: Nanos, action: Callable[[], None]) -> None:
        if self._settling:
            action()
        else:
            self._env.call_at(self._env.instant + delay, action)


def _by_type(reaction: DeltaReaction) -> dict[str, list[str]]:
    changed: dict[str, list[str]] = {}
    for type_url, changes in groupby(reaction.changes, key=attrgetter("type_url")):
        changed.setdefault(type_url, []).extend(map(attrgetter("name"), changes))
    return changed
