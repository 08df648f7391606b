"""The blocks of docs/load.md are parts of scenarios."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from meshsim.scenario import Traffic, Workload

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "load.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_is_what_it_says(number: int) -> None:
    block = yaml.safe_load(BLOCKS[number])
    made = [Traffic.model_validate(item) for item in block.pop("traffic", ())]
    made += [Workload.model_validate(item) for item in block.pop("workloads", ())]
    assert made
    assert block == {}


def test_every_way_to_send_is_shown() -> None:
    for name in ("rate", "ramp", "series", "bursts", "replay", "connections", "userRamp", "sessions"):
        assert re.search(rf"\b{name}\b", PAGE), name
