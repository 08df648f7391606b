"""docs/deviations.md is made of the lists that the tests hold true."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deviations_tool", ROOT / "tools" / "deviations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.main(["--check"]) == 0, "run: python tools/deviations.py"


def test_a_row_for_every_entry(tool: ModuleType) -> None:
    envoy = [{"name": "a|b", "reason": "because\nof this", "envoy": 200, "model": 404}]
    page = tool.render(envoy, [{"what": "xds", "world": "w*", "reason": "known"}, {"what": "push", "reason": "too"}])
    assert "| a\\|b | 200 | 404 | because of this |" in page
    assert "| xds | world `w*` | known |" in page
    assert "| push | everywhere | too |" in page
