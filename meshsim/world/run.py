"""One replication from start to end."""

from __future__ import annotations

from meshsim.recording import RunSink
from meshsim.scenario import LoadedScenario
from meshsim.world.model import RunOptions, RunOutcome, World


def run_replication(loaded: LoadedScenario, seed: int, sink: RunSink, options: RunOptions | None = None) -> RunOutcome:
    """Build the world of a scenario, run it with one seed and hand what happens to the sink."""
    return World(loaded, seed, sink, options or RunOptions()).run()
