"""README.md is true: its output is what the command prints, its commands exist, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_tool", ROOT / "tools" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_times(text: str) -> list[str]:
    """Lines of an output, without how long it took."""
    return [re.sub(r"simulated in [\d.]+ s", "simulated in some time", line) for line in text.splitlines()]


def test_the_output_is_what_the_command_prints(tool: ModuleType) -> None:
    written = tool.block(README, tool.OUTPUT)
    assert without_times(written) == without_times(tool.output_block()), "run: python tools/readme.py"


def test_the_commands_are_those_there_are(tool: ModuleType) -> None:
    assert tool.block(README, tool.COMMANDS) == tool.commands_block(), "run: python tools/readme.py commands"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = re.findall(r"^\$ (.*pytest.*)$", README, re.MULTILINE)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for step in command.split(" && "):
        words = [word for word in step.split() if not word.startswith("--quiet")]
        assert any(all(word in line for word in words) for line in script.splitlines()), step


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_commands_and_options_exist(page: Path) -> None:
    from meshsim.cli.app import COMMANDS, app

    for line in re.findall(r"^\$ .*?meshsim (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = line.split()
        assert words[0] in COMMANDS, line
        command = app.get_command(None, words[0])  # type: ignore[arg-type]
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= known | {"--help"}, line
