"""Write docs/deviations.md from the lists of known differences: from a real Envoy, and from recordings.

Usage: ``python tools/deviations.py`` writes the page, ``--check`` only says whether it is up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "deviations.md"
ENVOY: Final = ROOT / "tests" / "conformance" / "deviations.yaml"
RECORDINGS: Final = ROOT / "meshsim" / "world" / "verify" / "deviations.yaml"
_HEAD: Final = """# Known deviations

Where the model and the real thing are known to differ, made by `python tools/deviations.py` from the two lists that the
tests hold true: an entry that no longer shows fails them. What the model does in another way by design stands in
[limitations.md](limitations.md); anything else that differs is a bug.
"""


def render(envoy: list[dict[str, Any]], recordings: list[dict[str, Any]]) -> str:
    """The page."""
    lines = [_HEAD, "## From a real Envoy", ""]
    lines += ["Each with a request that shows it (`tests/conformance/deviations.yaml`).", ""]
    lines += ["| what | Envoy | model | reason |", "|---|---|---|---|"]
    lines += [f"| {_cell(d['name'])} | {d['envoy']} | {d['model']} | {_cell(d['reason'])} |" for d in envoy]
    lines += ["", "## From recordings", "", "By the patterns that name the differences (`meshsim verify`).", ""]
    lines += ["| kind | where | reason |", "|---|---|---|"]
    lines += [f"| {d['what']} | {_where(d)} | {_cell(d['reason'])} |" for d in recordings]
    return "\n".join(lines) + "\n"


def _where(entry: dict[str, Any]) -> str:
    parts = [
        f"{key} `{_cell(str(entry[key]))}`" for key in ("world", "proxy", "type", "resource", "path") if key in entry
    ]
    return ", ".join(parts) or "everywhere"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def load(path: Path) -> list[dict[str, Any]]:
    """The entries of a list."""
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["deviations"]
    return found


def main(arguments: list[str]) -> int:
    """Write or check the page."""
    wanted = render(load(ENVOY), load(RECORDINGS))
    if "--check" in arguments:
        return 0 if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
