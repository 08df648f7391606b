"""What Pilot only counts, at the objects that make it."""

from __future__ import annotations

from collections.abc import Callable

from meshsim.testing.manifests import manifest

SERVICE = "selector: {app: %s}\nports:\n- {name: %s, port: %d, targetPort: 8080}"


def _service(name: str, app: str, port: str, number: int, day: int) -> str:
    return manifest("Service", name, SERVICE % (app, port, number), day, version="v1")


def test_two_protocols_on_one_workload_port(finds: Callable) -> None:
    text = _service("one", "client", "http", 81, 1) + _service("two", "client", "grpc", 82, 2)
    (found,) = finds(text, ("MSH0581", "{name: grpc", "service one.shop.svc.cluster.local has the workload port 8080"))
    assert "pilot_conflict_inbound_listener" in found.hint
    finds(_service("one", "client", "http", 81, 1) + _service("two", "client", "http", 82, 2))


def test_two_entries_without_address_on_one_tcp_port(finds: Callable) -> None:
    spec = "hosts: [%s]\nports:\n- {number: 9000, name: tcp, protocol: TCP}\nresolution: DNS"
    text = manifest("ServiceEntry", "a", spec % "a.org") + manifest("ServiceEntry", "b", spec % "b.org", 2)
    found = finds(
        text,
        ("MSH0582", "{number: 9000", "the listener 0.0.0.0_9000, which a.org wants too,"),
    )
    assert found[-1].subject == "ServiceEntry shop/b"
    assert "pilot_conflict_outbound_listener_tcp_over_current_tcp" in found[-1].hint


def test_two_hosts_at_one_address(finds: Callable) -> None:
    spec = "hosts: [a.org, b.org]\naddresses: [10.9.9.9]\nports:\n- {number: 8080, name: http, protocol: HTTP}"
    text = manifest("ServiceEntry", "a", f"{spec}\nresolution: DNS")
    (found,) = finds(text, ("MSH0583", "{number: 8080", "the domain 10.9.9.9 on port 8080"))
    assert found.severity.value == "info"
    assert "pilot_vservice_dup_domain" in found.hint
