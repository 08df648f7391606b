"""docs/scenario.md and the schema beside it are what the model says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from meshsim.scenario import load_text
from meshsim.scenario.schema import nodes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scenario_reference", ROOT / "tools" / "scenario_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_model_says(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.render(), "run: python tools/scenario_reference.py"


def test_the_schema_is_what_the_model_says(tool: ModuleType) -> None:
    text = tool.SCHEMA.read_text(encoding="utf-8")
    assert text == tool.schema_text() + "\n", "run: python tools/scenario_reference.py"


def test_every_key_of_every_mapping_has_a_row(tool: ModuleType) -> None:
    page = tool.render()
    for node in nodes():
        for name, info in node.model_fields.items():
            assert f"| `{info.alias or name}` |" in page


def test_links_lead_to_sections(tool: ModuleType) -> None:
    page = tool.render()
    headings = {line[3:].partition(":")[0].lower() for line in page.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\(#([a-z]+)\)", page)) <= headings


def test_the_example_is_a_scenario(tool: ModuleType) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", tool.render(), re.DOTALL)
    (example,) = [block for block in blocks if "kind: Scenario" in block]
    assert load_text(example, "scenarios/canary.yaml", ROOT / "scenarios").name == "canary"
