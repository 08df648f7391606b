from __future__ import annotations

from meshsim.controlplane.authz import TrustDomains

DOMAINS = TrustDomains.of("new", ["old"])


def test_a_principal_of_one_domain_is_one_of_all() -> None:
    assert DOMAINS.expand_principals(["old/ns/a/sa/b"]) == ["new/ns/a/sa/b", "old/ns/a/sa/b"]


def test_cluster_local_stands_for_the_meshs_own() -> None:
    assert DOMAINS.expand_principals(["cluster.local/ns/a/sa/b"]) == ["new/ns/a/sa/b", "old/ns/a/sa/b"]


def test_foreign_domains_and_other_forms_stay() -> None:
    principals = ["foreign/ns/a/sa/b", "*/ns/a/sa/b", "*", "*/sa/b"]
    assert DOMAINS.expand_principals(principals) == principals


def test_domains_of_a_rule() -> None:
    assert DOMAINS.expand_domains(["old", "foreign", "new"]) == ["new", "old", "foreign"]
