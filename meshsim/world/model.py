"""A world: kube, Pilot, proxies, data plane and traffic of one replication, on one clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api import ApiObject, ObjectKey
from meshsim.controlplane.mesh import installed_mesh_config
from meshsim.controlplane.pilot import Pilot
from meshsim.controlplane.proxies import PROXY_CONTAINER, proxy_of_pod
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.specs import PodState
from meshsim.kernel import Environment, RunDigest
from meshsim.kube import Change, Kube
from meshsim.network import Network, Topology
from meshsim.recording import InstanceInfo, ProxyInfo, RunSink
from meshsim.scenario import LoadedScenario
from meshsim.trace import ConfigChange, PodPhase, ProxyEffective, Push, PushAnswer, PushSent, Taps, TimelineMark
from meshsim.units import Nanos
from meshsim.world.behaviour import Behaviours
from meshsim.world.counting import CounterRecorder, look_interval
from meshsim.world.directory import Directory, PodEntry, group_of
from meshsim.world.handing import RowHand, Rows
from meshsim.world.istiod import IstiodWatch
from meshsim.world.pod_facts import PodFacts, pod_facts
from meshsim.world.pod_readings import EngineReadings
from meshsim.world.proxies import Fleet, RunningProxy
from meshsim.world.recorder import RequestRecorder
from meshsim.world.routing import Router
from meshsim.world.settings import Settings, settings_of
from meshsim.world.sources import object_sources
from meshsim.world.timeline import Timeline
from meshsim.world.traffic import TrafficControl
from meshsim.world.unmodelled import UnmodelledLog
from meshsim.world.webhook import SidecarWebhook
from meshsim.xds import type_urls
from meshsim.xds.bodies import BodyTable

Observed = ConfigChange | Push | PushSent | PushAnswer | ProxyEffective | PodPhase | TimelineMark

_SERIES_STEPS: Final = 20
"""The series is handed over once in so many steps: each time its unfinished second stands in two parts."""

Progress = Callable[[Nanos, int], None]
"""Called now and then with the simulated time and the number of finished requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a replication is executed; none of it changes what happens."""

    mode: str | None = None
    """Engine mode, ``plain`` or ``numba``; `None` = by environment."""
    sampling: float = 1.0
    """Share of traces whose rows are recorded."""
    until: Nanos | None = None
    """Stop earlier than the scenario says."""
    notice: Callable[[str], None] | None = None
    """Hears the one line about compiling."""
    doing: Callable[[str, int, int], None] | None = None
    """Hears what is done before time zero, and how much of how much of it, if that is known."""
    progress: Progress | None = None
    steps: int = 200
    """How often progress is told and the engine's log may be drained."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What one replication came to."""

    digest: str
    requests: int
    attempts: int
    mode: str
    until: Nanos
    notes: tuple[str, ...] = ()
    """What to know before the result is trusted: what is not simulated."""


