"""The timeline of a scenario, performed: each action at its instant, undone after its `for`."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from meshsim.api import ApiObject, ObjectKey
from meshsim.errors import InputError
from meshsim.faults import DelayLink, Fault, KillPods, KillWorkload, LoseNodes, Mesh, PartitionLink, Revert
from meshsim.kernel import Environment
from meshsim.kube import Undo, WorkloadRef
from meshsim.network import Selection
from meshsim.scenario import Link, ObjectReference, Place, Restarted, Scaled, TimedAction
from meshsim.trace import Taps, TimelineMark


class Stage(Mesh, Protocol):
    """A world as the timeline needs it."""

    @property
    def env(self) -> Environment: ...
    @property
    def taps(self) -> Taps: ...
    def on_links_changed(self) -> None:
        """Conditions on the network changed: latencies and reachability hold anew from now on."""
        ...


class Timeline:
    """Schedules the actions of a scenario on a stage."""

    def __init__(self, stage: Stage, actions: tuple[TimedAction, ...]) -> None:
        self._stage = stage
        for action in actions:
            stage.env.call_at(action.at, partial(self._begin, action))

    def _begin(self, action: TimedAction) -> None:
        self._mark(action, True)
        undo = perform(self._stage, action)
        if action.until is None or undo is None:
            return

        def revert(take_back: Revert = undo) -> None:
            self._mark(action, False)
            take_back()

        self._stage.env.call_at(action.until, revert)

    def _mark(self, action: TimedAction, begins: bool) -> None:
        self._stage.taps.timeline(
            TimelineMark(self._stage.env.instant, action.id, action.entry.verb, begins, action.detail)
        )


def perform(stage: Stage, action: TimedAction) -> Revert | None:
    """Do what an entry says; returns how to undo it, `None` where that has no meaning."""
    entry = action.entry
    try:
        if entry.apply is not None:
            return _together([stage.kube.apply(item, action.id) for item in action.objects])
        if entry.delete is not None:
            return _delete(stage, action)
        if entry.scale is not None:
            return stage.kube.scale(_scaled(entry.scale), entry.scale.replicas, action.id)
        if entry.restart is not None:
            stage.kube.restart(_restarted(entry.restart), action.id)
            return None
    except InputError as error:
        raise InputError(error.message, action.position, error.hint, f"timeline '{action.id}'") from error
    fault = fault_of(action)
    revert = fault.apply(stage, action.id)
    return _watched(stage, fault, revert)


def _watched(stage: Stage, fault: Fault, revert: Revert) -> Revert:
    if not isinstance(fault, PartitionLink | DelayLink):
        return revert
    stage.on_links_changed()

    def undo() -> None:
        revert()
        stage.on_links_changed()

    return undo


def fault_of(action: TimedAction) -> Fault:
    """The fault that a `kill`, `partition` or `delay` entry means."""
    entry = action.entry
    if entry.kill is not None:
        return _kill(entry.kill, action.until is not None)
    if entry.partition is not None:
        return PartitionLink(*_sides(entry.partition))
    assert entry.delay is not None
    one, other = _sides(Link(between=entry.delay.between))
    return DelayLink(one, other, entry.delay.latency, entry.delay.jitter)


def _kill(place: Place, held_down: bool) -> Fault:
    if place.node is not None:
        return LoseNodes((place.node,))
    if place.zone is not None:
        zone = place.zone
        return _LoseZone(zone)
    namespace = place.namespace or "default"
    if place.deployment is not None:
        return KillWorkload(WorkloadRef("Deployment", namespace, place.deployment), held_down)
    if place.statefulset is not None:
        return KillWorkload(WorkloadRef("StatefulSet", namespace, place.statefulset), held_down)
    return KillPods(lambda mesh: _pods(mesh, place), held_down)


class _LoseZone:
    """All nodes of a zone die."""

    def __init__(self, zone: str) -> None:
        self._zone = zone

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        names = [n for n in mesh.network.topology.nodes() if _zone(mesh, n) == self._zone]
        return LoseNodes(tuple(names)).apply(mesh, cause)


def _zone(mesh: Mesh, node: str) -> str:
    vertex = mesh.network.topology.node(node)
    return vertex.zone if vertex is not None else ""


def _pods(mesh: Mesh, place: Place) -> list[ApiObject]:
    if place.pod is not None:
        return mesh.kube.pods(place.namespace or "default", name=place.pod)
    if place.pods is not None:
        found = mesh.kube.pods(place.namespace or "", place.pods.match)
        return found[: place.pods.count] if place.pods.count is not None else found
    return mesh.kube.pods(place.namespace or "")


def _sides(link: Link) -> tuple[tuple[Selection, ...], tuple[Selection, ...]]:
    return _selections(link.between[0]), _selections(link.between[1])


def _selections(place: Place) -> tuple[Selection, ...]:
    if place.node is not None:
        return (Selection(node=place.node),)
    if place.zone is not None:
        return (Selection(zone=place.zone),)
    namespace = place.namespace or ""
    if place.pod is not None:
        return (Selection(namespace=namespace or "default", name=place.pod),)
    if place.pods is not None:
        return (Selection(namespace=namespace, labels=tuple(sorted(place.pods.match.items()))),)
    name = place.deployment or place.statefulset
    if name is not None:
        return (Selection(namespace=namespace or "default", workload=name),)
    return (Selection(namespace=namespace),)


def _scaled(action: Scaled) -> WorkloadRef:
    return _ref(action.deployment, action.statefulset, action.namespace)


def _restarted(action: Restarted) -> WorkloadRef:
    return _ref(action.deployment, action.statefulset, action.namespace)


def _ref(deployment: str | None, statefulset: str | None, namespace: str) -> WorkloadRef:
    if deployment is not None:
        return WorkloadRef("Deployment", namespace, deployment)
    return WorkloadRef("StatefulSet", namespace, statefulset or "")


def _delete(stage: Stage, action: TimedAction) -> Revert:
    undo: list[Undo] = [stage.kube.delete(item.key, action.id) for item in action.objects]
    undo += [stage.kube.delete(_key(stage, ref), action.id) for ref in action.references]
    return _together(undo)


def _key(stage: Stage, ref: ObjectReference) -> ObjectKey:
    for item in stage.kube.server.objects.select(ref.kind):
        same = item.name == ref.name and item.namespace in ("", ref.namespace)
        if same and ref.group in (None, item.group):
            return item.key
    raise InputError(f"there is no {ref.kind} {ref.namespace}/{ref.name}", None, "check kind, namespace and name")


def _together(undo: list[Undo]) -> Revert:
    def revert() -> None:
        for one in reversed(undo):
            one()

    return revert
