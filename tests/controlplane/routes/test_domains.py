"""Domains of services; the cases follow istio httproute_test.go (TestGenerateVirtualHostDomains)."""

from __future__ import annotations

from typing import Any

import pytest

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.model import Registry, Resolution, Service
from meshsim.controlplane.routes.domains import DomainSet, ServiceDomains, Viewpoint, domains_of, with_port


def service(hostname: str, **changes: Any) -> Service:
    values: dict[str, Any] = {
        "hostname": hostname,
        "name": "x",
        "namespace": "x",
        "registry": Registry.KUBERNETES,
        "resolution": Resolution.CLIENT_SIDE_LB,
        "ports": (),
    }
    return Service(**{**values, **changes})


@pytest.mark.parametrize(
    ("hostname", "dns_domain", "want"),
    [
        (
            "foo.local.campus.net",
            "local.campus.net",
            ["foo.local.campus.net", "foo.local.campus.net.", "foo"],
        ),
        (
            "foo.remote.campus.net",
            "local.campus.net",
            ["foo.remote.campus.net", "foo.remote.campus.net.", "foo.remote", "foo.remote.campus"],
        ),
        ("foo.com", "example.org", ["foo.com", "foo.com."]),
        (
            "echo.default.svc.cluster.local",
            "default.svc.cluster.local",
            [
                "echo.default.svc.cluster.local",
                "echo.default.svc.cluster.local.",
                "echo",
                "echo.default.svc",
                "echo.default",
            ],
        ),
        (
            "echo.default.svc.cluster.local",
            "mesh.svc.cluster.local",
            ["echo.default.svc.cluster.local", "echo.default.svc.cluster.local.", "echo.default", "echo.default.svc"],
        ),
        ("1.2.3.4", "default.svc.cluster.local", ["1.2.3.4"]),
    ],
)
def test_domains_without_ports(hostname: str, dns_domain: str, want: list[str]) -> None:
    domains, _ = domains_of(service(hostname), 0, dns_domain)
    assert domains == want


def test_domains_with_ports() -> None:
    domains, expanded = domains_of(service("foo.local.campus.net"), 80, "local.campus.net")
    assert domains == [
        "foo.local.campus.net",
        "foo.local.campus.net:80",
        "foo.local.campus.net.",
        "foo.local.campus.net.:80",
        "foo",
        "foo:80",
    ]
    assert expanded == domains[2:]


def test_addresses_and_pods_of_headless_services() -> None:
    with_ip, _ = domains_of(service("a.com", addresses=("10.0.0.1", "2001:db8::1")), 0, "d")
    assert with_ip[-2:] == ["10.0.0.1", "[2001:db8::1]"]
    headless, _ = domains_of(service("a.n.svc.c", resolution=Resolution.PASSTHROUGH), 0, "m.svc.c")
    assert headless[:4] == ["a.n.svc.c", "a.n.svc.c.", "a.n", "a.n.svc"]
    assert headless[4:] == [f"*.{domain}" for domain in headless[:4]]


def test_aliases_have_domains_too() -> None:
    domains, _ = domains_of(service("a.n.svc.c", aliases=("b.n.svc.c",)), 0, "n.svc.c")
    assert domains[5:7] == ["b.n.svc.c", "b.n.svc.c."]


def test_namespaces_share_the_domains_of_others_services() -> None:
    cache = GenerationCache()
    item = service("a.n.svc.c")
    own, one, two = (Viewpoint(f"{ns}.svc.c", cache).domains(item, 80, False) for ns in ("n", "x", "y"))
    assert one is two
    assert own is not one
    assert "a" in own.head.domains
    assert "a" not in one.head.domains
    aliased = service("a.n.svc.c", aliases=("b.x.svc.c",))
    assert "b" in Viewpoint("x.svc.c", cache).domains(aliased, 80, False).head.domains


def test_a_domain_is_given_once_whatever_its_case() -> None:
    taken = DomainSet(frozenset())
    first = ServiceDomains.of("a:80", ["a.com", "A"])
    assert taken.take(first) is first.head
    assert taken.take(ServiceDomains.of("b:80", ["a", "b"])).domains == ("b",)
    assert taken.take(ServiceDomains.of("c:80", ["c", "C"])).domains == ("c",)


def test_a_short_form_yields_to_a_service_of_that_name() -> None:
    taken = DomainSet(frozenset({"a.n"}))
    assert taken.take(ServiceDomains.of("x:80", ["a.n.svc.c", "a.n"], ["a.n"])).domains == ("a.n.svc.c",)
    assert taken.take(ServiceDomains.of("a.n:80", ["a.n"])).domains == ("a.n",)


def test_ports_of_hosts() -> None:
    assert with_port("::1", 80) == ["[::1]", "[::1]:80"]
    assert with_port("a", 0) == ["a"]
