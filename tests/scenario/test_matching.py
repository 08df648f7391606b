"""The first workload entry that matches, as going through all of them finds it."""

from __future__ import annotations

from random import Random

from meshsim.scenario.load import Workload
from meshsim.scenario.matching import WorkloadIndex


def test_it_finds_what_going_through_all_entries_finds() -> None:
    random = Random(1)
    keys, values, spaces = ["app", "version", "tier"], ["a", "b"], ["shop", "stock"]

    def labels(least: int, most: int) -> dict[str, str]:
        return {key: random.choice(values) for key in random.sample(keys, random.randint(least, most))}

    for _ in range(200):
        entries = [
            Workload(match=labels(1, 2), namespace=random.choice([None, *spaces])) for _ in range(random.randint(0, 6))
        ]
        index = WorkloadIndex(entries)
        for _ in range(10):
            pod, namespace = labels(0, 3), random.choice(spaces)
            expected = [
                number
                for number, entry in enumerate(entries)
                if entry.namespace in (None, namespace) and entry.match.items() <= pod.items()
            ]
            assert index.find(pod, namespace) == (expected[0] if expected else None)
