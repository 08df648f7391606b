"""How many pods a metric asks for; the cases are those of Kubernetes' own tests (replica_calculator_test.go, 1.33)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from meshsim.api import ApiObject, make_object
from meshsim.kube.documents import rfc3339
from meshsim.kube.replica_calculator import Calculator, Proposal, Sample, Tolerances
from meshsim.units import SECOND, Nanos

NOW = 1_000_000 * SECOND
TOLERANCES = Tolerances(0.1, 0.1)


def pod(
    number: int, ready: bool = True, phase: str = "Running", started: Nanos = NOW - 3600 * SECOND, **more: object
) -> ApiObject:
    since = started + 10 * SECOND
    return make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p-{number}", "namespace": "shop", **more},
            "status": {
                "phase": phase,
                "startTime": rfc3339(started),
                "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": rfc3339(since)}],
            },
        }
    )


def samples(levels: Sequence[int]) -> dict[str, Sample]:
    return {f"p-{number}": Sample(level, NOW, 60 * SECOND) for number, level in enumerate(levels)}


def by_cpu(
    pods: Sequence[ApiObject], current: int, levels: Sequence[int], requests: Sequence[int], target: int
) -> Proposal | None:
    asked = {item.name: request for item, request in zip(pods, requests, strict=True)}
    return Calculator(pods, current, NOW, TOLERANCES).by_utilization(samples(levels), asked, target, cpu=True)


def young(number: int, ready: bool) -> ApiObject:
    """A pod that has just been started."""
    return pod(number, ready, started=NOW - 40 * SECOND)


@pytest.mark.parametrize(
    ("current", "ready", "levels", "target", "replicas", "utilization"),
    [
        (3, "TTT", [300, 500, 700], 30, 5, 50),
        (3, "FTT", [300, 500, 700], 30, 4, 60),
        (3, "TFF", [400, 500, 700], 30, 3, 40),
        (5, "TTTTT", [100, 300, 500, 250, 250], 50, 3, 28),
        (5, "TTTFF", [100, 300, 500, 250, 250], 50, 2, 30),
    ],
)
def test_by_utilization(
    current: int, ready: str, levels: list[int], target: int, replicas: int, utilization: int
) -> None:
    pods = [young(number, False) if letter == "F" else pod(number) for number, letter in enumerate(ready)]
    assert by_cpu(pods, current, levels, [1000] * len(pods), target) == Proposal(replicas, utilization)


def test_within_the_tolerance_nothing_happens() -> None:
    pods = [pod(number) for number in range(3)]
    assert by_cpu(pods, 3, [1010, 1030, 1020], [900, 1000, 1100], 100) == Proposal(3, 102)
    assert by_cpu(pods, 3, [1100] * 3, [1000] * 3, 100) == Proposal(3, 110)
    assert by_cpu(pods, 3, [1110] * 3, [1000] * 3, 100) == Proposal(4, 111)


def test_pods_without_a_sample_are_thought_of_carefully() -> None:
    pods = [pod(number) for number in range(4)]
    assert by_cpu(pods, 4, [400, 95], [1000] * 4, 100) == Proposal(3, 24), "on the way down they use what they ask for"
    assert by_cpu(pods, 4, [2000, 2000], [1000] * 4, 50) == Proposal(8, 200), "on the way up they use nothing"
    assert by_cpu(pods, 4, [], [1000] * 4, 100) is None


def test_pods_that_end_or_failed_do_not_count() -> None:
    pods = [pod(0), pod(1), pod(2, deletionTimestamp=rfc3339(NOW)), pod(3, phase="Failed")]
    assert by_cpu(pods, 2, [600, 600, 0, 0], [1000] * 4, 30) == Proposal(4, 60)


def test_pending_pods_use_nothing_on_the_way_up() -> None:
    pods = [pod(0), pod(1), pod(2, False, "Pending")]
    assert by_cpu(pods, 3, [900, 900], [1000] * 3, 30) == Proposal(6, 90)


def test_the_cpu_of_a_pod_counts_after_a_whole_window_of_readiness() -> None:
    ready_since = NOW - 30 * SECOND
    fresh = young(1, True)
    asked = {"p-0": 1000, "p-1": 1000}

    def propose(window: Nanos) -> Proposal | None:
        found = {"p-0": Sample(600, NOW, window), "p-1": Sample(900, NOW, window)}
        return Calculator([pod(0), fresh], 2, NOW, TOLERANCES).by_utilization(found, asked, 50, cpu=True)

    assert NOW - ready_since == 30 * SECOND
    assert propose(30 * SECOND) == Proposal(3, 75)
    assert propose(31 * SECOND) == Proposal(2, 60), "with nothing for the fresh one the ratio is 30 %"


def test_a_pod_that_was_ready_counts_when_it_is_not() -> None:
    lost = make_object(
        {
            **pod(1, False).body,
            "status": {
                **pod(1, False).status.body,
                "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(NOW - 100 * SECOND)}],
            },
        }
    )
    assert by_cpu([pod(0), lost], 2, [500, 500], [1000] * 2, 50) == Proposal(2, 50)
    assert by_cpu([pod(0), pod(1, False)], 2, [900, 900], [1000] * 2, 50) == Proposal(2, 90), "this one never was"


@pytest.mark.parametrize(
    ("levels", "target", "expected"),
    [
        ([20_000, 10_000, 30_000], 15_000, Proposal(4, 20_000)),
        ([12_000, 12_000, 12_000], 20_000, Proposal(2, 12_000)),
        ([20_666, 20_000, 20_333], 20_000, Proposal(3, 20_333)),
    ],
)
def test_by_average(levels: list[int], target: int, expected: Proposal) -> None:
    pods = [pod(number) for number in range(3)]
    assert Calculator(pods, 3, NOW, TOLERANCES).by_average(samples(levels), target) == expected


def test_tolerances_may_differ_by_direction() -> None:
    pods = [pod(number) for number in range(4)]
    wide = Calculator(pods, 4, NOW, Tolerances(0.5, 0.0))
    assert wide.by_average(samples([1400] * 4), 1000) == Proposal(4, 1400)
    assert wide.by_average(samples([740] * 4), 1000) == Proposal(3, 740)
