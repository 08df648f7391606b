from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.controlplane.model import Protocol, Registry, Resolution, Service, ServicePort
from meshsim.controlplane.routes.destinations import NOTHING, Meaning, destination_cluster


def service(*ports: int, external_name: str = "") -> Service:
    return Service(
        hostname="web.shop.svc.cluster.local",
        name="web",
        namespace="shop",
        registry=Registry.KUBERNETES,
        resolution=Resolution.CLIENT_SIDE_LB,
        ports=tuple(ServicePort(name=f"p{port}", port=port, protocol=Protocol.HTTP) for port in ports),
        external_name=external_name,
    )


def test_meanings() -> None:
    assert Meaning.of(None) == NOTHING
    assert Meaning.of(service(80)) == Meaning("", 80)
    assert Meaning.of(service(80, 81)) == NOTHING
    assert Meaning.of(service(80, external_name="a.com")) == Meaning("a.com", 80)


@pytest.mark.parametrize(
    ("destination", "meaning", "cluster"),
    [
        ("{host: a.com, port: {number: 81}}", Meaning("", 80), "outbound|81||a.com"),
        ("{host: a.com}", Meaning("", 80), "outbound|80||a.com"),
        ("{host: a.com}", NOTHING, "outbound|9999||a.com"),
        ("{host: a.com, subset: v1}", NOTHING, "outbound|9999|v1|a.com"),
        ("{host: a.com}", Meaning("b.com", 80), "outbound|80||b.com"),
        ("{}", NOTHING, "UnknownService"),
    ],
)
def test_clusters(fields: Callable[[str], Any], destination: str, meaning: Meaning, cluster: str) -> None:
    assert destination_cluster(fields(destination), meaning, 9999) == cluster
