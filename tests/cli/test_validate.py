"""`meshsim validate`: all errors at once, nothing run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: http, port: 80}]}\n"


def test_what_is_right(meshsim: Callable, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE)
    done = meshsim("validate", tmp_path)
    assert done.code == 0
    assert done.out == "2 files checked: nothing to complain about\n"


def test_what_is_wrong(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE.replace("ports", "prts"))
    (tmp_path / "b.yaml").write_text("kind: Service\n")
    done = meshsim("validate", tmp_path)
    assert done.code == 2
    assert f"{tmp_path}/a.yaml:4:8: error: unknown field 'spec.prts' (did you mean 'ports'?)" in done.out
    assert "2 files checked: " in done.out
    assert "b.yaml" in done.out


def test_recordings_beside_the_files_are_left_out(meshsim: Callable, shop: Path, tmp_path: Path) -> None:
    assert meshsim("run", shop, "--seeds", "2", "--jobs", "1").code == 0
    assert list((tmp_path / "results").rglob("*.json"))
    assert meshsim("validate", tmp_path).out == "1 file checked: nothing to complain about\n"


def test_json(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE.replace("ports", "prts"))
    done = meshsim("validate", tmp_path / "a.yaml", "-o", "json")
    document = json.loads(done.out)
    assert document["errors"][0]["line"] == 4
    assert document["findings"] == []


def test_github(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE.replace("ports", "prts"))
    done = meshsim("validate", tmp_path / "a.yaml", "-o", "github")
    assert done.out.startswith(f"::error file={tmp_path}/a.yaml,line=4,col=8,")


OVERLOAD = """\
apiVersion: meshsim/v1alpha1
kind: Scenario
name: over
duration: 1m
resources:
  - {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: {app: a}, ports: [{name: http, port: 80}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: a}}, spec: {containers: [{name: a, image: a}]}}
workloads:
  - match: {app: a}
    serve: {time: 10ms, concurrency: 1}
traffic:
  - {name: it, from: {match: {app: a}}, request: {host: a}, rate: 200/s}
"""


def test_what_cannot_be_carried_is_a_warning_with_its_place(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "over.yaml").write_text(OVERLOAD)
    done = meshsim("validate", tmp_path / "over.yaml")
    assert done.code == 0
    warning = "warning: a.default is asked for 200/s, its pods together can do 100/s"
    assert done.out.startswith(f"{tmp_path}/over.yaml:10:5: {warning}")
    assert done.out.endswith("1 file checked: 0 errors, 1 finding\n")


CONFLICT = """\
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {selector: {app: a}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec:
  hosts: [a]
  http:
    - route: [{destination: {host: b}}]
"""


def test_what_istiod_cannot_use_is_a_warning(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFLICT)
    done = meshsim("validate", tmp_path / "a.yaml")
    assert done.code == 0
    first, last = done.out.splitlines()
    assert first.startswith(f"{tmp_path}/a.yaml:17:30: warning: there is no service b.shop.svc.cluster.local")
    assert first.endswith("[IST0101 VirtualService shop/a]")
    assert last == "1 file checked: 0 errors, 1 finding"
    document = json.loads(meshsim("validate", tmp_path / "a.yaml", "-o", "json").out)
    assert [(f["code"], f["severity"], f["line"]) for f in document["findings"]] == [("IST0101", "warning", 17)]


def test_strict_makes_warnings_count(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFLICT)
    assert meshsim("validate", tmp_path, "--strict").code == 2
    (tmp_path / "a.yaml").write_text(CONFLICT.replace("host: b", "host: a").replace("name: http", "name: web"))
    done = meshsim("validate", tmp_path, "--strict")
    assert (done.code, "info:" in done.out) == (0, True)


def test_a_manifest_of_a_scenario_is_checked_with_it(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFLICT)
    scenario = (
        "apiVersion: meshsim/v1alpha1\nkind: Scenario\nname: s\nduration: 1m\n"
        "mesh: {inject: [shop]}\nresources: [a.yaml, b.yaml]\n"
    )
    (tmp_path / "s.yaml").write_text(scenario)
    (tmp_path / "b.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: b, namespace: shop}\n"
        "spec:\n  hosts: [b.shop.svc.cluster.local]\n  ports: [{number: 80, name: http, protocol: HTTP}]\n"
        "  resolution: DNS\n"
    )
    assert meshsim("validate", tmp_path).out == "3 files checked: nothing to complain about\n"


def test_what_the_webhook_refuses_is_an_error(meshsim: Callable, tmp_path: Path) -> None:
    patch = "spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: soon}}}]}"
    column = patch.index("value") + 1
    (tmp_path / "a.yaml").write_text(
        CONFLICT.partition("---\napiVersion: networking")[0]
        + "---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: e, namespace: shop}\n"
        f"{patch}\n"
    )
    done = meshsim("validate", tmp_path)
    assert done.code == 2
    assert f":14:{column}: error: no envoy.config.cluster.v3.Cluster" in done.out
    assert done.out.endswith("1 file checked: 1 error, 1 finding\n")
