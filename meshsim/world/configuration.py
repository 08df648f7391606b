"""What there is to say about the objects of a scenario, at its start and after each change that its timeline makes.

The cluster is brought to time zero as a run would (pods, endpoints, injection), then only objects change: findings are
about configuration, so what pods do meanwhile does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from meshsim.analysis import Cluster, analyse, by_place, representatives, workloads_of
from meshsim.api import ApiObject, ObjectKey
from meshsim.controlplane.mesh import MeshConfig, build_mesh_config
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.proxies import proxy_of_pod
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.errors import Finding, Position, Severity
from meshsim.kernel import Environment
from meshsim.kube import Kube, KubeSettings
from meshsim.network import Network, Topology
from meshsim.scenario import LoadedScenario, Mesh, TimedAction
from meshsim.units import Nanos, format_duration
from meshsim.world.settings import settings_of
from meshsim.world.webhook import SidecarWebhook

_PROXIES: Final = 100
"""The proxies of so many workloads are served to find conflicts."""

_NOTED: Final = 5
"""So many warnings are noted in a summary."""

Undo: TypeAlias = Callable[[], None]
_Key: TypeAlias = tuple[str, Position | None, str]


class _Step(NamedTuple):
    """A change of the timeline, or its end."""

    at: Nanos
    action: TimedAction
    begins: bool


def scenario_findings(loaded: LoadedScenario) -> tuple[Finding, ...]:
    """Findings at the start of a scenario, and those that a change of its timeline makes, with its time.

    DEVIATION: of more than 100 workloads only the first 100 have their proxies served, so that conflicts that Pilot
    counts for others alone (listeners, domains, EnvoyFilter patches) are not reported.
    """
    state = _State.of(loaded.objects, loaded.scenario.mesh)
    found = list(state.findings())
    known = {_key(finding) for finding in found}
    undo: dict[str, list[Undo]] = {}
    for step in _steps(loaded):
        state.take(step, undo)
        for finding in state.findings():
            if _key(finding) not in known:
                known.add(_key(finding))
                found.append(_timed(finding, step))
    return by_place(found)


def manifest_findings(files: Sequence[Sequence[ApiObject]]) -> tuple[Finding, ...]:
    """Findings about the objects of manifest files that are applied together.

    They may be a part of a cluster only: what is not among them may be elsewhere. Files that hold the same object are
    alternatives: each is checked as if it were applied last, and what is found must hold whether the first or the last
    of the others is there.
    """
    forwards = _each_on_top(files)
    holders: dict[ObjectKey, int] = {}
    for objects in files:
        for key in {item.key for item in objects}:
            holders[key] = holders.get(key, 0) + 1
    if all(count == 1 for count in holders.values()):
        return by_place(forwards.values())
    backwards = _each_on_top(files[::-1])
    return by_place(finding for key, finding in forwards.items() if key in backwards)


def _each_on_top(files: Sequence[Sequence[ApiObject]]) -> dict[_Key, Finding]:
    """Findings with all files applied in order, and those about a file's own objects with this one applied last."""
    state = _State.of([item for objects in files for item in objects], Mesh(), whole=False)
    found = {_key(finding): finding for finding in state.findings()}
    last = {item.key: number for number, objects in enumerate(files) for item in objects}
    for number, objects in enumerate(files):
        if all(last[item.key] == number for item in objects):
            continue
        before = [state.kube.server.objects.get(item.key) for item in objects]
        for item in objects:
            state.kube.apply(item)
        names = {item.origin.file for item in objects if item.origin is not None}
        for finding in state.findings():
            if finding.position is not None and finding.position.file in names:
                found.setdefault(_key(finding), finding)
        for known in before:
            if known is not None:
                state.kube.server.objects.put(known)
    return found


def configuration_notes(findings: Sequence[Finding], file: str) -> tuple[str, ...]:
    """The warnings in a few lines for a summary; `file` is what to validate for all of them."""
    warnings = [finding for finding in findings if finding.severity is Severity.WARNING]
    lines = [f"{w.position}: {w.message}" if w.position else w.message for w in warnings[:_NOTED]]
    more = len(warnings) - _NOTED
    return (*lines, *((f"{more} more about the configuration: meshsim validate {file}",) if more > 0 else ()))


