"""docs/warnings.md names every code that the analysis gives, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"\b(?:IST|MSH)\d{4}\b")


def test_every_code_is_explained() -> None:
    page = (ROOT / "docs" / "warnings.md").read_text(encoding="utf-8")
    explained = set(_CODE.findall(page.partition("## What Istio's analyzers say")[0]))
    given = {
        code
        for path in (ROOT / "meshsim" / "analysis").glob("*.py")
        for code in re.findall(r'"((?:IST|MSH)\d{4})"', path.read_text(encoding="utf-8"))
    }
    assert explained == given
