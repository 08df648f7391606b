"""`meshsim explain`, for a recorded request and for one made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from meshsim.recording import open_run


def test_a_recorded_request(meshsim: Callable, small: Path) -> None:
    recording = small.parent / "results" / "small"
    row = open_run(recording).requests().to_pylist()[0]
    done = meshsim("explain", recording, "--request", row["request"])
    assert done.code == 0
    assert f"attempt 1: {row['pod']} at {row['endpoint']}" in done.out
    assert "-> port" not in done.out
    assert "redirected to port 15001, the proxy's outbound listener" in done.out
    line = small.read_text().split("kind: Service\n")[0].count("\n")
    assert f"cluster made by Service shop/stock  {small}:{line}" in done.out


def test_a_request_made_up(meshsim: Callable, small: Path) -> None:
    done = meshsim("explain", small, "--from", "front", "--to", "http://stock/items", "-H", "x: y")
    assert done.code == 0
    assert done.out.startswith("GET http://stock/items from front-")
    assert "inbound: the proxy of stock-" in done.out


def test_json(meshsim: Callable, small: Path) -> None:
    done = meshsim("explain", small, "--from", "front", "--to", "http://stock/items", "-o", "json")
    assert [section["title"].split()[0] for section in json.loads(done.out)["sections"]][:2] == ["name", "nat"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--request", 1, "--from", "front"), "--request stands alone"),
        (("--from", "front"), "Give a recording and --request ID, or a scenario"),
        (("--from", "front", "--to", "http://stock/", "-H", "nothing"), "is not NAME: VALUE"),
        (("--from", "frnt", "--to", "http://stock/"), "did you mean 'front'?"),
    ],
)
def test_what_is_wrong(meshsim: Callable, small: Path, arguments: tuple[object, ...], message: str) -> None:
    done = meshsim("explain", small, *arguments)
    assert done.code == 2
    assert message in done.err
