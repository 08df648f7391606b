"""`meshsim authz`, for a scenario and for bare manifests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: books}
spec: {}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: books, labels: {{app: {name}}}}}
spec: {{serviceAccountName: {name}, containers: [{{name: app, image: app}}]}}
"""
MANIFESTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: books, labels: {{istio-injection: enabled}}}}
---{POD.format(name="page")}---{POD.format(name="stock")}---
apiVersion: v1
kind: Service
metadata: {{name: stock, namespace: books}}
spec: {{selector: {{app: stock}}, ports: [{{name: http, port: 80}}]}}
---{POLICY}"""


def test_a_scenario(meshsim: Callable, small: Path) -> None:
    done = meshsim("authz", small, "--to", "stock")
    assert done.code == 0
    assert done.out.startswith("GET /\n\nstock.shop:80 -> stock.shop")
    assert "no AuthorizationPolicy applies" in done.out


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "all.yaml").write_text(MANIFESTS)
    return tmp_path / "mesh"


def test_a_folder_of_manifests(meshsim: Callable, manifests: Path) -> None:
    done = meshsim("authz", manifests, "--from", "page")
    assert done.code == 0
    assert "  page.books  no    no ALLOW rule matches\n" in done.out
    assert "ALLOW AuthorizationPolicy books/nobody rule 0  " in done.out
    line = MANIFESTS[: MANIFESTS.index("spec: {}")].count("\n") + 1
    assert done.out.endswith(f"all.yaml:{line}\n"), "nothing stands under the empty spec, so it is its line"


def test_json(meshsim: Callable, manifests: Path) -> None:
    (found, _) = json.loads(meshsim("authz", manifests / "all.yaml", "-o", "json").out)
    assert (found["caller"], found["service"], found["access"]) == ("page.books", "stock.books:80", "no")
    assert found["rules"][0]["rule"] == "ALLOW AuthorizationPolicy books/nobody rule 0"


def test_the_table_of_istioctl(meshsim: Callable, manifests: Path) -> None:
    done = meshsim("authz", manifests, "--check", "stock")
    assert done.out == "ACTION   AuthorizationPolicy   RULES\nALLOW    nobody.books          1\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--from", "pge"), "did you mean 'page'?"), (("-H", "nothing"), "is not NAME: VALUE")],
)
def test_what_is_wrong(meshsim: Callable, manifests: Path, arguments: tuple[str, ...], message: str) -> None:
    done = meshsim("authz", manifests, *arguments)
    assert done.code == 2
    assert message in done.err
