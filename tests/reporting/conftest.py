"""A made-up run, its verdicts and its summary."""

from __future__ import annotations

import pytest

from meshsim.checks import Verdict, judge
from meshsim.checks.frame import Frame
from meshsim.checks.rows import Rows
from meshsim.recording import Run, open_run
from meshsim.reporting.outcome import ScenarioOutcome
from meshsim.scenario import load_text
from meshsim.testing.recordings import SCENARIO, write_bookshop

EXPECT = """\
  - {name: "split, 90:10", share: {of: {app: reviews, version: v2}, among: reviews, during: [shift, end], near: 10%}}
  - {name: shoppers are served, success_rate: {of: shoppers, min: 99.9%}}
  - {name: few, latency: {to: reviews, p999: {max: 1s}, during: [start, 2s]}}
"""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A minute of a bookshop: 10 % canary from 20 s on, slow and failing from 40 s to 45 s."""
    return open_run(write_bookshop(tmp_path_factory.mktemp("bookshop")))


@pytest.fixture(scope="session")
def frame(run: Run) -> Frame:
    """Its requests."""
    return Rows(run)


@pytest.fixture(scope="session")
def verdicts(run: Run) -> tuple[Verdict, ...]:
    """One met, one not met, one met with a warning."""
    return judge(run, load_text(SCENARIO + EXPECT, "shop.yaml"))


@pytest.fixture(scope="session")
def outcome(run: Run, verdicts: tuple[Verdict, ...]) -> ScenarioOutcome:
    """The outcome of the scenario."""
    return ScenarioOutcome(file="shop.yaml", verdicts=verdicts, run=run, wall_seconds=1.5)
