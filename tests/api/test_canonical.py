"""Canonical names go by Istio's order of labels."""

from __future__ import annotations

from meshsim.api.canonical import canonical_name, canonical_revision


def test_the_most_specific_label_counts() -> None:
    labels = {"app": "a", "version": "v1"}
    assert (canonical_name(labels, "w"), canonical_revision(labels)) == ("a", "v1")
    labels |= {"app.kubernetes.io/name": "b", "app.kubernetes.io/version": "v2"}
    assert (canonical_name(labels, "w"), canonical_revision(labels)) == ("b", "v2")
    labels |= {"service.istio.io/canonical-name": "c", "service.istio.io/canonical-revision": "v3"}
    assert (canonical_name(labels, "w"), canonical_revision(labels)) == ("c", "v3")


def test_without_a_label_it_is_the_workload() -> None:
    assert (canonical_name({"app": ""}, "w"), canonical_revision({"version": ""})) == ("w", "latest")
