"""Explanations of requests that nobody has sent: a scenario's world, run to an instant without its traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import urlsplit

from meshsim.api import ApiObject
from meshsim.dataplane.active import ActiveConfig
from meshsim.dataplane.decide.values import Request
from meshsim.errors import UsageError
from meshsim.netfilter import Verdict
from meshsim.network.dns import AnswerKind, Resolver
from meshsim.recording import Record
from meshsim.recording.arrow import ColumnData
from meshsim.scenario import LoadedScenario
from meshsim.units import Nanos, format_duration
from meshsim.world.directory import PodEntry
from meshsim.world.explain import Ask, Explanation, Named, PodPlace, explain_request
from meshsim.world.model import RunOptions, World
from meshsim.world.services import Backends
from meshsim.world.sources import ConfigName, Sources, sources_of


class NullSink:
    """Keeps nothing."""

    def add_requests(self, columns: Mapping[str, ColumnData]) -> None:
        """Requests are not kept."""

    def add_series(self, columns: Mapping[str, ColumnData]) -> None:
        """Counts are not kept."""

    def add_counters(self, columns: Mapping[str, ColumnData]) -> None:
        """Statistics are not kept."""

    def add_record(self, record: Record) -> None:
        """Records are not kept."""

    def add_config(
        self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]
    ) -> None:
        """Configuration is not kept: the proxies have it."""


@dataclass(slots=True)
class WorldEvidence:
    """A world at the instant it has reached (an `Evidence`)."""

    world: World
    time: Nanos
    sources: Sources
    _resolver: Resolver = field(init=False)
    _backends: Backends = field(init=False)

    def __post_init__(self) -> None:
        objects = self.world.kube.server.objects
        self._resolver = Resolver(objects, self.world.mesh.domain)
        self._backends = Backends(objects)

    @property
    def trust_domain(self) -> str:
        """The mesh's trust domain."""
        return self.world.mesh.trust_domain

    def config(self, pod_id: str) -> ActiveConfig | None:
        """What a pod's proxy follows."""
        running = self.world.fleet.proxies.get(pod_id)
        return running.config.active if running is not None else None

    def resolve(self, host: str, namespace: str) -> Named | None:
        """What the kube's DNS answers."""
        answer = self._resolver.resolve(host, namespace)
        if answer is None:
            return None
        known = answer.kind in (AnswerKind.SERVICE, AnswerKind.HEADLESS)
        return Named(answer.host, answer.addresses, answer.service if known else "", answer.namespace)

    def walk_outbound(self, pod_id: str, address: str, port: int) -> Verdict | None:
        """The pod's nat rules on an application's connection."""
        return self.world.router.interception.walk_outbound(pod_id, address, port)

    def walk_inbound(self, pod_id: str, source: str, address: str, port: int) -> Verdict | None:
        """The pod's nat rules on a peer's connection."""
        return self.world.router.interception.walk_inbound(pod_id, source, address, port)

    def pod_at(self, address: str) -> PodPlace | None:
        """The pod that has an address."""
        entry = self.world.directory.at(address)
        return place_of(entry) if entry is not None and entry.reachable else None

    def backends(self, address: str, port: int) -> tuple[tuple[str, int], ...]:
        """Kube-proxy's choices."""
        return tuple((endpoint.address, endpoint.port) for endpoint in self._backends.of(address, port))

    def peer_policies(self, pod_id: str) -> tuple[ConfigName, ...]:
        """Workload, namespace and mesh level, of each the oldest (istio pilot/pkg/security/authn, 1.31)."""
        entry = self.world.directory.get(pod_id)
        pod = self.world.kube.server.get("Pod", entry.namespace, entry.name) if entry is not None else None
        if pod is None:
            return ()
        found: list[ConfigName] = []
        objects = self.world.kube.server.objects
        root = self.world.mesh.root_namespace
        levels = [(pod.namespace, True)] if pod.namespace != root else []
        for namespace, selecting in (*levels, *((name, False) for name in dict.fromkeys((pod.namespace, root)))):
            policies = objects.select("PeerAuthentication", None, namespace)
            wanted = [item for item in policies if _counts(item, pod, selecting)]
            if wanted:
                oldest = min(wanted, key=lambda item: (item.created, item.name))
                found.append(ConfigName("peerauthentication", oldest.namespace, oldest.name))
        return tuple(found)


def _counts(policy: ApiObject, pod: ApiObject, selecting: bool) -> bool:
    labels = policy.spec.fields("selector").text_map("matchLabels")
    return bool(labels) is selecting and all(pod.labels.get(key) == value for key, value in labels.items())


