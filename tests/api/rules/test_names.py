"""Forms of names, hosts, addresses and patterns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from meshsim.api.rules.names import (
    covers,
    is_address,
    is_namespace,
    is_sni_host,
    refuse_header_name,
    refuse_host,
    refuse_port,
    refuse_port_name,
    refuse_regex,
    refuse_subnet,
    refuse_subset_name,
    refuse_tag_key,
    refuse_tag_value,
    refuse_unix_path,
    refuse_wildcard_host,
)


@pytest.mark.parametrize("name", ["reviews", "a.b.svc.cluster.local", "A.example", "istio.io.", "x" * 63])
def test_hosts(name: str) -> None:
    assert refuse_host(name) is None
    assert refuse_wildcard_host(name) is None


@pytest.mark.parametrize("name", ["", "bad_host", "a b", "-a.example", "a..b", "192.0.2.1", "x" * 64, "a." * 130])
def test_not_hosts(name: str) -> None:
    assert refuse_host(name)
    assert refuse_wildcard_host(name)


def test_wildcards_are_whole_or_leading() -> None:
    for name in ("*", "*.example.com", "*foo.example.com", "*-foo.example.com"):
        assert refuse_wildcard_host(name) is None
    for name in ("foo*.example.com", "foo.*.com", "*.*.com"):
        assert refuse_wildcard_host(name)
    assert refuse_host("*.example.com")


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("function", "refuse"), [("agent.ValidateFQDN", refuse_host), ("agent.ValidateIPSubnet", refuse_subnet)]
)
def test_agrees_with_istio(oracle: Path, function: str, refuse: object) -> None:
    assert callable(refuse)
    seen = 0
    with gzip.open(oracle / "validation" / "validators.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            if case.get("function") == function and isinstance(case["args"][0], str):
                seen += 1
                assert (refuse(case["args"][0]) is not None) == (case["verdict"] == "invalid"), case
    assert seen >= 3


def test_addresses() -> None:
    assert is_address("10.0.0.1")
    assert is_address("2001:db8::1")
    assert not is_address("10.0.0.300")
    assert not is_address("fe80::1%eth0")
    for text in ("10.0.0.0/8", "2001:db8::/32", "10.0.0.1"):
        assert refuse_subnet(text) is None
    for text in ("10.0.0.0/33", "10.0.0.0/x", "::/129", "10.1", ""):
        assert refuse_subnet(text)


def test_small_names() -> None:
    assert is_namespace("shop-1")
    assert not is_namespace("shop_1")
    assert refuse_subset_name("v1") is None
    assert refuse_subset_name("v_1")
    assert refuse_subset_name("")
    assert refuse_port_name("http-web") is None
    assert refuse_port_name("http web")
    assert refuse_port(80) is None
    assert refuse_port(0)
    assert refuse_port(65_536)
    assert refuse_tag_key("app.kubernetes.io/name") is None
    assert refuse_tag_key("a b")
    assert refuse_tag_value("") is None
    assert refuse_tag_value("a b")
    assert refuse_header_name("x-user_id") is None
    assert refuse_header_name("x-user_id", strict=True)
    assert refuse_header_name("")


def test_unix_sockets() -> None:
    assert refuse_unix_path("/run/x.sock") is None
    assert refuse_unix_path("@abstract") is None
    assert refuse_unix_path("relative")
    assert refuse_unix_path("/run/")
    assert refuse_unix_path("")


@pytest.mark.parametrize(
    "pattern", ["a.*b", r"\d+", "(?P<name>a)", r"\pL+", r"\Qa.b\E", "[[:alpha:]]+", r"(?i)abc", r"a\z", "a{2,3}?"]
)
def test_patterns_of_re2(pattern: str) -> None:
    assert refuse_regex(pattern) is None


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?=x)", r"(a)\1", "a*+", "x" * 1025])
def test_not_patterns_of_re2(pattern: str) -> None:
    assert refuse_regex(pattern)


def test_a_wildcard_covers_what_ends_like_it() -> None:
    assert covers("*", "a.example")
    assert covers("*.example", "a.example")
    assert covers("*.example", "*.a.example")
    assert not covers("*.a.example", "*.example")
    assert not covers("a.example", "*.example")


def test_sni_of_auto_passthrough() -> None:
    assert is_sni_host("outbound_.80_._.reviews.shop.svc.cluster.local")
    assert is_sni_host("outbound_.80_.v1_.reviews.shop.svc.cluster.local")
    assert not is_sni_host("outbound_.web_._.reviews")
    assert not is_sni_host("outbound_.80_._")
