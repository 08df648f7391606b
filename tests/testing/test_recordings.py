"""The made-up bookshop is what its parameters say."""

from __future__ import annotations

from pathlib import Path

from meshsim.recording import open_run
from meshsim.scenario import load_text
from meshsim.testing.recordings import SCENARIO, Bookshop, write_bookshop
from meshsim.units import SECOND


def test_the_same_seed_gives_the_same_requests(tmp_path: Path) -> None:
    shop = Bookshop(duration=5 * SECOND, slow_from=1 * SECOND, slow_to=2 * SECOND, shift_at=0)
    tables = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tables.append(open_run(write_bookshop(tmp_path / name, 5, shop)).requests())
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 3 * 5 * 100


def test_its_scenario_is_valid() -> None:
    loaded = load_text(SCENARIO + "  - {name: it, nacks: {max: 0}}\n", "bookshop.yaml")
    assert [action.id for action in loaded.actions] == ["shift", "slow"]
