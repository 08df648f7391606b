"""Bring the parts of README.md that a program can write up to date: the output of the quick start, the commands.

Usage: ``python tools/readme.py`` runs the scenario of the quick start and writes what it prints, and the list of
commands; ``python tools/readme.py commands`` writes only the latter. With ``--check`` nothing is written, and the exit
code says whether the page is up to date, but for how long the run took.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
SCENARIO: Final = "scenarios/canary.yaml"
_BLOCK: Final = r"(<!-- made by: {mark} -->\n)(.*?)(<!-- end -->)"
OUTPUT: Final = "python tools/readme.py"
COMMANDS: Final = "python tools/readme.py commands"


def block(page: str, mark: str) -> str:
    """The text between the marks of a part."""
    found = re.search(_BLOCK.format(mark=re.escape(mark)), page, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no part '{mark}'")
    return found[2]


def replaced(page: str, mark: str, text: str) -> str:
    """The page with other text between the marks of a part."""
    return re.sub(_BLOCK.format(mark=re.escape(mark)), lambda found: found[1] + text + found[3], page, flags=re.DOTALL)


def run_scenario() -> str:
    """What the quick start's command prints, with the folder of a first run."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "meshsim", "run", SCENARIO, "--results", folder],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        return done.stdout.replace(folder, "results")


def output_block() -> str:
    """The part with the output."""
    return f"```console\n$ python -m meshsim run {SCENARIO}\n{run_scenario()}```\n"


def commands_block() -> str:
    """The part with the commands."""
    sys.path.insert(0, str(ROOT))
    from meshsim.cli import app

    rows = [f"| `meshsim {name}` | {text} |" for name, text in app.COMMANDS.items()]
    return "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def without_times(page: str) -> str:
    """A page or output, without how long a run took."""
    return re.sub(r"simulated in [\d.]+ s", "simulated in some time", page)


def stale_parts(page: str, made: dict[str, str]) -> list[str]:
    """Marks of the parts that are not as they would be made now."""
    return [mark for mark, text in made.items() if without_times(block(page, mark)) != without_times(text)]


def main(arguments: list[str]) -> int:
    """Write the parts, or only say which are out of date."""
    page = README.read_text(encoding="utf-8")
    made = {COMMANDS: commands_block()}
    if "commands" not in arguments:
        made[OUTPUT] = output_block()
    if "--check" in arguments:
        stale = stale_parts(page, made)
        for mark in stale:
            print(f"README.md is out of date, run: {mark}", file=sys.stderr)
        return 1 if stale else 0
    for mark, text in made.items():
        page = replaced(page, mark, text)
    README.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
