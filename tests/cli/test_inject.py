"""`meshsim inject`: manifests in, manifests with sidecars out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from .test_pods import DEPLOYMENT


def test_manifests_with_sidecars(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(DEPLOYMENT)
    done = meshsim("inject", "shop.yaml")
    assert done.code == 0
    documents = list(yaml.safe_load_all(done.out))
    assert [document["kind"] for document in documents] == ["Deployment", "Service", "Pod"]
    spec = documents[0]["spec"]["template"]["spec"]
    assert "istio-proxy" in [c["name"] for c in [*spec["containers"], *spec.get("initContainers", [])]]
    assert len(documents[2]["spec"]["containers"]) == 1
    assert "Deployment shop/cart: injected" in done.err
    assert "Pod shop/bare: left alone" in done.err
    assert "*id" not in done.out


def test_only_the_reasons(meshsim: Callable, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(DEPLOYMENT)
    done = meshsim("inject", "shop.yaml", "--reasons")
    assert done.out.startswith("Deployment shop/cart: injected: ")
    assert "kind:" not in done.out


def test_what_cannot_be_read(meshsim: Callable) -> None:
    assert meshsim("inject", "nothing.yaml").code == 2
