"""`meshsim import`: files that validate, and errors with their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TOPOLOGY = "services: [{name: a, isEntrypoint: true, script: [call: b]}, {name: b}]\n"


def test_isotope(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    done = meshsim("import", "isotope", "two.yaml", "-o", "out", "--rate", "20/s", "--duration", "5s")
    assert done.code == 0
    assert done.out.splitlines() == [
        "wrote out/scenario.yaml",
        "wrote out/services.yaml",
        "next: meshsim run out/scenario.yaml",
    ]
    assert meshsim("validate", "out").out == "2 files checked: nothing to complain about\n"
    again = meshsim("import", "isotope", "two.yaml", "-o", "out")
    assert (again.code, "exists already" in again.err) == (2, True)
    assert meshsim("import", "isotope", "two.yaml", "-o", "out", "--force").code == 0


def test_what_is_wrong_in_a_topology(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TOPOLOGY.replace("call: b", "call: c"))
    done = meshsim("import", "isotope", "two.yaml")
    assert done.code == 2
    assert done.err.startswith("two.yaml:1:57: error: there is no service 'c' to call")


def test_findings_go_to_the_error_stream(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TOPOLOGY.replace("isEntrypoint", "isEntryPoint"))
    done = meshsim("import", "isotope", "two.yaml")
    assert (done.code, done.out.splitlines()[-1]) == (0, "next: meshsim run two/scenario.yaml")
    assert "did you mean 'isEntrypoint'?" in done.err
    assert "clients call those that no other calls: a" in done.err


def test_its_own_file_is_not_taken_for_a_bad_rate(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    done = meshsim("import", "isotope", "two.yaml", "--rate", "20")
    assert (done.code, "needs a unit" in done.err) == (2, True)


TRACE = """TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano
t,a,root,front-579b9bff58-t2dbm,page,1000000,9000000
t,b,a,stock-579b9bff58-t2dbm,items,2000000,3000000
"""


def test_traces(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "spans.csv").write_text(TRACE)
    done = meshsim("import", "traces", "spans.csv", "--name", "My Shop", "--no-sidecars", "--sampling", "10%")
    assert (done.code, done.out.splitlines()[-1]) == (0, "next: meshsim run my-shop/scenario.yaml")
    assert meshsim("validate", "my-shop").out == "2 files checked: nothing to complain about\n"


def test_what_is_wrong_in_traces(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "spans.csv").write_text(TRACE.replace("9000000", "soon"))
    done = meshsim("import", "traces", "spans.csv", "none.json")
    assert done.code == 2
    assert 'spans.csv: error: expected a whole number that is not negative, got "soon"' in done.err
    assert "none.json: error: cannot be read: No such file or directory" in done.err


def test_arrivals(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "peak.csv").write_text("0.5,10\n1.5,-1\n2.5,30\n")
    done = meshsim("import", "arrivals", "peak.csv", "--host", "shop:80")
    assert done.out.splitlines()[-1] == "next: meshsim run peak/scenario.yaml"
    assert "1 of 3 rates are negative and count as 0" in done.err
    assert meshsim("validate", "peak").out == "2 files checked: nothing to complain about\n"
    piece = meshsim("import", "arrivals", "peak.csv", "--host", "shop:80", "--piece", "--from", "app=web")
    assert piece.out.startswith("traffic:\n  - name: peak\n    from: {match: {app: web}}\n")


def test_arrivals_for_manifests_elsewhere(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "peak.csv").write_text("0.5,10\n1.5,11\n")
    (tmp_path / "two.yaml").write_text(TOPOLOGY)
    assert meshsim("import", "isotope", "two.yaml", "-o", "mesh").code == 0
    there = ("--resources", "mesh/services.yaml", "--host", "a.service-graph:8080", "--from", "app=client")
    done = meshsim("import", "arrivals", "peak.csv", *there, "-o", "deep/peak")
    assert done.code == 0
    assert 'resources: ["../../mesh/services.yaml"]' in (tmp_path / "deep/peak/scenario.yaml").read_text()
    assert meshsim("validate", "deep/peak/scenario.yaml").code == 0


def test_senders_that_do_not_fit(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "peak.csv").write_text("0.5,10\n1.5,11\n")
    asked = ("import", "arrivals", "peak.csv", "--host", "shop:80")
    assert "is not LABEL=VALUE" in meshsim(*asked, "--from", "web").err
    both = meshsim(*asked, "--from", "app=web", "--through", "gate")
    assert (both.code, "cannot go together" in both.err) == (2, True)
