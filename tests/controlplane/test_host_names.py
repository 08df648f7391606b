from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.controlplane.host_names import (
    bracketed,
    domain_with_port,
    host_order,
    host_within,
    hosts_for_namespace,
    hosts_overlap,
    intersection,
    is_ip_address,
    resolve_gateway_name,
    resolve_short_name,
)

HOSTS = st.builds(
    lambda wild, labels: ("*." if wild else "") + ".".join(labels),
    st.booleans(),
    st.lists(st.sampled_from(("a", "b", "com")), min_size=1, max_size=4),
)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        # The table of istio pkg/config/host/name_test.go TestNameMatches.
        ("foo.com", "foo.com", True),
        ("*", "foo.com", True),
        ("foo.com", "*", True),
        ("*.com", "*.foo.com", True),
        ("*.foo.com", "*.com", True),
        ("*foo.com", "*bar.foo.com", True),
        ("foo.com", "bar.com", False),
        ("*.foo.com", "foo.com", False),
        ("*.foo.com", "bar.com", False),
        ("*.foo.com", "*.bar.com", False),
    ],
)
def test_overlap(one: str, other: str, overlap: bool) -> None:
    assert hosts_overlap(one, other) is overlap


@given(HOSTS, HOSTS)
def test_overlap_is_being_within_in_one_direction(one: str, other: str) -> None:
    assert hosts_overlap(one, other) == hosts_overlap(other, one)
    assert hosts_overlap(one, other) == (host_within(one, other) or host_within(other, one))


@given(st.lists(HOSTS, max_size=4), st.lists(HOSTS, max_size=4))
def test_intersection_is_within_both(hosts: list[str], others: list[str]) -> None:
    for host in intersection(hosts, others):
        assert any(host_within(host, cover) for cover in hosts)
        assert any(host_within(host, cover) for cover in others)


def test_intersection_takes_the_narrower_name() -> None:
    assert intersection(["*.com", "a.org"], ["a.com", "*"]) == ["a.com", "*.com", "a.org"]


def test_plain_hosts_come_first_then_the_longest() -> None:
    hosts = ["*", "b.com", "*.b.com", "*.com", "a.b.com"]
    assert sorted(hosts, key=host_order) == ["a.b.com", "b.com", "*.b.com", "*.com", "*"]


def test_hosts_of_a_server_by_namespace() -> None:
    hosts = ["a.com", "shop/b.com", "*/c.com", "other/d.com"]
    assert hosts_for_namespace(hosts, "shop") == ["a.com", "b.com", "c.com"]


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("reviews", "reviews.shop.svc.cluster.local"),
        ("reviews.other", "reviews.other"),
        ("reviews.com", "reviews.com"),
        ("*", "*"),
        ("", ""),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_names_without_a_dot_are_completed(host: str, full: str) -> None:
    assert resolve_short_name(host, "shop", "cluster.local") == full


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # The table of istio pilot/pkg/model/gateway tests (resolveGatewayName).
        ("./gateway", "default/gateway"),
        ("gateway", "default/gateway"),
        ("default/gateway", "default/gateway"),
        ("gateway.default", "default/gateway"),
        ("gateway.default.svc.cluster.local", "default/gateway"),
        ("private/gateway", "private/gateway"),
        ("mesh", "mesh"),
    ],
)
def test_gateway_names(written: str, meant: str) -> None:
    assert resolve_gateway_name(written, "default") == meant


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", True),
        ("::1", True),
        ("1.2.3", False),
        ("a.b", False),
        ("", False),
        ("1.2.3.4x", False),
        ("a1", False),
    ],
)
def test_addresses(text: str, address: bool) -> None:
    assert is_ip_address(text) is address


def test_ipv6_addresses_stand_in_brackets() -> None:
    assert bracketed("::1") == "[::1]"
    assert bracketed("a.com") == "a.com"
    assert domain_with_port("::1", 80) == "[::1]:80"
    assert domain_with_port("a.com", 80) == "a.com:80"
