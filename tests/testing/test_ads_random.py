"""Random scripts: reproducible, of every kind, and none that the model cannot follow."""

from __future__ import annotations

import pytest

from meshsim.testing.ads_random import RandomScript
from meshsim.testing.ads_scripts import play_simulated


def test_equal_seeds_give_equal_scripts() -> None:
    one, other = RandomScript(3, 80), RandomScript(3, 80)
    assert (one.start(), one.steps(30)) == (other.start(), other.steps(30))
    assert RandomScript(4, 80).steps(30) != RandomScript(3, 80).steps(30)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
def test_the_model_follows_long_scripts(delta: bool) -> None:
    """Everything sent is answered in the end, unless a cluster warms: the CDS answer alone may wait."""
    for seed in range(20):
        script = RandomScript(seed, 80)
        played = play_simulated(script.start(), script.steps(100), delta=delta)
        sent = {line.answers: line.type for step in played for line in step.lines if line.kind == "send"}
        answered = {line.answers for step in played for line in step.lines if line.kind in ("ack", "nack", "expired")}
        answered |= {
            line.answers for step in played for line in step.lines if line.kind in ("subscribe", "unsubscribe")
        }
        assert {sent[number] for number in sent if number not in answered} <= {"cds", "eds"}
        kinds = {line.kind for step in played for line in step.lines}
        assert {"first", "send", "ack", "nack", "subscribe"} <= kinds
