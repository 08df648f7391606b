"""istiod's discovery server on the simulated clock: changes in, xDS responses out.

watch -> debounce -> push context -> push queue -> (throttle) -> per connection: filter, then generate and send each
watched type. Nothing waits for an ACK. Sources: istio pilot/pkg/xds/{discovery,ads,delta,pushqueue}.go and
pkg/xds/server.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Protocol

from meshsim.api import ApiObject, ObjectStore
from meshsim.controlplane.changes import ConfigKey, PushRequest, proxy_request
from meshsim.controlplane.connections import Connection
from meshsim.controlplane.debounce import Debouncer, Reaction
from meshsim.controlplane.dependencies import RESCOPING, ScopeMemo, relevant
from meshsim.controlplane.events import EventReader
from meshsim.controlplane.generation import Step, generate_step, push_steps, request_steps
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.processors import Processors
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.controlplane.push_queue import PushQueue
from meshsim.controlplane.timing import PilotTiming
from meshsim.kernel import Environment
from meshsim.trace import ConfigChange, Push, PushAnswer, PushSent, Taps
from meshsim.units import SECOND, Nanos
from meshsim.xds.ads_server import AdsServerStream, Received, RequestKind
from meshsim.xds.delta_response import DeltaResponse
from meshsim.xds.messages import discovery_pb2


class Transport(Protocol):
    """Moves messages to proxies; their side calls `Pilot.on_request`."""

    def deliver(self, connection: str, response: DeltaResponse) -> None:
        """A response reached the proxy's agent."""
        ...

    def closed(self, connection: str) -> None:
        """Pilot closed the stream, or refused it."""
        ...


