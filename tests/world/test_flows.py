"""A flow remembers the route of each configuration version."""

from __future__ import annotations

from .conftest import build


def test_route_names_by_version() -> None:
    world, _ = build()
    (flow,) = world.router.flows
    assert flow.route_name(0) == ""
    assert flow.route_name(len(flow.routes)) == "default"
    assert flow.route_name(99) == ""
    assert flow.service == "stock.shop.svc.cluster.local"
    assert flow.expected.app == "stock"
