"""Scenarios among other YAML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.cli.discover import find_scenarios, is_scenario
from meshsim.errors import InputError

SCENARIO = "# a comment\napiVersion: meshsim/v1alpha1\nkind: Scenario\nname: x\n"


def test_a_scenario_says_so(tmp_path: Path) -> None:
    for name, text, found in (
        ("a.yaml", SCENARIO, True),
        ("b.yaml", SCENARIO.replace("Scenario", '"Scenario"  # yes'), True),
        ("c.yaml", "apiVersion: v1\nkind: Service\n", False),
        ("d.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n    kind: Scenario\n", False),
        ("e.yaml", SCENARIO.replace("Scenario", "Scenarios"), False),
    ):
        (tmp_path / name).write_text(text)
        assert is_scenario(tmp_path / name) is found
    assert not is_scenario(tmp_path / "nothing")


def test_folders_are_searched_and_files_taken_as_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.yaml").write_text(SCENARIO)
    (tmp_path / "a.yml").write_text(SCENARIO)
    (tmp_path / "m.yaml").write_text("apiVersion: v1\nkind: Service\n")
    assert find_scenarios([tmp_path, tmp_path / "a.yml"]) == [tmp_path / "a.yml", tmp_path / "deep" / "b.yaml"]
    assert find_scenarios([tmp_path / "m.yaml"]) == [tmp_path / "m.yaml"]


def test_a_folder_without_scenarios(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scenario"):
        find_scenarios([tmp_path])