class World:
    """Everything of one replication, ready to run."""

    def __init__(self, loaded: LoadedScenario, seed: int, sink: RunSink, options: RunOptions) -> None:
        self.loaded = loaded
        self.seed = seed
        self.sink = sink
        self.options = options
        self.settings: Settings = settings_of(loaded.scenario.mesh)
        self.env = Environment()
        self.taps = Taps()
        self.network = Network(Topology(self.settings.latencies))
        self.mesh = installed_mesh_config(loaded.scenario.mesh.mesh_config)
        self.webhook = SidecarWebhook(self.mesh)
        self.kube = Kube(
            self.env,
            settings=self.settings.kube,
            seed=seed,
            taps=self.taps,
            network=self.network,
            admission=self.webhook.admit,
        )
        self.webhook.attach(self.kube.server)
        self.digest = RunDigest()
        self.engine = Engine(seed, mode=options.mode, sample_rate=options.sampling, notice=options.notice)
        self.fleet = Fleet(self.env, seed, self.settings.envoy, self.taps, self._to_pilot)
        self.pilot = Pilot(self.env, self.mesh, self.settings.pilot, self.taps, self.fleet)
        self.webhook.served_by(lambda: self.pilot.running)
        self.unmodelled = UnmodelledLog()
        self.directory = Directory()
        self.behaviours = Behaviours(self.engine, loaded.scenario.workloads)
        self.router = Router(self)
        self.traffic = TrafficControl(self)
        self.recorder = RequestRecorder(
            self.engine, self.directory, self.router.flows, [t.name for t in loaded.scenario.traffic]
        )
        self.router.on_cluster = self.recorder.note_cluster
        self.router.on_security = self.recorder.note_security
        self.router.on_meaning = self.recorder.note_meaning
        self.counting = CounterRecorder()
        self._autoscaled = any(item.kind == "HorizontalPodAutoscaler" for item in loaded.all_objects())
        self._build()

    @property
    def _to_pilot(self) -> Nanos:
        return self.settings.pilot.network + self.settings.pilot.agent_hop

    # ---- before time zero ---------------------------------------------------------------------------------------

    def _build(self) -> None:
        scenario = self.loaded.scenario
        self._doing("starting pods")
        self.kube.load(self.webhook.labelled(self.loaded.objects, scenario.mesh.inject))
        self.kube.settle()
        objects = self.kube.server.objects
        self.pilot.load(objects)
        self.fleet.attach(self.pilot)
        self.fleet.on_changed = self._on_proxy_changed
        self.fleet.on_config = self._on_config
        pods = [pod for pod in objects.select("Pod") if pod.status.text("podIP")]
        entries = [self._enter(pod) for pod in pods]
        proxied = [pod for pod, entry in zip(pods, entries, strict=True) if entry.has_proxy]
        self.fleet.settle([proxy_of_pod(pod, objects, self.mesh) for pod in proxied], self._connecting)
        self._doing("finding the routes of requests")
        for entry in entries:
            self.router.add_calls(entry)
        self.traffic.start()
        self.router.compile_all()
        IstiodWatch(self)
        for source in object_sources(self.loaded):
            self.sink.add_record(source)
        self._observe()
        self.taps.pod_phase.listen(self._on_phase)
        self.kube.server.watch(self._on_change, latency=self.settings.pilot.watch_latency)
        self.env.before_each_event(self.engine.run_until)
        if self._autoscaled:
            self.kube.autoscale(EngineReadings(self.engine, self.directory))
        Timeline(self, self.loaded.actions)

    def _doing(self, what: str, done: int = 0, of: int = 0) -> None:
        if self.options.doing is not None:
            self.options.doing(what, done, of)

    def _connecting(self, done: int, of: int) -> None:
        self._doing("connecting proxies", done, of)

    def _enter(self, pod: ApiObject) -> PodEntry:
        """Give a pod its place in the engine."""
        facts: PodFacts = pod_facts(pod, self.kube.server.objects)
        behaviour = self.behaviours.of(pod)
        proxy = -1
        if facts.has_proxy:
            proxy = self.engine.add_proxy(self.settings.proxy.spec(counted=self._autoscaled))
        group = group_of(pod, facts.workload)
        spec = behaviour.pod_spec(proxy, self.directory.group_number(group), facts.cpu_limit)
        number = self.engine.add_pod(spec)
        entry = PodEntry(
            name=pod.name,
            namespace=pod.namespace,
            uid=pod.metadata.text("uid"),
            address=pod.status.text("podIP"),
            party=self.network.party(pod.namespace, pod.name, pod.labels, pod.spec.text("nodeName"), facts.workload),
            group=group,
            service_account=facts.service_account,
            has_proxy=facts.has_proxy,
            is_gateway=facts.is_gateway,
            number=number,
            proxy_number=proxy,
            behaviour=behaviour,
        )
        self.directory.add(entry)
        self.router.facts[entry.id] = facts
        self.router.interception.enter(entry.id, pod)
        self.sink.add_record(self._instance(entry, facts))
        if facts.has_proxy:
            self._record_proxy(entry, facts)
        return entry

    def _instance(self, entry: PodEntry, facts: PodFacts) -> InstanceInfo:
        kind = ("router" if entry.is_gateway else "sidecar") if entry.has_proxy else ""
        return InstanceInfo(
            entry.namespace,
            entry.name,
            facts.workload,
            entry.group.app,
            entry.group.version,
            facts.app,
            facts.version,
            f"spiffe://{self.mesh.trust_domain}/{entry.identity}",
            entry.address,
            kind,
            facts.stats,
        )

    def _record_proxy(self, entry: PodEntry, facts: PodFacts) -> None:
        self.sink.add_record(
            ProxyInfo(
                entry.id,
                "router" if entry.is_gateway else "sidecar",
                entry.namespace,
                entry.name,
                entry.group.app,
                entry.group.version,
                facts.workload,
                entry.party.node,
                entry.party.zone,
                entry.address,
                self.env.instant,
                service_account=facts.service_account,
                capture=self.router.interception.options_text(entry.id),
            )
        )

    # ---- while it runs ------------------------------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        self.pilot.on_change(change.verb.value, change.object, change.before, change.cause)
        self.router.on_kube_change(change.object.kind)

    def _on_proxy_changed(self, running: RunningProxy, changed: dict[str, list[str]]) -> None:
        """A proxy follows other configuration; with its first listeners it passes its readiness probe."""
        self.router.on_proxy_changed(running, changed)
        for item in running.config.active.unmodelled(changed):
            self.unmodelled.add(running.proxy.id, item)
        if type_urls.LISTENER in changed and not running.warm:
            running.warm = True
            proxy = running.proxy
            key = ObjectKey("", "Pod", proxy.namespace, proxy.name)
            self.kube.kubelets.set_answering(key, PROXY_CONTAINER, True)

    def _on_config(self, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]) -> None:
        *shared, last = BodyTable.of(changed).parts
        for part in shared:
            self.sink.add_config(self.env.instant, proxy, type_url, part, ())
        self.sink.add_config(self.env.instant, proxy, type_url, last, removed)

    def on_links_changed(self) -> None:
        """Latencies and reachability hold anew from now on."""
        self.router.on_links_changed()

    def _on_phase(self, record: PodPhase) -> None:
        entry = self.directory.get(f"{record.pod}.{record.namespace}")
        pod = self.kube.server.get("Pod", record.namespace, record.pod)
        if record.phase in ("proxy_started", "started") and pod is not None:
            entry = self._present(pod, entry)
        if entry is None:
            return
        if record.phase == "proxy_started" and pod is not None:
            self.fleet.start(proxy_of_pod(pod, self.kube.server.objects, self.mesh))
        elif record.phase == "started":
            self._serve(entry)
        elif record.phase == "stopping":
            self.engine.set_pod_state(entry.number, PodState.DRAINING, self.env.instant)
        elif record.phase in ("stopped", "crashed"):
            self._die(entry)
        elif record.phase in ("proxy_stopped", "proxy_crashed"):
            self.fleet.stop(entry.id)
        elif record.phase == "gone":
            self.fleet.stop(entry.id)
            self._die(entry)
        elif record.phase == "lost":
            self._lose(entry)

    def _present(self, pod: ApiObject, entry: PodEntry | None) -> PodEntry:
        """The entry of a pod that starts; a new one when there was none or its address is another."""
        same = entry is not None and entry.reachable and entry.uid == pod.metadata.text("uid")
        if entry is not None and same and entry.address == pod.status.text("podIP"):
            return entry
        fresh = self._enter(pod)
        fresh.alive = False
        self.engine.set_pod_state(fresh.number, PodState.DEAD, self.env.instant)
        self.router.add_calls(fresh)
        return fresh

    def _serve(self, entry: PodEntry) -> None:
        entry.alive = True
        self.engine.set_pod_state(entry.number, PodState.READY, self.env.instant)
        self.router.on_pod(entry)
        self.traffic.refresh()

    def _die(self, entry: PodEntry) -> None:
        entry.alive = False
        self.engine.set_pod_state(entry.number, PodState.DEAD, self.env.instant)
        self.traffic.refresh()

    def _lose(self, entry: PodEntry) -> None:
        entry.alive = False
        entry.reachable = False
        self.fleet.stop(entry.id)
        self.router.on_pod(entry)
        self.traffic.refresh()

    def _observe(self) -> None:
        """Have every record of the run written down and counted into its digest."""
        taps = self.taps
        taps.config_change.listen(self._take)
        taps.push.listen(self._take)
        taps.push_sent.listen(self._take)
        taps.push_answer.listen(self._take)
        taps.proxy_effective.listen(self._take)
        taps.pod_phase.listen(self._take)
        taps.timeline.listen(self._take)

    def _take(self, record: Observed) -> None:
        self.digest.add(type(record).__name__, *(str(part) for part in record))
        self.sink.add_record(record)

    def _advance(self, begin: Nanos, until: Nanos) -> None:
        """Let everything happen up to `until`, and look at the statistics on the way."""
        interval = look_interval(self.loaded.scenario.duration)
        for at in range(begin // interval * interval + interval, until + 1, interval):
            self._reach(at)
            self._look(at)
        self._reach(until)

    def _reach(self, until: Nanos) -> None:
        if until > self.env.instant:
            self.env.run(until=until)
        self.engine.run_until(until)

    def _look(self, time: Nanos) -> None:
        self.counting.write(self.engine.count_clusters(), self.recorder.clusters, time, self.sink)

    def run(self) -> RunOutcome:
        """Run to the end and hand everything to the sink."""
        end = self.options.until or self.loaded.scenario.duration
        end = min(end, self.loaded.scenario.duration)
        with RowHand(self._write_rows) as hand:
            self.engine.on_rows = hand.add
            self._run_steps(end)
            hand.finish()
        self._look(end)
        counters = self.engine.counters
        self.digest.add("engine", self.engine.digest, counters.finished, counters.attempts)
        return RunOutcome(
            self.digest.hexdigest(),
            counters.finished,
            counters.attempts,
            str(self.engine.mode),
            end,
            (*self.unmodelled.notes(), *(self.kube.autoscalers.notes() if self.kube.autoscalers is not None else ())),
        )

    def _write_rows(self, rows: Rows) -> None:
        self.recorder.write(rows, self.sink)
        self.engine.reuse_rows(rows)

    def _run_steps(self, end: Nanos) -> None:
        done = 0
        for step in range(1, self.options.steps + 1):
            until = end * step // self.options.steps
            if until > done:
                self._advance(done, until)
                done = until
            if step % _SERIES_STEPS == 0 or step == self.options.steps:
                self.recorder.write_series(self.engine.drain_series(), self.sink)
            if self.options.progress is not None:
                self.options.progress(done, self.engine.counters.finished)
        self.engine.hand_rows()
