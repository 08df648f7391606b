"""From a file to a judged recording, or to nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from meshsim.checks import load_verdicts
from meshsim.errors import LimitError, UsageError
from meshsim.experiment import RunSettings
from meshsim.front.running import RunRequest, discard, run_file, run_loaded
from meshsim.reporting.progress import Progress
from meshsim.scenario import load_scenario
from meshsim.testing.recordings import SCENARIO
from meshsim.testing.runners import bookshop_runner, failing_runner
from meshsim.units import HOUR

EXPECT = "  - {name: served, success_rate: {of: shoppers, min: 99%}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bookshop.yaml"
    path.write_text(SCENARIO + EXPECT)
    return path


def request(tmp_path: Path, **given: object) -> RunRequest:
    return RunRequest(results=tmp_path / "results", runner=bookshop_runner, **given)  # type: ignore[arg-type]


def test_a_run_is_recorded_judged_and_reported(file: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    outcome = run_file(file, request(tmp_path), Progress(stream, live=False))
    assert outcome.ok
    assert outcome.run is not None
    assert outcome.run.folder == tmp_path / "results" / "bookshop" / "0001"
    assert load_verdicts(outcome.run.verdicts()) == outcome.verdicts
    assert (outcome.run.folder / "report.html").is_file()
    assert "nothing is compiled" in stream.getvalue()


def test_several_replications_are_one_recording(file: Path, tmp_path: Path) -> None:
    outcome = run_file(file, request(tmp_path, seeds=(4, 5), jobs=1))
    assert outcome.run is not None
    assert outcome.verdicts[0].samples == 12_000
    assert [part.manifest.seeds for part in outcome.run.parts] == [(4,), (5,)]


def test_without_a_record_nothing_stays(file: Path, tmp_path: Path) -> None:
    outcome = run_file(file, request(tmp_path, record=False))
    assert outcome.run is not None
    folder = outcome.run.folder
    assert outcome.verdicts[0].samples == 6_000
    discard(outcome)
    assert not folder.parents[1].exists()
    assert not (tmp_path / "results").exists()


def test_what_is_wrong_with_a_file_is_an_outcome(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(SCENARIO.replace("duration", "durtion"))
    outcome = run_file(path, request(tmp_path))
    assert outcome.exit_code == 2
    assert outcome.run is None


def test_a_run_that_fails_leaves_nothing(file: Path, tmp_path: Path) -> None:
    asked = RunRequest(results=tmp_path / "results", runner=failing_runner, seeds=(2,))
    with pytest.raises(LimitError):
        run_loaded(load_scenario(file), asked)
    assert list((tmp_path / "results" / "bookshop").iterdir()) == []
    assert run_file(file, asked).exit_code == 3


def test_an_end_outside_the_run_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--until"):
        run_loaded(load_scenario(file), request(tmp_path, settings=RunSettings(until=HOUR)))


def test_what_the_pods_cannot_carry_is_a_finding(tmp_path: Path) -> None:
    workloads = "workloads: [{match: {app: productpage}, serve: {time: 50ms, concurrency: 2}}]\n"
    service = (
        "  - {apiVersion: v1, kind: Service, metadata: {name: productpage, namespace: books},\n"
        "     spec: {selector: {app: productpage}, ports: [{port: 80}]}}\n"
    )
    asked = "through: istio-ingressgateway, request: {host: books.example.com}"
    sent = "from: {match: {app: details}}, request: {host: productpage}"
    text = SCENARIO.replace("traffic:\n", f"{service}{workloads}traffic:\n").replace(asked, sent)
    path = tmp_path / "bookshop.yaml"
    path.write_text(text + EXPECT)
    (finding,) = run_file(path, request(tmp_path)).findings
    assert finding.message == "productpage.books is asked for 100/s, its pods together can do 40/s"
    assert finding.position is not None
    assert finding.position.file == str(path)


ROUTE = """\
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: page, namespace: books}
    spec: {hosts: [page.books.example.org], http: [{route: [{destination: {host: HOST}}]}]}
"""


def test_what_istiod_cannot_use_is_noted_in_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "bookshop.yaml"
    path.write_text(SCENARIO.replace("traffic:\n", f"{ROUTE.replace('HOST', 'nowhere')}traffic:\n") + EXPECT)
    outcome = run_file(path, request(tmp_path))
    (finding,) = [f for f in outcome.configuration if f.code == "IST0101"]
    assert finding.position is not None
    assert path.read_text().split("\n")[finding.position.line - 1].startswith("    spec: {hosts")
    assert outcome.run is not None
    (note,) = outcome.run.manifest.notes
    assert note == f"{finding.position}: {finding.message}"
    assert note in (outcome.run.folder / "report.html").read_text()


def test_what_the_webhook_refuses_is_not_run(tmp_path: Path) -> None:
    broken = (
        "  - apiVersion: networking.istio.io/v1alpha3\n    kind: EnvoyFilter\n"
        "    metadata: {name: e, namespace: books}\n"
        "    spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {name: [1]}}}]}\n"
    )
    path = tmp_path / "bookshop.yaml"
    path.write_text(SCENARIO.replace("traffic:\n", f"{broken}traffic:\n") + EXPECT)
    outcome = run_file(path, request(tmp_path))
    assert (outcome.exit_code, outcome.run) == (2, None)
    assert "the validation webhook refuses this object" in str(outcome.error)
