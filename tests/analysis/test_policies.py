"""Policies that select nothing, and those of which only the oldest counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from meshsim.testing import manifests

manifest = partial(manifests.manifest, version="security.istio.io/v1")


STRICT = "mtls: {mode: STRICT}"


def test_of_two_for_a_namespace_the_older_counts(finds: Callable) -> None:
    text = manifest("PeerAuthentication", "z", STRICT, 1) + manifest("PeerAuthentication", "a", STRICT, 2)
    finds(text, ("MSH0542", "spec", "PeerAuthentication shop/z for namespace shop is older"))


def test_of_two_for_a_workload_the_older_counts(finds: Callable) -> None:
    chosen = f"selector: {{matchLabels: {{app: app}}}}\n{STRICT}"
    text = manifest("PeerAuthentication", "z", chosen, 1) + manifest("PeerAuthentication", "a", chosen, 2)
    finds(text, ("MSH0542", "selector", "selects app-v1 and app-v2 too and comes first: this one is ignored"))


def test_selectors_that_fit_nothing(finds: Callable) -> None:
    for kind, rest in (("PeerAuthentication", STRICT), ("AuthorizationPolicy", "rules: [{}]")):
        text = manifest(kind, "a", f"selector:\n  matchLabels:\n    app: app\n    version: v3\n{rest}")
        (found,) = finds(text, ("IST0127", "version: v3", "this applies to nothing"))
        assert found.hint == "there is version=v1 or v2"
    text = manifest("AuthorizationPolicy", "a", "selector:\n  matchLabels:\n    app: plain\nrules: [{}]")
    (found,) = finds(text, ("IST0127", "app: plain", "no workload of namespace shop"))
    assert found.hint == "such workloads are in namespace bare"


def test_a_policy_for_workloads_without_proxy(finds: Callable) -> None:
    text = manifest("AuthorizationPolicy", "a", "rules: [{}]", namespace="bare")
    finds(text, ("IST0127", "spec", "the workloads of namespace bare have no proxy: nobody enforces this"))


def test_namespaces_that_are_not_there(finds: Callable) -> None:
    rules = "rules:\n- from:\n  - source:\n      namespaces:\n      - shop\n      - oter"
    (found,) = finds(manifest("AuthorizationPolicy", "a", rules), ("IST0101", "oter", "there is no namespace oter"))
    assert found.hint == "did you mean 'other'?"
    finds(manifest("AuthorizationPolicy", "a", rules.replace("oter", "'oth*'")))


def test_targets_that_are_not_there(finds: Callable) -> None:
    target = "targetRefs:\n- {group: gateway.networking.k8s.io, kind: Gateway, name: gw}\nrules: [{}]"
    finds(
        manifest("AuthorizationPolicy", "a", target), ("IST0101", "name: gw", "no Gateway shop/gw of the Gateway API")
    )


def test_of_two_proxy_configs_the_older_counts(finds: Callable) -> None:
    group = "networking.istio.io/v1beta1"
    text = manifest("ProxyConfig", "z", "concurrency: 1", 1, version=group)
    text += manifest("ProxyConfig", "a", "concurrency: 2", 2, version=group)
    finds(text, ("MSH0543", "spec", "ProxyConfig shop/z has no selector either and is older"))
