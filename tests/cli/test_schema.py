"""`meshsim schema`: to the terminal or to a file with the line that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from meshsim.scenario.schema import schema


def test_it_is_printed(meshsim: Callable) -> None:
    assert json.loads(meshsim("schema").out) == schema()


def test_it_is_written(meshsim: Callable, tmp_path: Path) -> None:
    done = meshsim("schema", "--write")
    written = tmp_path / ".meshsim" / "scenario.schema.json"
    assert json.loads(written.read_text()) == schema()
    assert done.out == f"# yaml-language-server: $schema={written.as_uri()}\n"
    assert meshsim("schema", "--write", "here.json").code == 0
    assert (tmp_path / "here.json").is_file()


def test_where_it_cannot_be_written(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = meshsim("schema", "--write", "file/x.json")
    assert done.code == 2
    assert "cannot be written" in done.err
