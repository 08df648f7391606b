"""What a decision costs, and what it costs to take a large route table in.

Run on demand: ``python -m pytest -o addopts=--import-mode=importlib tests/benchmarks/test_decisions.py``. Bounds for
one core of a current machine: 60 us for a decision that was not made before, 2 us for one that was, 25 ms for a table
of 1,000 hosts. On a busy machine read the ratios to `test_calibrator`.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, Final

import pytest

from meshsim.controlplane.push_context import build_push_context
from meshsim.controlplane.resources import generate
from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.decide import (
    Connection,
    Disposition,
    PeerCertificate,
    Request,
    Transport,
    decide_inbound,
    decide_outbound,
    outcomes,
    route_actions,
    route_decoding,
    route_policies,
)
from meshsim.dataplane.decide.routes import RouteConfiguration
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.testing.generated_mesh import generated_mesh
from meshsim.world.views import ProxyViews
from meshsim.xds import type_urls
from meshsim.xds.references import references

pytestmark = pytest.mark.benchmark(timer=time.process_time)
TYPES: Final = (type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE)
TABLE: Final = "8080"
CLIENT: Final = Connection(source="10.0.0.1", destination="10.96.0.7", destination_port=8080)
PEER: Final = Connection(
    source="10.0.0.9",
    destination="10.1.0.1",
    destination_port=8080,
    transport=Transport.MTLS,
    alpn=("istio",),
    certificate=PeerCertificate(("spiffe://cluster.local/ns/a/sa/b",)),
)


def generated(services: int) -> dict[str, dict[str, bytes]]:
    """What Pilot sends one sidecar of a mesh of so many services, by type and name."""
    mesh = generated_mesh(services, 10, 1)
    push = build_push_context(mesh.store, mesh.mesh)
    wanted: dict[str, dict[str, None]] = {}
    sent: dict[str, dict[str, bytes]] = {}
    for type_url in TYPES:
        resources = generate(push, mesh.proxies[0], type_url, tuple(wanted.get(type_url, ())))
        for resource in resources:
            for kind, names in references(type_url, resource.body).items():
                wanted.setdefault(kind, {}).update(dict.fromkeys(names))
        sent[type_url] = {resource.name: resource.body for resource in resources}
    return sent


@pytest.fixture(scope="module")
def config() -> ActiveConfig:
    """A sidecar that knows 50 services and what is outside."""
    config, rejected = load_config(generated(50))
    assert not rejected
    assert len(config.routes[TABLE].virtual_hosts) == 51
    return config


@pytest.fixture(scope="module")
def requests(config: ActiveConfig) -> list[Request]:
    """One request to each of the services."""
    hosts = [h for h in config.routes[TABLE].virtual_hosts if h.domains != ("*",)]
    headers = (("user-agent", "x"), ("accept", "*/*"))
    return [Request(authority=f"{h.domains[0]}:8080", path="/items/1", headers=headers) for h in hosts]


def test_calibrator(benchmark: Any) -> None:
    """Plain work of a fixed size, about 0.5 ms where a decision takes 36 us."""

    def work() -> int:
        filled: dict[int, tuple[int, str]] = {}
        for number in range(5000):
            filled[number % 97] = (number, str(number))
        return len(filled)

    assert benchmark(work) == 97


def test_outbound(benchmark: Any, config: ActiveConfig, requests: list[Request]) -> None:
    """50 decisions a round, one for each virtual host."""
    found = benchmark(lambda: [decide_outbound(config, CLIENT, request) for request in requests])
    assert len(found) == 50
    assert {d.disposition for d in found} == {Disposition.FORWARDED}
    assert len({d.virtual_host for d in found}) == 50


def test_outbound_with_every_outcome(benchmark: Any, config: ActiveConfig, requests: list[Request]) -> None:
    """As the run asks: all ways with their probabilities, 50 requests a round."""
    found = benchmark(lambda: [outcomes(decide_outbound, config, CLIENT, request) for request in requests])
    assert [sum(p for p, _ in ways) for ways in found] == [1] * 50


def test_inbound(benchmark: Any, config: ActiveConfig, requests: list[Request]) -> None:
    """50 decisions a round behind mutual TLS."""
    found = benchmark(lambda: [decide_inbound(config, PEER, request) for request in requests])
    assert {d.disposition for d in found} == {Disposition.FORWARDED}


def test_made_before(benchmark: Any, config: ActiveConfig, requests: list[Request]) -> None:
    """50 questions a round that were asked before."""
    proxy = SimpleNamespace(id="p", namespace="a", service_account="b", addresses=("10.0.0.1",))
    running: Any = SimpleNamespace(proxy=proxy, config=SimpleNamespace(active=config))
    views = ProxyViews("cluster.local")
    first = [views.outbound(running, CLIENT, request, gateway=False) for request in requests]
    again = benchmark(lambda: [views.outbound(running, CLIENT, r, gateway=False) for r in requests])
    assert all(a is b for a, b in zip(first, again, strict=True))


def test_decode_a_table_of_1000_hosts(benchmark: Any) -> None:
    """Every round starts without anything remembered."""
    body = generated(1000)[type_urls.ROUTE][TABLE]

    def forget() -> tuple[tuple[ResourceCache], dict[str, Any]]:
        for remembered in (
            route_decoding._match,
            route_decoding._config_of,
            route_actions._shared,
            route_policies._retry,
        ):
            remembered.cache_clear()
        return (ResourceCache(),), {}

    table = benchmark.pedantic(lambda cache: cache.decode(type_urls.ROUTE, body), setup=forget, rounds=30)
    assert isinstance(table, RouteConfiguration)
    assert len(table.virtual_hosts) == 1001
