"""Sidecars that another one hides, and hosts that import nothing."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

EGRESS = "egress:\n- hosts:\n  - ./*"


def test_of_two_without_selector_the_older_counts(finds: Callable) -> None:
    text = manifest("Sidecar", "z", EGRESS, 1) + manifest("Sidecar", "a", EGRESS, 2)
    finds(text, ("IST0111", "spec", "Sidecar shop/z has no selector either and is older"))


def test_of_two_for_one_workload_the_older_counts(finds: Callable) -> None:
    def chosen(labels: str) -> str:
        return f"workloadSelector: {{labels: {labels}}}\n{EGRESS}"

    text = manifest("Sidecar", "z", chosen("{app: app}"), 1) + manifest("Sidecar", "a", chosen("{version: v1}"), 2)
    finds(text, ("IST0110", "workloadSelector", "Sidecar shop/z selects the same workloads and comes first"))
    text = manifest("Sidecar", "z", chosen("{version: v2}"), 1) + manifest("Sidecar", "a", chosen("{app: app}"), 2)
    finds(text, ("IST0110", "workloadSelector", "this one is ignored for app-v2"))


def test_a_selector_that_fits_nothing(finds: Callable) -> None:
    text = manifest("Sidecar", "a", f"workloadSelector: {{labels: {{app: clent}}}}\n{EGRESS}")
    (found,) = finds(text, ("IST0101", "app: clent", "this Sidecar applies to nothing"))
    assert found.hint == "did you mean 'client'?"


def test_namespaces_that_are_not_there(finds: Callable) -> None:
    (found,) = finds(
        manifest("Sidecar", "a", "egress:\n- hosts:\n  - othr/*"), ("MSH0531", "othr/*", "there is no namespace othr")
    )
    assert found.hint == "did you mean 'other'?"


def test_hosts_that_import_nothing(finds: Callable) -> None:
    finds(manifest("Sidecar", "a", "egress: [{hosts: ['./*', 'bare/plain.bare.svc.cluster.local', '*/*.local']}]"))
    text = manifest("Sidecar", "a", "egress:\n- hosts:\n  - ./ap.shop.svc.cluster.local")
    (found,) = finds(text, ("MSH0531", "./ap", "it imports nothing"))
    assert found.hint == "did you mean 'app.shop.svc.cluster.local'?"
