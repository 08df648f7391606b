"""Deleting pods: the one way every controller and client goes."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.api import ApiObject
from meshsim.kube.documents import is_terminating
from meshsim.kube.server import ApiServer
from meshsim.trace import PodPhase, Taps
from meshsim.units import SECOND, Nanos


def record_phase(server: ApiServer, taps: Taps, pod: ApiObject, phase: str) -> None:
    """Report a step of a pod's life."""
    if taps.pod_phase:
        taps.pod_phase(PodPhase(server.env.instant, pod.namespace, pod.name, phase, pod.spec.text("nodeName")))


class PodDeletion:
    """Graceful deletion: an unscheduled pod goes at once, a bound one when its kubelet has stopped it."""

    def __init__(self, server: ApiServer, taps: Taps) -> None:
        self._server = server
        self._taps = taps
        self._forced: Callable[[ApiObject], None] | None = None

    def on_forced(self, listener: Callable[[ApiObject], None]) -> None:
        """Who must kill the containers of a pod whose object went without waiting (the kubelet)."""
        self._forced = listener

    def delete(self, pod: ApiObject, cause: str, grace: Nanos | None = None) -> None:
        """Ask for a pod's deletion; a grace of 0 takes the object away at once (``--force``)."""
        span = grace
        if span is None:
            span = pod.spec.integer("terminationGracePeriodSeconds", 30) * SECOND
        if not pod.spec.text("nodeName") or span == 0:
            self._server.remove(pod.key, cause)
            if self._forced is not None:
                self._forced(pod)
            record_phase(self._server, self._taps, pod, "gone")
        elif not is_terminating(pod):
            self._server.mark_deleted(pod, span, cause)
            record_phase(self._server, self._taps, pod, "terminating")
