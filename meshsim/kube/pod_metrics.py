"""What autoscalers read of pods: usage between two looks, as metrics-server and a metrics adapter tell it.

metrics-server looks at every kubelet each 15 s (--metric-resolution) and tells the use between its last two looks.

DEVIATION: request rates of the custom metrics API are those between the same two looks; an adapter is free to average
over any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from meshsim.api import ApiObject
from meshsim.kernel import Environment, below
from meshsim.kube.documents import uid_of
from meshsim.kube.pods import PROXY_CONTAINER
from meshsim.kube.replica_calculator import Sample
from meshsim.units import SECOND, Nanos

RESOLUTION: Final = 15 * SECOND

RATES: Final = frozenset(
    {"http_requests", "http_requests_per_second", "requests_per_second", "istio_requests_per_second"}
)
"""Names of custom metrics that are requests a second."""
IN_SERVICE: Final = frozenset(
    {"active_requests", "concurrency", "concurrent_requests", "http_requests_in_flight", "requests_in_flight"}
)
"""Names of custom metrics that are the requests in service."""
WAITING: Final = frozenset({"pending_requests", "queue_length", "requests_waiting"})
"""Names of custom metrics that are the requests waiting for a worker."""
CUSTOM: Final = RATES | IN_SERVICE | WAITING


class Reading(NamedTuple):
    """What a pod has done since it began, and has to do now."""

    cpu: Nanos | None
    """CPU time of its application, `None` where that is not told from other time; 0 where it has none."""
    requests: int
    in_service: int
    waiting: int
    proxy_cpu: Nanos | None = None
    """CPU time of its proxy, `None` where it has none."""

    def cpu_of(self, container: str) -> Nanos | None:
        """CPU time of a container, of all of them for an empty name; `None` where one of these cannot be told."""
        if container == PROXY_CONTAINER:
            return self.proxy_cpu
        if container or self.cpu is None:
            return self.cpu
        return self.cpu + (self.proxy_cpu or 0)


class PodReadings(Protocol):
    """Where pods can be read."""

    def read(self, pod: ApiObject) -> Reading | None:
        """A pod's reading, `None` when it cannot be reached."""
        ...


class _Look(NamedTuple):
    time: Nanos
    reading: Reading


class PodMetrics:
    """The metrics of pods as of the last two looks at each."""

    def __init__(self, env: Environment, epoch: Nanos, readings: PodReadings, seed: int) -> None:
        self._env = env
        self._epoch = epoch
        self._readings = readings
        self.phase = below(RESOLUTION, seed, "metrics-server")
        """When the first look is."""
        self._last: dict[str, _Look] = {}
        self._before: dict[str, _Look] = {}

    def look(self, pods: Sequence[ApiObject]) -> None:
        """Look at these pods; the others are forgotten."""
        now = self._env.instant
        last: dict[str, _Look] = {}
        for pod in pods:
            reading = self._readings.read(pod)
            if reading is not None:
                last[uid_of(pod)] = _Look(now, reading)
        self._before = {uid: self._last[uid] for uid in last if uid in self._last}
        self._last = last

    def cpu(self, pods: Sequence[ApiObject], container: str = "") -> dict[str, Sample]:
        """CPU use by pod in thousandths of a processor: of one container, or of all together.

        A pod lacks the metric where one of its containers does (k8s.io/kubernetes
        pkg/controller/podautoscaler/metrics/client.go, 1.33, GetResourceMetric).
        """
        found: dict[str, Sample] = {}
        for pod, before, last in self._pairs(pods):
            first, second = before.reading.cpu_of(container), last.reading.cpu_of(container)
            if first is not None and second is not None:
                found[pod.name] = self._sample((second - first) * 1000, before, last)
        return found

    def custom(self, name: str, pods: Sequence[ApiObject]) -> dict[str, Sample]:
        """A custom metric by pod in thousandths; empty for one that is not known."""
        found: dict[str, Sample] = {}
        for pod, before, last in self._pairs(pods):
            if name in RATES:
                requests = last.reading.requests - before.reading.requests
                found[pod.name] = self._sample(requests * 1000 * SECOND, before, last)
            elif name in CUSTOM:
                value = last.reading.in_service if name in IN_SERVICE else last.reading.waiting
                found[pod.name] = Sample(value * 1000, self._epoch + last.time, last.time - before.time)
        return found

    def _pairs(self, pods: Sequence[ApiObject]) -> list[tuple[ApiObject, _Look, _Look]]:
        uids = ((pod, uid_of(pod)) for pod in pods)
        return [(pod, self._before[uid], self._last[uid]) for pod, uid in uids if uid in self._before]

    def _sample(self, amount: int, before: _Look, last: _Look) -> Sample:
        window = last.time - before.time
        return Sample(amount // window, self._epoch + last.time, window)
