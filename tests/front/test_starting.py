"""The first scenario runs, and all its expectations are met."""

from __future__ import annotations

import json
from pathlib import Path

from meshsim.experiment import RunSettings
from meshsim.front.running import RunRequest, run_file
from meshsim.front.starting import SCENARIO, SCHEMA, write_starter
from meshsim.scenario.schema import schema_text
from meshsim.units import MINUTE


def test_it_runs_as_it_is(tmp_path: Path) -> None:
    files = write_starter(tmp_path / "new")
    assert files[0] == tmp_path / "new" / SCENARIO
    request = RunRequest(settings=RunSettings(mode="plain", until=2 * MINUTE), record=False, results=tmp_path)
    outcome = run_file(files[0], request)
    assert outcome.error is None
    assert outcome.findings == ()
    assert [verdict.met for verdict in outcome.verdicts] == [True] * 4
    assert not any(verdict.warnings for verdict in outcome.verdicts)


def test_editors_find_the_schema_its_first_line_names(tmp_path: Path) -> None:
    files = write_starter(tmp_path)
    line = files[0].read_text().splitlines()[0]
    named = (files[0].parent / line.partition("$schema=")[2]).resolve()
    assert named == (tmp_path / SCHEMA).resolve()
    assert json.loads(named.read_text()) == json.loads(schema_text())
