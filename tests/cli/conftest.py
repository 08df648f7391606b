"""The command line with made-up runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from meshsim.cli.app import run
from meshsim.testing.manifests import deployment_item, namespace_item, service_item
from meshsim.testing.recordings import SCENARIO
from meshsim.testing.runners import bookshop_runner

EXPECT = "  - {name: served, success_rate: {of: shoppers, min: 99%}}\n"
BROKEN = "  - {name: served, success_rate: {of: shoppers, min: 99.9%}}\n"


class Done(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


Meshsim = Callable[..., Done]


@pytest.fixture
def meshsim(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Meshsim:
    """Run a command in an empty folder; runs of scenarios are made up."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> Done:
        import meshsim.world.run

        monkeypatch.setattr(meshsim.world.run, "run_replication", bookshop_runner)
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A scenario that passes."""
    path = tmp_path / "shop.yaml"
    path.write_text(SCENARIO + EXPECT)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A scenario whose expectation is not met."""
    path = tmp_path / "broken.yaml"
    path.write_text(SCENARIO.replace("name: bookshop", "name: broken") + BROKEN)
    return path


SMALL = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: small
duration: 1s
traffic:
  - {name: ask, from: {match: {app: front}}, request: {host: "stock.shop:80", path: /items}, rate: 20/s}
resources:
""" + (
    namespace_item("shop", injected=True)
    + service_item("stock", "shop")
    + deployment_item("stock", "shop", port=8080)
    + deployment_item("front", "shop")
)


@pytest.fixture
def small_text() -> str:
    """A scenario that the model runs in no time, to be changed."""
    return SMALL


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario that the model has run once: its file, with the recording below `results` beside it."""
    from meshsim.experiment import RunSettings
    from meshsim.front.running import RunRequest, run_file

    folder = tmp_path_factory.mktemp("small")
    file = folder / "small.yaml"
    file.write_text(SMALL)
    outcome = run_file(file, RunRequest(settings=RunSettings(mode="plain"), results=folder / "results"))
    assert outcome.error is None
    return file
