"""`meshsim inject`: manifests in, manifests with sidecars out."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
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


def test_a_file_by_option_or_standard_input(meshsim: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.yaml").write_text(DEPLOYMENT)
    by_path = meshsim("inject", "shop.yaml")
    assert meshsim("inject", "-f", "shop.yaml") == by_path
    for arguments in (("-f", "-"), ("-",)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(DEPLOYMENT.encode())))
        assert meshsim("inject", *arguments).out == by_path.out


def test_what_comes_by_standard_input_is_checked_too(meshsim: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    for data, message in (
        (b"", "no object in these files"),
        (b"kind: [", "-:1:8: error: "),
        (b"kind: \xff", "not UTF-8"),
        (b"\0\1", "binary file"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = meshsim("inject", "-f", "-")
        assert done.code == 2
        assert message in done.err


def test_nothing_named(meshsim: Callable) -> None:
    done = meshsim("inject")
    assert done.code == 2
    assert "Name a manifest" in done.err
