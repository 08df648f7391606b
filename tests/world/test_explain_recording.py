"""Recorded requests, explained from what the recording kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshsim.errors import UsageError
from meshsim.experiment import RunSettings
from meshsim.front.running import RunRequest, run_file
from meshsim.recording import Run
from meshsim.units import SECOND
from meshsim.world.explain_recording import explain_recorded

from .conftest import APP, HEAD
from .test_model import SPLIT, TO_V2


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small mesh, whose requests go to v2 from the second second on."""
    folder = tmp_path_factory.mktemp("recorded")
    file = folder / "small.yaml"
    file.write_text(HEAD.format(duration="4s", sender="front", timeline=TO_V2) + APP + SPLIT)
    outcome = run_file(file, RunRequest(settings=RunSettings(mode="plain"), results=folder / "results"))
    assert outcome.run is not None, outcome.error
    return outcome.run


def rows(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.requests().to_pylist()
    return sorted(found, key=lambda row: int(row["start"]))


def text(run: Run, row: dict[str, Any]) -> str:
    return "\n".join(explain_recorded(run, row["request"]).lines())


def test_before_and_after_a_change(recorded: Run) -> None:
    first = next(row for row in rows(recorded) if row["start"] > SECOND)
    last = rows(recorded)[-1]
    before, after = text(recorded, first), text(recorded, last)
    assert "0 pinned (" in before
    assert "0 moved (" in after
    assert first["endpoint"] in before
    assert "outbound|80|v2|stock.shop.svc.cluster.local" in after
    assert f"inbound: the proxy of {last['pod']}.shop" in after
    assert "redirected to port 15001" in after
    assert "redirected to port 15006" in after
    assert "spiffe://cluster.local/ns/shop/sa/front" in after


def test_every_request_went_where_its_explanation_says(recorded: Run) -> None:
    for row in rows(recorded)[::60]:
        explanation = explain_recorded(recorded, row["request"])
        outbound = next(section for section in explanation.sections if section.title.startswith("outbound"))
        assert any(row["cluster"] in line and row["endpoint"] in line for line in outbound.lines), row
        assert any(line.split()[:1] == ["route"] and f" {row['route']} " in line for line in outbound.lines)


def test_places_without_the_scenario(recorded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    row = rows(recorded)[-1]
    known = text(recorded, row)
    file = Path(recorded.manifest.scenario_file)
    monkeypatch.setattr("meshsim.world.explain_recording._scenario", lambda run: None)
    alone = text(recorded, row)
    assert "request headers are not known" in alone
    assert "request headers are not known" not in known
    assert f"route made by VirtualService shop/stock  {file}:" in alone
    assert "1 moved" not in alone
    assert "0 moved (" in alone


def test_an_id_that_is_none(recorded: Run) -> None:
    with pytest.raises(UsageError, match="has no request 1"):
        explain_recorded(recorded, 1)
