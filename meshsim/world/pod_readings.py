"""What pods do, as the engine has it: the source of the metrics that autoscalers read."""

from __future__ import annotations

from meshsim.api import ApiObject
from meshsim.dataplane.engine import Engine
from meshsim.kube.pod_metrics import Reading
from meshsim.world.directory import Directory


class EngineReadings:
    """Readings of the pods that run."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self._engine = engine
        self._directory = directory

    def read(self, pod: ApiObject) -> Reading | None:
        """A pod's reading, `None` while its application does not run."""
        entry = self._directory.get(f"{pod.name}.{pod.namespace}")
        if entry is None or not entry.alive or not entry.reachable or entry.uid != pod.metadata.text("uid"):
            return None
        load = self._engine.pod_load(entry.number)
        cpu = self._engine.pod_cpu(entry.number)
        used = 0 if entry.is_gateway else cpu.used if cpu is not None else None
        proxy = self._engine.proxy_usage(entry.proxy_number).busy if entry.has_proxy else None
        return Reading(used, load.begun, load.busy, load.queued, proxy)
