"""Processes and machines that go away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meshsim.api import ApiObject
from meshsim.faults.base import Mesh, Revert
from meshsim.kube import WorkloadRef


@dataclass(frozen=True, slots=True)
class KillPods:
    """Pods are deleted without grace; their controllers replace them.

    With `held_down` nothing replaces them until the fault is reverted: their workload is scaled down by their number.
    """

    select: Callable[[Mesh], list[ApiObject]]
    held_down: bool = False

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        pods = self.select(mesh)
        undo: list[Revert] = []
        if self.held_down:
            for ref, count in _workloads(mesh, pods).items():
                item = mesh.kube.server.objects.get(ref.key)
                if item is not None:
                    wanted = item.spec.integer("replicas", 1)
                    undo.append(mesh.kube.scale(ref, max(0, wanted - count), cause))
        mesh.kube.kill(pods, cause)
        return _all(undo)


@dataclass(frozen=True, slots=True)
class KillWorkload:
    """All pods of a Deployment or StatefulSet die at once; with `held_down` none comes back until reverted."""

    ref: WorkloadRef
    held_down: bool = False

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        if self.held_down:
            return mesh.kube.kill_workload(self.ref, cause)
        mesh.kube.kill(mesh.kube.pods_of(self.ref), cause)
        return _nothing


@dataclass(frozen=True, slots=True)
class LoseNodes:
    """Machines die with everything on them; reverted, they boot again."""

    nodes: tuple[str, ...]

    def apply(self, mesh: Mesh, cause: str) -> Revert:
        return _all([mesh.kube.lose_node(name) for name in self.nodes])


def _workloads(mesh: Mesh, pods: list[ApiObject]) -> dict[WorkloadRef, int]:
    """How many of the pods each Deployment, ReplicaSet or StatefulSet has."""
    found: dict[WorkloadRef, int] = {}
    for pod in pods:
        ref = _owner(mesh, pod)
        if ref is not None:
            found[ref] = found.get(ref, 0) + 1
    return found


def _owner(mesh: Mesh, item: ApiObject) -> WorkloadRef | None:
    ref: WorkloadRef | None = None
    while True:
        owner = next((o for o in item.metadata.items("ownerReferences") if o.flag("controller")), None)
        if owner is None:
            return ref
        ref = WorkloadRef(owner.text("kind"), item.namespace, owner.text("name"))
        above = mesh.kube.server.objects.get(ref.key)
        if above is None:
            return ref
        item = above


def _all(reverts: list[Revert]) -> Revert:
    def revert() -> None:
        for one in reversed(reverts):
            one()

    return revert


def _nothing() -> None:
    """A fault that repairs itself."""
