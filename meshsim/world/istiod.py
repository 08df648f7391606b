"""istiod's own pods: Pilot serves while one of them is up."""

from __future__ import annotations

from typing import Final, Protocol

from meshsim.api import ApiObject
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.pilot import Pilot
from meshsim.kube import Kube
from meshsim.trace import PodPhase, Taps

_LABELS: Final = {"app": "istiod"}
_ENDS: Final = frozenset({"stopped", "crashed", "lost", "gone", "stopping"})


class ControlPlaneHost(Protocol):
    """A world as the watch needs it."""

    @property
    def kube(self) -> Kube: ...
    @property
    def pilot(self) -> Pilot: ...
    @property
    def mesh(self) -> MeshConfig: ...
    @property
    def taps(self) -> Taps: ...


class IstiodWatch:
    """Stops Pilot with the last of istiod's pods and starts it with the first that is ready.

    A mesh without istiod pods in its manifests has a Pilot that always serves.

    DEVIATION: however many istiod pods there are, one Pilot serves; proxies spread over replicas would each see their
    own replica fail alone.
    """

    def __init__(self, host: ControlPlaneHost) -> None:
        self._host = host
        self._up: dict[str, None] = {pod.name: None for pod in self._pods()}
        if self._up:
            host.taps.pod_phase.listen(self._on_phase)

    def _pods(self) -> list[ApiObject]:
        return self._host.kube.pods(self._host.mesh.root_namespace, _LABELS)

    def _on_phase(self, record: PodPhase) -> None:
        if record.namespace != self._host.mesh.root_namespace:
            return
        if record.phase in _ENDS and record.pod in self._up:
            del self._up[record.pod]
            if not self._up:
                self._host.pilot.stop()
        elif record.phase == "ready" and any(pod.name == record.pod for pod in self._pods()):
            if not self._up:
                self._host.pilot.start(self._host.kube.server.objects)
            self._up[record.pod] = None
