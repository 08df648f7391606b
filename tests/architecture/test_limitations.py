"""docs/limitations.md lists every deviation the code admits, and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def limitations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("limitations", ROOT / "tools" / "limitations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_what_the_code_says(limitations: ModuleType) -> None:
    page = (ROOT / "docs" / "limitations.md").read_text(encoding="utf-8")
    wanted = limitations.render(limitations.collect())
    missing = [line for line in wanted.splitlines() if line not in page.splitlines()]
    stale = [line for line in page.splitlines() if line not in wanted.splitlines()]
    assert page == wanted, (
        "run: python tools/limitations.py\nmissing:\n" + "\n".join(missing) + "\nstale:\n" + "\n".join(stale)
    )


def test_paragraphs_are_collected_from_comments_and_docstrings(limitations: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "meshsim" / "room"
    package.mkdir(parents=True)
    (package / "module.py").write_text(
        '"""A module.\n\nDEVIATION: the first\none.\nDEVIATION: the second one.\n\nNot this.\n"""\n\n'
        "# DEVIATION: a third\n# that goes on.\nVALUE = 1\n# Not this.\n",
        encoding="utf-8",
    )
    found = limitations.collect(tmp_path)
    assert [deviation.text for deviation in found] == ["The first one.", "The second one.", "A third that goes on."]
    assert [deviation.line for deviation in found] == [3, 5, 10]
    assert limitations.render(found).count("meshsim/room/module.py") == 3


def test_a_mark_outside_of_comments_is_refused(limitations: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "meshsim"
    package.mkdir()
    (package / "module.py").write_text('VALUE = "DEVIATION: hidden"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="outside of comments"):
        limitations.collect(tmp_path)