class Pilot:
    """One istiod: its view of the kube, its push context and its connections."""

    def __init__(
        self, env: Environment, mesh: MeshConfig, timing: PilotTiming, taps: Taps, transport: Transport
    ) -> None:
        self._env = env
        self._timing = timing
        self._taps = taps
        self._transport = transport
        self.mesh = mesh
        self.objects = ObjectStore()
        self.push: PushContext | None = None
        self.connections: dict[str, Connection] = {}
        self.running = True
        self._debouncer = Debouncer(timing.debounce_after, timing.debounce_max)
        self._queue = PushQueue()
        self._processors = Processors(timing.cpus)
        self._slots = timing.throttle
        self._changes = 0
        self._pushes = 0
        self._stream_token: Nanos = 0
        self._settling = False
        self._epoch = 0
        self._scopes = ScopeMemo()
        self._events = EventReader(mesh, self.objects)

    # ---- start-up and settled start -----------------------------------------------------------------------------

    def load(self, objects: Iterable[ApiObject]) -> None:
        """Know a kube's objects at once, as after a start long ago; the first push context takes no time."""
        for item in objects:
            self.objects.put(item)
        self._events = EventReader(self.mesh, self.objects)
        self._rebuild()

    def settle(self, connect: Callable[[], None]) -> None:
        """Run `connect` with every answer given at once: the proxies were connected long before the run began."""
        self._settling = True
        try:
            connect()
        finally:
            self._settling = False

    def stop(self) -> None:
        """istiod is gone: every stream closes, nothing is pushed."""
        self.running = False
        self._epoch += 1
        self._debouncer.reset()
        self._queue = PushQueue()
        self._slots = self._timing.throttle
        connections, self.connections = list(self.connections.values()), {}
        for connection in connections:
            connection.open = False
            self._transport.closed(connection.id)

    def start(self, objects: Iterable[ApiObject]) -> None:
        """istiod is back: it lists the kube anew and accepts streams."""
        self.objects = ObjectStore()
        self.push = None
        self._processors = Processors(self._timing.cpus)
        self.load(objects)
        self.running = True

    # ---- changes ------------------------------------------------------------------------------------------------

    def on_change(self, verb: str, item: ApiObject, before: ApiObject | None, cause: str = "") -> None:
        """A watch event reached Pilot."""
        if not self.running:
            return
        if verb == "delete":
            self.objects.remove(item.key)
        else:
            self.objects.put(item)
        found = self._events.read(verb, item, before)
        if found.addresses:
            self._update_proxies(found.addresses)
        request = found.request
        if not request.keys:
            return
        self._changes += 1
        request.changes.append(self._changes)
        self._taps.config_change(
            ConfigChange(self._env.instant, self._changes, verb, item.kind, item.namespace, item.name, cause)
        )
        self._react(self._debouncer.on_request(request, self._env.instant))

    def _update_proxies(self, addresses: Container[str]) -> None:
        """Push everything to the proxies at these addresses, past the debounce and from the push context there is."""
        for name, connection in self.connections.items():
            if connection.proxy.addresses and connection.proxy.addresses[0] in addresses:
                self._queue.enqueue(name, proxy_request())
        self._dispatch()

    def _react(self, reaction: Reaction) -> None:
        if reaction.timer is not None:
            self._later(reaction.timer - self._env.instant, self._on_timer)
        if reaction.push is not None:
            self._build(reaction.push, reaction.first_change)

    def _on_timer(self) -> None:
        self._react(self._debouncer.on_timer(self._env.instant))

    def _build(self, request: PushRequest, first_change: Nanos) -> None:
        debounced = self._env.instant
        push = self._rebuild()
        services = 0 if request.only_endpoints else len(push.services)
        work = self._timing.push_context_base + services * self._timing.push_context_per_service
        end = self._processors.run(debounced, work)
        self._later(end - debounced, lambda: self._started(request, first_change, debounced))

    def _started(self, request: PushRequest, first_change: Nanos, debounced: Nanos) -> None:
        now = self._env.instant
        self._pushes += 1
        request.push = self._pushes
        request.started = now
        self._taps.push(Push(self._pushes, first_change, debounced, now, tuple(request.changes), self.version))
        for name in self.connections:
            self._queue.enqueue(name, request)
        self._react(self._debouncer.on_push_done(now))
        self._dispatch()

    @property
    def version(self) -> str:
        """Version text of the newest push context: simulated time and a counter, as istiod's ``time/counter``."""
        return f"{self._env.instant // SECOND}s/{self._pushes}"

    # ---- streams ------------------------------------------------------------------------------------------------

    def connect(self, proxy: Proxy) -> bool:
        """A proxy opens a stream; false when Pilot is down or its limit would make the stream wait over a second."""
        if not self.running:
            return False
        now = self._env.instant
        if not self._settling:
            admitted = max(now, self._stream_token)
            if admitted - now > SECOND:
                return False
            self._stream_token = admitted + round(SECOND / self._timing.stream_rate)
        self.disconnect(proxy.id)
        scope = self._scopes.of(self._context(), proxy)
        self.connections[proxy.id] = Connection(proxy.id, proxy, self._stream(proxy.id), scope)
        return True

    def _stream(self, name: str) -> AdsServerStream:
        return AdsServerStream(name, self._taps.xds_event, lambda: self._env.instant)

    def disconnect(self, name: str) -> None:
        """The proxy's side closed the stream."""
        connection = self.connections.pop(name, None)
        if connection is not None:
            connection.open = False
            if connection.push is not None:
                self._slots += 1
            self._queue.forget(name)
            self._dispatch()

    def on_request(self, name: str, request: discovery_pb2.DeltaDiscoveryRequest) -> None:
        """A discovery request arrived on a stream."""
        connection = self.connections.get(name)
        if connection is None:
            return
        received = connection.stream.on_request(request)
        if received.nonce and received.kind not in (RequestKind.FIRST, RequestKind.EXPIRED):
            self._answered(connection, received)
        if received.kind in (RequestKind.FIRST, RequestKind.SUBSCRIBE, RequestKind.UNSUBSCRIBE):
            connection.requests.append(received)
            self._work(connection)

    def push_of(self, name: str, nonce: str) -> int:
        """The number of the push that a response belongs to, 0 for an answer to a request."""
        connection = self.connections.get(name)
        return connection.pushes.get(nonce, 0) if connection is not None else 0

    def _answered(self, connection: Connection, received: Received) -> None:
        self._taps.push_answer(
            PushAnswer(
                self._env.instant,
                connection.pushes.get(received.nonce, 0),
                connection.id,
                received.type_url,
                received.nonce,
                received.kind is not RequestKind.NACK,
                received.reason,
            )
        )

    # ---- work ---------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while self._slots > 0:
            taken = self._queue.dequeue()
            if taken is None:
                return
            name, request = taken
            connection = self.connections.get(name)
            if connection is None:
                self._queue.forget(name)
                continue
            self._slots -= 1
            connection.push = request
            self._work(connection)

    def _work(self, connection: Connection) -> None:
        if connection.busy or not connection.open:
            return
        if connection.requests:
            received = connection.requests.popleft()
            connection.busy = True
            self._run(connection, request_steps(connection, received), 0, self._context(), None)
        elif connection.push is not None:
            connection.busy = True
            self._start_push(connection, connection.push)

    def _start_push(self, connection: Connection, request: PushRequest) -> None:
        push = self._context()
        if request.is_proxy_update:
            push = push.with_targets(connection.proxy, self._events.registry.targets(connection.proxy))
        if request.forced or any(key.kind in RESCOPING for key in request.keys):
            connection.see(self._scopes.of(push, connection.proxy))
        own = frozenset(
            ConfigKey("ServiceEntry", target.service.hostname, target.service.namespace)
            for target in push.service_targets(connection.proxy)
        )
        mine = relevant(request, connection.proxy, push.mesh.root_namespace, connection.scopes, own)
        if mine is None:
            self._finish_push(connection, request)
            return
        steps = push_steps(push, connection, mine)
        end = self._end_of(self._timing.push_per_proxy)
        self._later(end, lambda: self._run(connection, steps, 0, push, request))

    def _run(
        self, connection: Connection, steps: list[Step], index: int, push: PushContext, request: PushRequest | None
    ) -> None:
        if not connection.open:
            return
        if index == len(steps):
            if request is None:
                connection.busy = False
                self._work(connection)
            else:
                self._finish_push(connection, request)
            return
        step = steps[index]
        queued = self._env.instant
        generated = generate_step(push, connection, step, self._timing)
        if generated is None:
            self._run(connection, steps, index + 1, push, request)
            return
        number = request.push if request is not None else 0

        def send() -> None:
            if not connection.open:
                return
            response = connection.stream.answer(step.type_url, generated.resources, generated.removed, self.version)
            connection.remember(response.nonce, number)
            self._taps.push_sent(
                PushSent(
                    self._env.instant,
                    number,
                    connection.id,
                    step.type_url,
                    response.nonce,
                    queued,
                    self._env.instant,
                    len(generated.resources),
                    len(generated.removed),
                    generated.resources.size,
                )
            )
            self._later(self._timing.network, lambda: self._arrive(connection, response))
            self._run(connection, steps, index + 1, push, request)

        self._later(self._end_of(generated.cost + self._timing.send), send)

    def _arrive(self, connection: Connection, response: DeltaResponse) -> None:
        if connection.open:
            self._transport.deliver(connection.id, response)

    def _finish_push(self, connection: Connection, request: PushRequest) -> None:
        connection.busy = False
        connection.push = None
        self._slots += 1
        self._queue.mark_done(connection.id)
        self._work(connection)
        self._dispatch()

    def _end_of(self, work: Nanos) -> Nanos:
        """Time from now until a job on istiod's processors ends."""
        if self._settling:
            return 0
        now = self._env.instant
        return self._processors.run(now, work) - now

    def _later(self, delay: Nanos, action: Callable[[], None]) -> None:
        if self._settling:
            action()
            return
        epoch = self._epoch
        self._env.call_at(self._env.instant + delay, lambda: action() if epoch == self._epoch else None)

    def _context(self) -> PushContext:
        if self.push is None:
            return self._rebuild()
        return self.push

    def _rebuild(self) -> PushContext:
        self.push = build_push_context(self.objects, self.mesh, self.push)
        self._scopes = ScopeMemo()
        return self.push
