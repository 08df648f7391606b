"""A scenario whose runs are made up."""

from __future__ import annotations

import pytest

from meshsim.scenario import LoadedScenario, load_text
from meshsim.testing.recordings import SCENARIO


@pytest.fixture(scope="session")
def loaded() -> LoadedScenario:
    """The bookshop with one expectation."""
    expect = "  - {name: served, success_rate: {of: shoppers, min: 99%}}\n"
    return load_text(SCENARIO + expect + "seeds: 3\n", "bookshop.yaml")
