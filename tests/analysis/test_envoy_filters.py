"""EnvoyFilter patches that are refused or do nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from meshsim.testing import manifests

manifest = partial(manifests.manifest, version="networking.istio.io/v1alpha3")


def _filter(patch: str, selector: str = "") -> str:
    lines = "".join(f"  {line}\n" for line in patch.strip("\n").split("\n"))
    return manifest("EnvoyFilter", "a", f"{selector}configPatches:\n-\n{lines}")


CLUSTER = """
applyTo: CLUSTER
match: {context: SIDECAR_OUTBOUND, cluster: {service: %s}}
patch: {operation: %s, value: {%s}}
"""
APP = "app.shop.svc.cluster.local"


def test_a_patch_that_fits(finds: Callable) -> None:
    finds(_filter(CLUSTER % (APP, "MERGE", "connect_timeout: 3s")))


def test_a_patch_that_fits_nothing(finds: Callable) -> None:
    text = _filter(CLUSTER % ("ap.shop.svc.cluster.local", "MERGE", "connect_timeout: 3s"))
    finds(text, ("MSH0572", "applyTo", "this patch of CLUSTER changes nothing"))


def test_values_that_are_no_envoy_message(finds: Callable) -> None:
    text = _filter(CLUSTER % (APP, "MERGE", "connect_timeout: soon"))
    (found,) = finds(text, ("MSH0571", "value", "the validation webhook refuses this object"))
    assert found.severity.value == "error"
    finds(
        _filter(CLUSTER % (APP, "MERGE", "connect_timeout: 3s, conect: 1")),
        ("IST0133", "value", "Pilot skips what it does not know"),
    )


def test_types_that_envoy_does_not_have(finds: Callable) -> None:
    patch = """
applyTo: HTTP_FILTER
match: {context: SIDECAR_OUTBOUND}
patch:
  operation: INSERT_FIRST
  value:
    name: lua
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.luna.v3.Luna
"""
    finds(_filter(patch), ("MSH0571", '"@type"', "Envoy has no message of the type"))


def test_operations_that_a_kind_does_not_have(finds: Callable) -> None:
    finds(_filter(CLUSTER % (APP, "REPLACE", "connect_timeout: 3s")), ("IST0152", "operation", "ignores REPLACE"))
    patch = "applyTo: ROUTE_CONFIGURATION\npatch:\n  operation: ADD\n  value: {name: x}"
    finds(_filter(patch), ("IST0153", "operation: ADD", "istiod ignores ADD for ROUTE_CONFIGURATION"))


def test_a_selector_that_fits_nothing(finds: Callable) -> None:
    patch = CLUSTER % (APP, "MERGE", "connect_timeout: 3s")
    text = _filter(patch, "workloadSelector: {labels: {app: none}}\n")
    finds(text, ("IST0127", "workloadSelector", "this EnvoyFilter applies to nothing"))