def place_of(entry: PodEntry) -> PodPlace:
    """A pod of a running world."""
    return PodPlace(entry.id, entry.namespace, entry.address, entry.service_account, entry.has_proxy)


def quiet_world(loaded: LoadedScenario, at: Nanos) -> World:
    """The world of a scenario without its traffic, run to an instant; raises `UsageError` for one outside of it."""
    if not 0 <= at <= loaded.scenario.duration:
        message = f"--at must lie within the scenario's {format_duration(loaded.scenario.duration)}"
        raise UsageError(message, loaded.position("duration"))
    world = World(loaded, loaded.scenario.seeds[0], NullSink(), RunOptions(mode="plain"))
    world.traffic.silence()
    if at:
        world.env.run(until=at)
    return world


def explain_scenario(
    loaded: LoadedScenario, caller: str, url: str, *, method: str, headers: Mapping[str, str], at: Nanos
) -> Explanation:
    """Explain a request that `caller` (pod, workload, app or label, with ``.NAMESPACE`` if need be) would send at an
    instant. Raises `UsageError`.
    """
    try:
        target = urlsplit(url if "://" in url else f"http://{url}")
        port = target.port or 80
    except ValueError as error:
        raise UsageError(f"'{url}' is not a URL such as http://reviews:9080/", None, str(error)) from None
    if target.scheme != "http" or not target.hostname:
        raise UsageError(f"'{url}' is not a URL such as http://reviews:9080/", None, "applications speak plain HTTP")
    world = quiet_world(loaded, at)
    entry = pod_named(world, caller)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    lower = {name.lower(): value for name, value in headers.items()}
    authority = lower.pop("host", target.netloc)
    ask = Ask(
        caller=place_of(entry),
        from_outside=entry.is_gateway,
        host=target.hostname,
        port=_target_port(world, entry, port) if entry.is_gateway else port,
        request=Request(method=method, authority=authority, path=path, headers=tuple(lower.items())),
    )
    return explain_request(WorldEvidence(world, at, sources_of(loaded)), ask)


def pod_named(world: World, text: str) -> PodEntry:
    """The first living pod that a text means: name, label, workload or app."""
    entries = [entry for entry in world.directory if entry.reachable]
    for number in range(3):
        found = [entry for entry in entries if text in _names(world, entry)[number]]
        namespaces = sorted({entry.namespace for entry in found})
        if len(namespaces) > 1:
            choices = ", ".join(f"{text}.{namespace}" for namespace in namespaces)
            raise UsageError(f"'{text}' is in several namespaces", None, f"say which: {choices}")
        if found:
            return min(found, key=lambda entry: (not entry.alive, entry.id))
    words = sorted({name for entry in entries for names in _names(world, entry) for name in names})
    close = get_close_matches(text, words, 1)
    hint = f"did you mean '{close[0]}'?" if close else "name a pod, an app, a workload or a label such as app=reviews"
    raise UsageError(f"there is no pod '{text}' at that time", None, hint)


def _names(world: World, entry: PodEntry) -> tuple[tuple[str, ...], ...]:
    """What a pod goes by, the most exact first."""
    pod = world.kube.server.get("Pod", entry.namespace, entry.name)
    labels = [f"{key}={value}" for key, value in pod.labels.items()] if pod is not None else []
    loose = (*labels, entry.group.app, world.router.facts[entry.id].workload)
    return (entry.id,), (entry.name, *(f"{name}.{entry.namespace}" for name in loose)), loose


def _target_port(world: World, entry: PodEntry, port: int) -> int:
    """The gateway pod's port behind a port of its Service; the port itself where no Service has it."""
    pod = world.kube.server.get("Pod", entry.namespace, entry.name)
    for service in world.kube.server.objects.select("Service", "", entry.namespace):
        if pod is None or not _selects(service, pod):
            continue
        for item in service.spec.items("ports"):
            if item.integer("port") == port:
                return _number(world, entry, item.value("targetPort"), port)
    return port


def _selects(service: ApiObject, pod: ApiObject) -> bool:
    selector = service.spec.text_map("selector")
    return bool(selector) and all(pod.labels.get(key) == value for key, value in selector.items())


def _number(world: World, entry: PodEntry, target: object, port: int) -> int:
    if isinstance(target, str) and not target.isdigit():
        return world.router.facts[entry.id].ports.get(target, port)
    return int(target) if isinstance(target, int | str) else port