def _steps(loaded: LoadedScenario) -> list[_Step]:
    """The changes of objects in a timeline, by time; an end before a beginning of the same instant."""
    steps: list[_Step] = []
    for action in loaded.actions:
        if action.entry.verb not in ("apply", "delete"):
            continue
        steps.append(_Step(action.at, action, True))
        if action.until is not None:
            steps.append(_Step(action.until, action, False))
    return sorted(steps, key=lambda step: (step.at, step.begins))


def _key(finding: Finding) -> _Key:
    return finding.code, finding.position, finding.subject


def _timed(finding: Finding, step: _Step) -> Finding:
    what = f"'{step.action.id}'" if step.begins else f"the end of '{step.action.id}'"
    return finding._replace(message=f"from {format_duration(step.at)} on ({what}): {finding.message}")


def _single(item: ApiObject) -> ApiObject:
    """A workload with one replica at most: its pods are alike."""
    if item.kind not in ("Deployment", "ReplicaSet", "StatefulSet") or item.spec.integer("replicas", 1) <= 1:
        return item
    return replace(item, body={**item.body, "spec": {**item.spec.body, "replicas": 1}})


@dataclass(slots=True)
class _State:
    """The objects of a cluster at one instant."""

    kube: Kube
    mesh: MeshConfig
    whole: bool
    written: frozenset[str]
    push: PushContext | None = None
    _proxies: tuple[Proxy, ...] | None = None

    @classmethod
    def of(cls, objects: Sequence[ApiObject], settings: Mesh, *, whole: bool = True) -> _State:
        """The cluster that these objects make, at time zero."""
        chosen = settings_of(settings)
        mesh = build_mesh_config(settings.mesh_config)
        webhook = SidecarWebhook(mesh)
        kube_settings: KubeSettings = chosen.kube
        network = Network(Topology(chosen.latencies))
        kube = Kube(Environment(), settings=kube_settings, network=network, admission=webhook.admit)
        webhook.attach(kube.server)
        kube.load(webhook.labelled(map(_single, objects), settings.inject))
        kube.settle()
        written = frozenset(workload.namespace for workload in workloads_of(objects))
        return cls(kube, mesh, whole, written)

    def findings(self) -> tuple[Finding, ...]:
        """What there is to say about the objects as they are now."""
        objects = self.kube.server.objects
        self.push = build_push_context(objects, self.mesh, self.push)
        workloads = workloads_of(objects)
        if self._proxies is None:
            pods = representatives(objects.select("Pod"))[:_PROXIES]
            self._proxies = tuple(proxy_of_pod(pod, objects, self.mesh) for pod in pods)
        return analyse(Cluster(self.push, workloads, self._proxies, self.whole, self.written))

    def take(self, step: _Step, undo: dict[str, list[Undo]]) -> None:
        """Make a change of the timeline, or take it back."""
        action = step.action
        if not step.begins:
            for take_back in reversed(undo.pop(action.id, [])):
                take_back()
            return
        done = undo.setdefault(action.id, [])
        if action.entry.verb == "apply":
            done += [self._apply(item, step.at) for item in action.objects]
        else:
            done += [self._delete(key) for key in self._keys(action)]

    def _apply(self, item: ApiObject, at: Nanos) -> Undo:
        server = self.kube.server
        before = server.objects.get(item.key)
        take_back = self.kube.apply(item)
        stored = server.objects.get(item.key)
        if before is None and stored is not None:
            # Objects have the age they will have, since the oldest of several wins.
            server.objects.put(replace(stored, created=self.kube.settings.epoch + at))
        return take_back

    def _delete(self, key: ObjectKey) -> Undo:
        before = self.kube.server.objects.remove(key)

        def put_back() -> None:
            if before is not None:
                self.kube.server.objects.put(before)

        return put_back

    def _keys(self, action: TimedAction) -> list[ObjectKey]:
        keys = [item.key for item in action.objects]
        for reference in action.references:
            for item in self.kube.server.objects.select(reference.kind):
                same = item.name == reference.name and item.namespace in ("", reference.namespace)
                if same and reference.group in (None, item.group):
                    keys.append(item.key)
        return keys
