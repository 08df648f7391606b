"""DestinationRules that are merged, overridden or about nothing."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

V1 = "subsets:\n- name: v1\n  labels: {version: v1}"
POLICY = "trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}"


def test_a_host_that_is_not_there(finds: Callable) -> None:
    (found,) = finds(manifest("DestinationRule", "a", f"host: ap\n{V1}"), ("IST0174", "host: ap", "applies to nothing"))
    assert found.hint == "did you mean 'app.shop.svc.cluster.local'?"
    finds(manifest("DestinationRule", "a", f"host: '*.shop.svc.cluster.local'\n{POLICY}"))


def test_a_subset_without_endpoints(finds: Callable) -> None:
    text = manifest("DestinationRule", "a", "host: app\nsubsets:\n- name: v9\n  labels: {version: v9}")
    (found,) = finds(text, ("IST0173", "labels", "requests to subset 'v9' get 503 (flag UH)"))
    assert found.hint == "its endpoints have version=v1 and v2"
    (found,) = finds(text.replace("version: v9", "verion: v1"), ("IST0173", "labels", "verion=v1"))
    assert found.hint == "did you mean 'version'?"


def test_where_clients_choose_the_endpoint_subsets_need_none(finds: Callable) -> None:
    entry = manifest(
        "ServiceEntry",
        "a",
        "hosts: [a.org]\nports: [{number: 443, name: tls, protocol: TLS}]\nresolution: NONE\naddresses: [10.9.9.9]",
    )
    finds(entry + manifest("DestinationRule", "a", f"host: a.org\n{V1}"))


def test_of_two_for_one_host_the_older_leads(finds: Callable) -> None:
    one = manifest("DestinationRule", "z", f"host: app\n{V1}\n{POLICY}", 1)
    other = manifest("DestinationRule", "a", f"host: app.shop.svc.cluster.local\n{V1}\n{POLICY}", 2)
    finds(
        one + other,
        ("MSH0511", "name: v1", "pilot_destrule_subsets"),
        ("MSH0512", "trafficPolicy", "DestinationRule shop/z for app.shop.svc.cluster.local is older"),
    )
    apart = manifest("DestinationRule", "a", f"host: app\n{V1.replace('v1', 'v2')}", 2)
    finds(one + apart)


def test_other_visibility_overrides_instead(finds: Callable) -> None:
    one = manifest("DestinationRule", "z", f"host: app\n{V1}", 1)
    other = manifest("DestinationRule", "a", f"host: app\nexportTo: [.]\n{POLICY}", 2)
    finds(one + other, ("MSH0513", "host", "proxies of namespace shop follow that one alone"))


def test_a_selector_makes_a_rule_of_its_own(finds: Callable) -> None:
    one = manifest("DestinationRule", "z", f"host: app\nexportTo: [.]\n{V1}\n{POLICY}", 1)
    chosen = f"host: app\nworkloadSelector: {{matchLabels: {{app: client}}}}\n{POLICY}"
    finds(one + manifest("DestinationRule", "a", chosen, 2))
