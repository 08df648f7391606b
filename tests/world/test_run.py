"""One replication through its front door."""

from __future__ import annotations

from meshsim.scenario import load_text
from meshsim.world.model import RunOptions
from meshsim.world.run import run_replication

from .conftest import APP, HEAD, MemorySink, seconds


def test_progress_is_told_and_the_end_can_come_earlier() -> None:
    told: list[tuple[int, int]] = []
    loaded = load_text(HEAD.format(duration="10s", sender="front", timeline="") + APP, "small.yaml")
    options = RunOptions(mode="plain", until=seconds(2), steps=4, progress=lambda now, n: told.append((now, n)))
    outcome = run_replication(loaded, 3, MemorySink(), options)
    assert outcome.until == seconds(2)
    assert [now for now, _ in told] == [seconds(0.5), seconds(1), seconds(1.5), seconds(2)]
    assert told[-1][1] == outcome.requests > 150
