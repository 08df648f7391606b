"""Decisions are made once for a configuration and anew for the next one."""

from __future__ import annotations

from meshsim.dataplane.decide.decision import Disposition
from meshsim.dataplane.decide.values import Connection, Request
from meshsim.world.views import ProxyViews
from meshsim.xds import type_urls

from .conftest import build


def test_equal_questions_are_decided_once() -> None:
    world, _ = build()
    running = next(r for name, r in world.fleet.proxies.items() if name.startswith("front"))
    views = ProxyViews("cluster.local")
    service = world.kube.server.get("Service", "shop", "stock")
    assert service is not None
    connection = Connection(source="10.0.0.1", destination=service.spec.text("clusterIP"), destination_port=80)
    request = Request(authority="stock.shop")
    first = views.outbound(running, connection, request, gateway=False)
    ((share, decision),) = first
    assert (share, decision.disposition) == (1, Disposition.FORWARDED)
    assert views.outbound(running, connection, request, gateway=False) is first
    running.config.active = running.config.active.apply(type_urls.CLUSTER, {}, (), "x")[0]
    assert views.outbound(running, connection, request, gateway=False) is not first
