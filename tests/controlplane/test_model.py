from __future__ import annotations

from typing import Any

from meshsim.controlplane.model import Protocol, PushStatus, Registry, Resolution, Service, ServicePort


def _service(**more: Any) -> Service:
    fields: dict[str, Any] = {
        "hostname": "h",
        "name": "h",
        "namespace": "n",
        "registry": Registry.EXTERNAL,
        "resolution": Resolution.CLIENT_SIDE_LB,
        "ports": (ServicePort(name="http", port=80, protocol=Protocol.HTTP),),
    }
    return Service(**{**fields, **more})


def test_ports_are_found_by_number_and_name() -> None:
    service = _service()
    assert service.port(80) is service.port_named("http")
    assert service.port(81) is None
    assert service.port_named("x") is None


def test_allocated_addresses_count_under_dns_capture_only() -> None:
    service = _service(auto_address="240.240.0.1")
    assert service.addresses_for(dns_capture=True) == ("240.240.0.1",)
    assert service.addresses_for(dns_capture=False) == ("0.0.0.0",)
    assert _service(default_address="10.1.1.1").addresses_for(dns_capture=True) == ("10.1.1.1",)
    assert _service(addresses=("10.96.0.1", "fd00::1")).addresses_for(dns_capture=True) == ("10.96.0.1", "fd00::1")


def test_services_are_compared_by_identity() -> None:
    assert _service() != _service()


def test_protocol_families() -> None:
    assert Protocol.GRPC.is_http
    assert Protocol.GRPC.is_http2
    assert Protocol.HTTPS.is_tcp
    assert Protocol.HTTPS.is_tls
    assert not Protocol.UDP.is_tcp


def test_a_conflict_counts_once_for_each_key() -> None:
    status, other = PushStatus(), PushStatus()
    status.add("m", "a", "p", "first")
    other.add("m", "a", "p", "second")
    other.add("m", "b")
    status.update(other)
    assert status.counts == {"m": {"a": ("p", "second"), "b": ("", "")}}
