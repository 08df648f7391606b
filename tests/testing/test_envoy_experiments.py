"""An experiment on a real Envoy comes out in the form of a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.testing.envoy_experiments import measured_again, recorded_experiment
from meshsim.testing.experiments import make_experiment
from meshsim.world.verify.dynamics import compare_experiment
from meshsim.world.verify.dynamics_recording import recorded_run

PORT = 28473
SHORTEST = {"base_interval": "0.001s", "max_interval": "0.001s"}
"""A back-off that leaves nothing to chance: one whole millisecond, as Envoy draws it."""


@pytest.mark.needs_envoy
@measured_again
def test_a_run(short_folder: Path) -> None:
    made = make_experiment(
        [{"sequential": 3, "upstream": [{"status": 503}, {"status": 200}]}],
        route={"retry_policy": {"retry_on": "5xx", "num_retries": 1, "retry_back_off": SHORTEST}},
        hosts=2,
    )
    found = recorded_experiment(made, short_folder, PORT, 1, deterministic=True)
    run = recorded_run(found.items("runs")[0])
    assert run.outcomes == {"200 -": 3}
    assert run.tries == {2: 3}
    assert [len(hosts) for hosts in run.reached.values()] == [2, 2, 2]
    assert run.stats["c"]["upstream_rq_retry"] == 3
    assert list(compare_experiment(found)) == []


@pytest.mark.parametrize(("passing", "raised"), [(0, False), (2, False), (3, True)])
def test_what_differs_has_to_differ_in_three_recordings(passing: int, raised: bool) -> None:
    made = []

    @measured_again
    def measure() -> None:
        made.append(len(made))
        assert made[-1] == passing

    if raised:
        with pytest.raises(AssertionError):
            measure()
    else:
        measure()
    assert len(made) == min(passing + 1, 3)
