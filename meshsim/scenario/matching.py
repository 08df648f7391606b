"""Which workload entry speaks for a pod: the first of those whose labels it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from meshsim.scenario.load import Workload


class WorkloadIndex:
    """Entries by a label that their pods need, so that of many entries few are looked at."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self._workloads = workloads
        self._by_label: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, workload in enumerate(workloads):
            self._by_label[next(iter(workload.match.items()))].append(number)

    def find(self, labels: Mapping[str, str], namespace: str) -> int | None:
        """The number of the first entry for pods with these labels; `None` when there is none."""
        candidates = [number for label in labels.items() for number in self._by_label.get(label, ())]
        return min((number for number in candidates if self._speaks(number, labels, namespace)), default=None)

    def _speaks(self, number: int, labels: Mapping[str, str], namespace: str) -> bool:
        workload = self._workloads[number]
        here = workload.namespace in (None, namespace)
        return here and all(labels.get(key) == value for key, value in workload.match.items())
