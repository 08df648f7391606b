"""Runners that take the model's place: fast, made up, importable by other processes."""

from __future__ import annotations

import os

from meshsim.errors import LimitError
from meshsim.recording import RunWriter
from meshsim.scenario import LoadedScenario
from meshsim.testing.recordings import Bookshop, record_bookshop
from meshsim.units import SECOND
from meshsim.world.model import RunOptions, RunOutcome


def bookshop_runner(loaded: LoadedScenario, seed: int, sink: RunWriter, options: RunOptions) -> RunOutcome:
    """Records a bookshop with the rate of the scenario's first traffic instead of running anything."""
    end = options.until or loaded.scenario.duration
    rate = round(loaded.scenario.traffic[0].rate or 1) if loaded.scenario.traffic else 1
    if options.notice is not None:
        options.notice("nothing is compiled")
    record_bookshop(sink, seed, Bookshop(duration=end // SECOND * SECOND, rate_per_s=rate))
    if options.progress is not None:
        options.progress(end, sink.rows)
    return RunOutcome(f"{seed:08x}{rate:08x}", sink.rows, sink.rows, "plain", end)


def failing_runner(loaded: LoadedScenario, seed: int, sink: RunWriter, options: RunOptions) -> RunOutcome:
    """Fails with a limit for seed 2, and is a bookshop for the others."""
    if seed == 2:
        raise LimitError("too many requests in flight")
    return bookshop_runner(loaded, seed, sink, options)


def dying_runner(loaded: LoadedScenario, seed: int, sink: RunWriter, options: RunOptions) -> RunOutcome:
    """Ends its process without a word for seed 2, and is a bookshop for the others."""
    if seed == 2:
        os._exit(1)
    return bookshop_runner(loaded, seed, sink, options)
