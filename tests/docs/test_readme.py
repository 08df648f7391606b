"""README.md is true: its output is what the command prints, its commands exist, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
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


def test_the_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.main(["--check"]) == 0


def test_a_stale_part_is_found(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "README.md"
    stale.write_text(README.replace("| `meshsim run` |", "| `meshsim walk` |"), encoding="utf-8")
    monkeypatch.setattr(tool, "README", stale)
    assert tool.main(["commands", "--check"]) == 1
    assert capsys.readouterr().err == "README.md is out of date, run: python tools/readme.py commands\n"
    assert "meshsim walk" in stale.read_text(encoding="utf-8")
    assert tool.main(["commands"]) == 0
    assert stale.read_text(encoding="utf-8") == README


def test_how_long_a_run_took_may_differ(tool: ModuleType) -> None:
    made = {tool.OUTPUT: tool.block(README, tool.OUTPUT).replace("simulated in ", "simulated in 1")}
    assert tool.stale_parts(README, made) == []
    assert tool.stale_parts(README, {tool.OUTPUT: made[tool.OUTPUT].replace("met", "missed")}) == [tool.OUTPUT]


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
        if isinstance(command, click.Group):
            command = command.commands[words[1]]
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= known | {"--help"}, line
