"""A flow remembers the route of each configuration version."""

from __future__ import annotations

from meshsim.dataplane.decide.decision import Decision, Disposition, Policies, Upstream
from meshsim.world.flows import Way, way_of

from .conftest import build


def test_ways_by_version() -> None:
    world, _ = build()
    (flow,) = world.router.flows
    assert flow.way(0) == flow.way(99) == Way("", "")
    assert flow.way(len(flow.ways)) == Way("default", "")
    assert flow.service == "stock.shop.svc.cluster.local"
    assert flow.expected.app == "stock"


def test_sessions_of_tcp_proxies_know_their_cluster() -> None:
    cluster = Upstream("outbound|1||a", 1, None, None, None, http2=False, transports=())
    tcp, http = Policies(connect_attempts=1), Policies()
    assert way_of(Decision(Disposition.CLOSED, upstreams=(cluster,), policies=tcp)) == Way("", "outbound|1||a")
    assert way_of(Decision(Disposition.FORWARDED, upstreams=(cluster,))) == Way("", "outbound|1||a")
    assert way_of(Decision(Disposition.CLOSED, upstreams=(cluster,))) == Way()
    sent = Decision(Disposition.FORWARDED, route="r", method="GET", upstreams=(cluster,), policies=http)
    assert way_of(sent) == Way("r", "")
