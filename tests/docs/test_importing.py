"""docs/importing.md: what stands there works word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshsim.cli.app import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")


def file_on_the_page(name: str) -> str:
    """The first block after the mention of a file that "this is" ."""
    found = re.search(rf"is `{re.escape(name)}`.*?\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def session_with(command: str) -> tuple[str, str]:
    """A command of the page, and what it says."""
    found = re.search(rf"^\$ meshsim ({re.escape(command)}.*?)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1], found[2]


@pytest.mark.parametrize(
    ("name", "command"),
    [("shop.yaml", "import isotope"), ("spans.csv", "import traces"), ("peak.csv", "import arrivals")],
)
def test_examples(
    name: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(file_on_the_page(name), encoding="utf-8")
    arguments, said = session_with(command)
    assert run(arguments.split()) == 0
    assert capsys.readouterr().out == said
    assert run(["validate", said.split()[-1]]) == 0
