"""The scenarios of docs/quickstart.md are scenarios, and what they expect holds."""

from __future__ import annotations

import re
from pathlib import Path

from meshsim.front import Scenario
from meshsim.scenario import load_text

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scenarios"
BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8"), re.DOTALL)


def both() -> str:
    """The first scenario with the timeline and the expectations of the second block."""
    first, second = BLOCKS
    return str(first.partition("expect:")[0] + second)


def test_the_first_scenario_is_valid() -> None:
    loaded = load_text(BLOCKS[0], str(FOLDER / "first.yaml"), FOLDER)
    assert loaded.name == "first"
    assert loaded.findings == ()


def test_what_the_page_expects_holds(tmp_path: Path) -> None:
    for text in (BLOCKS[0], both()):
        result = Scenario.from_text(text, FOLDER).run(seed=1, results=tmp_path)
        assert result.ok, str(result)


def test_the_python_of_the_page_is_python() -> None:
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        compile(block, "quickstart.md", "exec")
