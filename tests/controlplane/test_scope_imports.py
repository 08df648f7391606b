from __future__ import annotations

from typing import Any

import pytest

from meshsim.api import make_object
from meshsim.controlplane.generation_cache import GenerationCache
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Protocol, Registry, Resolution, Service, ServicePort, VirtualService
from meshsim.controlplane.scope_imports import (
    Imports,
    ServiceUnion,
    all_destinations,
    destinations,
    route_targets,
    with_port,
    with_ports,
)

MESH = build_mesh_config()


def _service(*ports: int, host: str = "web.n", registry: Registry = Registry.EXTERNAL, **more: Any) -> Service:
    made = tuple(ServicePort(name=f"p{n}", port=n, protocol=Protocol.HTTP) for n in ports)
    values: dict[str, Any] = {"resolution": Resolution.CLIENT_SIDE_LB, "namespace": "n", **more}
    return Service(hostname=host, name=host, registry=registry, ports=made, **values)


def _imports(*hosts: str) -> Imports:
    imports = Imports()
    for host in hosts:
        imports.add(host)
    return imports


@pytest.mark.parametrize(
    ("imported", "host", "takes"),
    [
        ("web.n", "web.n", True),
        ("web.n", "db.n", False),
        ("*.n", "web.n", True),
        ("*", "web.n", True),
        ("web.n", "*.n", False),
        ("*.n", "*.a.n", True),
    ],
)
def test_services_are_imported_by_host(imported: str, host: str, takes: bool) -> None:
    assert _imports(imported).takes_service(host) is takes


def test_virtual_services_are_imported_where_hosts_overlap() -> None:
    assert _imports("web.n").takes_virtual_service("*.n", False)
    assert not _imports("web.n").takes_virtual_service("*.n", True)
    assert _imports("*.n").takes_virtual_service("web.n", True)
    assert not _imports("*.m").takes_virtual_service("web.n", False)


def test_excluded_hosts() -> None:
    imports = Imports(excluded=["*.secret.n", "db.n"])
    assert imports.excludes("a.secret.n")
    assert imports.excludes("db.n")
    assert not imports.excludes("web.n")


def test_ports_of_a_listener_or_a_route() -> None:
    service = _service(80, 90)
    assert with_port(service, 70) is None
    assert [p.port for p in with_port(service, 90).ports] == [90]  # type: ignore[union-attr]
    single = _service(80)
    assert with_port(single, 80) is single
    assert with_ports(service, frozenset()) is service
    assert with_ports(service, frozenset({80, 90})) is service
    assert [p.port for p in with_ports(service, frozenset({80, 1})).ports] == [80]  # type: ignore[union-attr]
    assert with_ports(service, frozenset({1})) is None


def test_parts_of_a_service_are_joined() -> None:
    union = ServiceUnion()
    union.add(_service(80))
    union.add(_service(80, 90))
    union.add(_service(70, namespace="other"))
    (service,) = union.services
    assert [p.port for p in service.ports] == [80, 90]
    assert union.by_host() == {"web.n": service}


def test_a_kubernetes_service_takes_the_place_of_an_entry() -> None:
    union = ServiceUnion()
    kube = _service(80, registry=Registry.KUBERNETES)
    for service in (_service(90), kube, _service(70)):
        union.add(service)
    assert union.services == [kube]


def _virtual_service(spec: dict[str, Any]) -> VirtualService:
    source = make_object({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": spec})
    return VirtualService(
        source=source,
        spec=source.spec,
        name="v",
        namespace="n",
        created=0,
        hosts=("web.n",),
        gateways=("mesh",),
        export_to=frozenset("*"),
    )


def test_every_service_that_some_namespace_may_be_led_to() -> None:
    mine, theirs, other = _service(80, host="a.n"), _service(80, host="a.n"), _service(80, host="b.n")
    by_host = {"a.n": {"x": mine, "y": theirs}, "b.n": {"x": other}, "c.n": {"x": _service(80, host="c.n")}}
    routes = [
        {"match": [{"sourceNamespace": "z"}], "route": [{"destination": {"host": "a.n"}}]},
        {"route": [{"destination": {"host": "gone.n"}}], "mirror": {"host": "b.n"}},
    ]
    found = all_destinations(GenerationCache(), [_virtual_service({"http": routes})], by_host)
    assert found == {mine, theirs, other}


def test_destinations_of_routes_and_mirrors() -> None:
    routes = route_targets(
        _virtual_service(
            {
                "http": [
                    {
                        "match": [{"sourceNamespace": "a"}],
                        "route": [{"destination": {"host": "only-a"}}],
                    },
                    {
                        "match": [{"sourceNamespace": "a"}, {"uri": {"exact": "/"}}],
                        "route": [
                            {"destination": {"host": "one", "port": {"number": 80}}},
                            {"destination": {"host": "one", "port": {"number": 81}}},
                            {"destination": {"host": "two", "port": {"number": 80}}},
                        ],
                        "mirror": {"host": "two"},
                        "mirrors": [{"destination": {"host": "three"}}],
                    },
                ],
                "tcp": [{"route": [{"destination": {"host": "four", "port": {"number": 5}}}]}],
                "tls": [{"match": [{"sniHosts": ["x"]}], "route": [{"destination": {"host": "five"}}]}],
            }
        )
    )
    everywhere = {
        "one": frozenset({80, 81}),
        "two": frozenset[int](),
        "three": frozenset[int](),
        "four": frozenset({5}),
        "five": frozenset[int](),
    }
    assert destinations(routes, "b") == everywhere
    assert destinations(routes, "a") == {**everywhere, "only-a": frozenset()}
