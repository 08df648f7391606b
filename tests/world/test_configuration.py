"""Findings over a scenario's time, and about manifests that are a part of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.api import load_text as load_manifests
from meshsim.errors import Finding, Position, Severity
from meshsim.scenario import LoadedScenario, load_scenario, load_text
from meshsim.testing.manifests import manifest
from meshsim.world.configuration import configuration_notes, manifest_findings, scenario_findings

ROOT = Path(__file__).resolve().parents[2]
APP = """\
apiVersion: v1
kind: Service
metadata: {name: app, namespace: shop}
spec: {selector: {app: app}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: shop}
spec:
  replicas: 40
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app, version: v1}}
    spec: {containers: [{name: app, image: app}]}
"""
ROUTE = "hosts: [app]\nhttp:\n- route:\n  - destination: {host: app, subset: %s}"
RULE = "host: app\nsubsets:\n- name: v1\n  labels: {version: v1}"


def _scenario(folder: Path, timeline: str, **files: str) -> LoadedScenario:
    (folder / "app.yaml").write_text(APP)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return load_text(
        "apiVersion: meshsim/v1alpha1\nkind: Scenario\nname: it\nduration: 10m\n"
        f"mesh: {{inject: [shop]}}\nresources: [app.yaml]\ntimeline:\n{timeline}",
        str(folder / "s.yaml"),
        folder,
    )


def test_a_change_that_breaks_something_is_told_with_its_time(tmp_path: Path) -> None:
    loaded = _scenario(
        tmp_path,
        "  - {id: rule, at: 1m, apply: rule.yaml}\n"
        "  - {id: good, at: 2m, apply: good.yaml}\n"
        "  - {id: bad, at: 3m, apply: bad.yaml}\n",
        rule=manifest("DestinationRule", "app", RULE),
        good=manifest("VirtualService", "app", ROUTE % "v1"),
        bad=manifest("VirtualService", "app", ROUTE % "v2"),
    )
    (found,) = scenario_findings(loaded)
    assert found.message.startswith("from 3m on ('bad'): no DestinationRule for app.shop.svc.cluster.local has")
    assert found.position is not None
    assert found.position.file == str(tmp_path / "bad.yaml")


def test_what_ends_by_itself_may_leave_something_broken(tmp_path: Path) -> None:
    loaded = _scenario(
        tmp_path,
        "  - {id: rule, at: 1m, for: 5m, apply: rule.yaml}\n  - {id: route, at: 2m, apply: route.yaml}\n",
        rule=manifest("DestinationRule", "app", RULE),
        route=manifest("VirtualService", "app", ROUTE % "v1"),
    )
    (found,) = scenario_findings(loaded)
    assert found.message.startswith("from 6m on (the end of 'rule'): no DestinationRule")


def test_a_delete_is_a_change_too(tmp_path: Path) -> None:
    loaded = _scenario(
        tmp_path,
        "  - {id: all, at: 1m, apply: [rule.yaml, route.yaml]}\n"
        "  - {id: gone, at: 2m, delete: {kind: DestinationRule, name: app, namespace: shop}}\n",
        rule=manifest("DestinationRule", "app", RULE),
        route=manifest("VirtualService", "app", ROUTE % "v1"),
    )
    (found,) = scenario_findings(loaded)
    assert found.message.startswith("from 2m on ('gone'): no DestinationRule")


def test_what_is_applied_later_is_younger(tmp_path: Path) -> None:
    def route(name: str) -> str:
        text = manifest("VirtualService", name, "hosts: [app]\nhttp: [{route: [{destination: {host: app}}]}]")
        return text.replace("  creationTimestamp: '2025-01-01T00:00:00Z'\n", "")

    loaded = _scenario(
        tmp_path,
        "  - {id: one, at: 1m, apply: one.yaml}\n  - {id: two, at: 2m, apply: two.yaml}\n",
        one=route("z"),
        two=route("a"),
    )
    (found,) = scenario_findings(loaded)
    assert "VirtualService shop/z has this host too and is older" in found.message
    assert found.subject == "VirtualService shop/a"


@pytest.mark.parametrize("name", ["canary", "failure", "policy", "propagation"])
def test_shipped_scenarios_are_well(name: str) -> None:
    found = scenario_findings(load_scenario(ROOT / "scenarios" / f"{name}.yaml"))
    careless = [f for f in found if f.position is not None and f.position.file.endswith("careless.yaml")]
    assert list(found) == careless
    assert len(careless) == (name == "propagation"), "its timeline routes to a subset before its rule is there"


def test_what_is_missing_in_a_part_may_be_elsewhere() -> None:
    route = manifest("VirtualService", "app", ROUTE % "v1")
    rule = manifest("DestinationRule", "app", RULE)
    assert manifest_findings([load_manifests(route, "route.yaml").objects]) == ()
    files = [load_manifests(text, name).objects for name, text in (("a.yaml", APP), ("route.yaml", route))]
    assert [f.code for f in manifest_findings(files)] == ["IST0101"]
    assert manifest_findings([*files, load_manifests(rule, "rule.yaml").objects]) == ()


def test_files_with_the_same_object_are_alternatives() -> None:
    one, other = (manifest("VirtualService", "app", ROUTE % subset) for subset in ("v1", "v2"))
    rule = manifest("DestinationRule", "app", RULE)
    files = [
        load_manifests(text, name).objects
        for name, text in (("a.yaml", APP), ("bad.yaml", other), ("good.yaml", one), ("rule.yaml", rule))
    ]
    (found,) = manifest_findings(files)
    assert found.position is not None
    assert found.position.file == "bad.yaml"
    wider = manifest("DestinationRule", "app", RULE + "\n- name: v2\n  labels: {version: v1}")
    assert manifest_findings([*files, load_manifests(wider, "wider.yaml").objects]) == ()


def test_notes_are_few() -> None:
    def found(number: int, severity: Severity) -> Finding:
        return Finding("MSH0501", severity, f"number {number}", Position("a.yaml", number))

    warnings = [found(n, Severity.WARNING) for n in range(1, 8)]
    notes = configuration_notes([found(9, Severity.INFO), *warnings], "s.yaml")
    assert notes[:2] == ("a.yaml:1: number 1", "a.yaml:2: number 2")
    assert notes[5:] == ("2 more about the configuration: meshsim validate s.yaml",)
    assert configuration_notes(warnings[:1], "s.yaml") == ("a.yaml:1: number 1",)
    assert configuration_notes([found(9, Severity.INFO)], "s.yaml") == ()
