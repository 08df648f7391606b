"""Runners in the model's place do what they are named for."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import LimitError
from meshsim.recording import RunWriter
from meshsim.scenario import load_text
from meshsim.testing.recordings import SCENARIO
from meshsim.testing.runners import bookshop_runner, failing_runner
from meshsim.units import SECOND
from meshsim.world.model import RunOptions

LOADED = load_text(SCENARIO + "  - {name: it, nacks: {max: 0}}\n", "bookshop.yaml")


def test_a_bookshop_takes_the_rate_of_its_scenario(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, 1)
    outcome = bookshop_runner(LOADED, 1, writer, RunOptions(until=10 * SECOND))
    writer.close()
    assert (outcome.until, outcome.requests) == (10 * SECOND, 3 * 10 * 100)


def test_the_digest_depends_on_the_seed(tmp_path: Path) -> None:
    digests = set()
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        writer = RunWriter(tmp_path / str(seed), seed)
        digests.add(bookshop_runner(LOADED, seed, writer, RunOptions(until=SECOND)).digest)
        writer.close()
    assert len(digests) == 2


def test_one_seed_fails(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, 2)
    with pytest.raises(LimitError):
        failing_runner(LOADED, 2, writer, RunOptions())
    writer.close()
