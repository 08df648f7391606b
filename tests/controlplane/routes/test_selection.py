from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.model import Protocol, Registry, Resolution, Service, ServicePort
from meshsim.controlplane.routes.facts import RouteFacts
from meshsim.controlplane.routes.selection import about_services, most_specific, services_of_port, split_hosts


def service(hostname: str, *ports: int) -> Service:
    return Service(
        hostname=hostname,
        name=hostname,
        namespace="shop",
        registry=Registry.EXTERNAL,
        resolution=Resolution.DNS_LB,
        ports=tuple(ServicePort(name=f"p{port}", port=port, protocol=Protocol.HTTP) for port in ports),
    )


def by_host(services: Sequence[Service]) -> dict[str, Service]:
    return {item.hostname: item for item in services}


def test_services_keep_the_listeners_port_alone() -> None:
    cache = GenerationCache()
    items = [service("A.com", 80, 81), service("b.com", 80), service("c.com", 81)]
    found = services_of_port(items, 80, cache)
    assert [(host, [port.port for port in item.ports]) for host, item in found.items()] == [
        ("a.com", [80]),
        ("b.com", [80]),
    ]
    assert found["b.com"] is items[1]
    assert services_of_port(items, 80, cache)["a.com"] is found["a.com"]
    assert list(services_of_port(items, 0, cache).values()) == items


def test_virtual_services_about_services(virtual_service: Callable[..., Any]) -> None:
    items = {
        host: virtual_service(f"{{hosts: ['{host}']}}")
        for host in ("a.com", "b.com", "*.com", "x.wild.org", "*.org", "*.net")
    }
    services = by_host([service("a.com", 80), service("*.wild.org", 80)])
    found = about_services(items.values(), services, RouteFacts.of)
    assert [item.hosts[0] for item in found] == ["a.com", "*.com", "x.wild.org", "*.org"]


def test_a_wildcard_takes_what_nobody_names_better(virtual_service: Callable[..., Any]) -> None:
    exact = virtual_service("{hosts: [a.com]}")
    narrow = virtual_service("{hosts: ['*.b.com', none.com]}")
    wide = virtual_service("{hosts: ['*.com', '*.org']}")
    services = [service(host, 80) for host in ("a.com", "x.b.com", "c.com")]
    winners = most_specific([wide, narrow, exact], services)
    assert winners == {"a.com": exact, "x.b.com": narrow, "c.com": wide}

    def split(item: Any) -> tuple[list[str], list[str]]:
        others, matched = split_hosts(item, RouteFacts.of(item), by_host(services), lambda: winners)
        return others, [found.hostname for found in matched]

    assert split(exact) == ([], ["a.com"])
    assert split(narrow) == (["none.com"], ["x.b.com"])
    assert split(wide) == (["*.org"], ["c.com"])
