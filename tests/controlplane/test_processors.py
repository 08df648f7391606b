"""istiod's processors: as many jobs at once as there are, in order of arrival."""

from __future__ import annotations

from meshsim.controlplane.processors import Processors


def test_jobs_wait_for_a_free_processor() -> None:
    processors = Processors(2)
    assert [processors.run(0, 10) for _ in range(5)] == [10, 10, 20, 20, 30]


def test_an_idle_processor_starts_at_once() -> None:
    processors = Processors(1)
    processors.run(0, 10)
    assert processors.run(100, 5) == 105
