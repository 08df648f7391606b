"""Files are written together, and never over something that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import UsageError
from meshsim.imports.imported import Imported, dns_label, write_imported

MADE = Imported("b", {"more.yaml": "one\n", "scenario.yaml": "two\n"})


def test_the_scenario_comes_first(tmp_path: Path) -> None:
    assert write_imported(MADE, tmp_path / "new", overwrite=False) == [
        tmp_path / "new" / "scenario.yaml",
        tmp_path / "new" / "more.yaml",
    ]
    assert (tmp_path / "new" / "more.yaml").read_text() == "one\n"


def test_what_is_there_stays_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"scenario\.yaml' exists already, nothing was written"):
        write_imported(MADE, tmp_path, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.yaml"]
    write_imported(MADE, tmp_path, overwrite=True)
    assert (tmp_path / "scenario.yaml").read_text() == "two\n"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_imported(MADE, tmp_path / "out", overwrite=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [("10-svc_100-end", "10-svc-100-end"), ("Shop API.v1", "shop-api-v1"), ("--", "unnamed"), ("x" * 80, "x" * 63)],
)
def test_names_as_kubernetes_allows_them(text: str, name: str) -> None:
    assert dns_label(text) == name
