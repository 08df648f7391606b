"""Queues of controllers and the limit on their writes."""

from __future__ import annotations

from meshsim.kernel import Environment
from meshsim.kube.workqueue import TokenBucket, WorkQueue
from meshsim.units import MILLISECOND, SECOND


def test_a_key_waits_once_and_the_earliest_time_counts() -> None:
    env = Environment()
    synced: list[tuple[str, int]] = []
    queue: WorkQueue[str] = WorkQueue(env, lambda key: synced.append((key, env.instant)), 5)
    queue.add("a")
    queue.add("a", 100)
    queue.add("b", 50)
    queue.add("b", 20)
    env.run(1000)
    assert synced == [("a", 5), ("b", 20)]
    queue.add("a")
    env.run(2000)
    assert synced[2] == ("a", 1005)


def test_a_key_may_be_added_while_it_is_synced() -> None:
    env = Environment()
    synced: list[int] = []

    def sync(key: str) -> None:
        synced.append(env.instant)
        if len(synced) < 3:
            queue.add(key, 10)

    queue: WorkQueue[str] = WorkQueue(env, sync, 1)
    queue.add("a")
    env.run(100)
    assert synced == [1, 11, 21]


def test_a_burst_then_the_rate() -> None:
    env = Environment()
    bucket = TokenBucket(env, 20.0, 3)
    gap = 50 * MILLISECOND
    assert [bucket.reserve() for _ in range(6)] == [0, 0, 0, gap, 2 * gap, 3 * gap]
    env.run(10 * SECOND)
    assert [bucket.reserve() for _ in range(4)] == [0, 0, 0, gap]
