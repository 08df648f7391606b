"""A made-up run and a way to judge expectations on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.checks import Verdict, judge
from meshsim.checks.context import Context
from meshsim.checks.rows import Rows
from meshsim.recording import Run, open_run
from meshsim.scenario import load_text
from meshsim.testing.recordings import SCENARIO, Bookshop, write_bookshop

Judge = Callable[..., Verdict]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A minute of a bookshop: 10 % canary from 20 s on, slow and failing from 40 s to 45 s."""
    return open_run(write_bookshop(tmp_path_factory.mktemp("bookshop")))


@pytest.fixture(scope="session")
def context(run: Run) -> Context:
    """The run with the anchors of its scenario."""
    loaded = load_text(SCENARIO + "  - {name: it, nacks: {max: 0}}\n", "bookshop.yaml")
    return Context(run, Rows(run), loaded)


@pytest.fixture
def judged(run: Run, tmp_path: Path) -> Judge:
    """The verdict on one expectation written as in a scenario."""

    def judge_one(expectation: str, shop: Bookshop | None = None, scenario: str = SCENARIO) -> Verdict:
        loaded = load_text(f"{scenario}  - {{name: it, {expectation}}}\n", "bookshop.yaml")
        seen = run if shop is None else open_run(write_bookshop(tmp_path, shop=shop))
        return judge(seen, loaded)[0]

    return judge_one
