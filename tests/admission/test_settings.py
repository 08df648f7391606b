"""Settings of an injector: native sidecars by kubelet version, values merged."""

from __future__ import annotations

import pytest

from meshsim.admission.settings import InjectionSettings, overlay

NEW, OLD = "v1.33.0", "v1.28.0"
NOTE = "sidecar.istio.io/nativeSidecar"


@pytest.mark.parametrize(
    ("feature", "kubelets", "node", "annotations", "native"),
    [
        ("auto", {}, "", {}, True),
        ("auto", {"a": NEW, "b": NEW}, "", {}, True),
        ("auto", {"a": NEW, "b": OLD}, "", {}, False),
        ("auto", {"a": NEW, "b": OLD}, "a", {}, True),
        ("auto", {"a": NEW, "b": OLD}, "b", {}, False),
        ("auto", {"a": NEW, "b": OLD}, "unknown", {}, False),
        ("auto", {"a": "v1.33.2-gke.1234567"}, "", {}, True),
        ("auto", {"a": "unknown"}, "", {}, False),
        ("true", {"a": OLD}, "", {}, True),
        ("false", {"a": NEW}, "", {}, False),
        ("false", {}, "", {NOTE: "true"}, True),
        ("false", {}, "", {NOTE: "maybe"}, True),
        ("auto", {}, "", {NOTE: "false"}, False),
        ("true", {}, "", {NOTE: ""}, False),
    ],
)
def test_native_sidecars(
    feature: str, kubelets: dict[str, str], node: str, annotations: dict[str, str], native: bool
) -> None:
    settings = InjectionSettings(native_sidecars=feature, kubelet_versions=kubelets)
    assert settings.uses_native_sidecar(annotations, node, "") is native


def test_nodes_of_an_unknown_cluster_count_as_old() -> None:
    assert not InjectionSettings().uses_native_sidecar({}, "", "east")
    assert InjectionSettings(clusters=("Kubernetes", "east")).uses_native_sidecar({}, "", "east")


def test_overlay_is_a_merge_patch() -> None:
    assert overlay({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None}, "d": [2], "e": {"f": 1}}) == {
        "a": {"c": 2},
        "d": [2],
        "e": {"f": 1},
    }
