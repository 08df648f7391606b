"""Proxies keep their configuration without Pilot, and come back with back-off."""

from __future__ import annotations

import pytest

from meshsim.testing.ads_resources import eds_cluster
from meshsim.trace import XdsEvent
from meshsim.xds import type_urls
from meshsim.xds.bodies import Bodies
from meshsim.xds.delta_response import DeltaResponse, ReceivedBody

from .conftest import build, seconds


def test_a_closed_stream_is_tried_again() -> None:
    world, _ = build(duration="60s")
    world.env.call_at(seconds(1), world.pilot.stop)
    world.env.call_at(seconds(5), lambda: world.pilot.start(world.kube.server.objects))
    world.traffic.silence()
    world.env.run(until=seconds(4))
    assert not any(r.connected for r in world.fleet.proxies.values())
    assert all(r.config.active.listeners for r in world.fleet.proxies.values())
    world.env.run(until=seconds(59))
    assert all(r.connected for r in world.fleet.proxies.values())


def test_a_stopped_proxy_leaves_pilot() -> None:
    world, _ = build()
    name = next(iter(world.fleet.proxies))
    world.fleet.stop(name)
    assert name not in world.pilot.connections


def test_the_stream_of_a_simulated_proxy_leaves_the_records_of_a_real_one() -> None:
    """Kinds and order are those of tests/conformance/test_envoy_ads.py: EDS before the CDS ACK."""
    world, _ = build(duration="60s")
    events: list[XdsEvent] = []
    world.taps.xds_event.listen(events.append)
    name = next(iter(world.fleet.proxies))
    proxy = world.fleet.proxies[name].proxy
    world.fleet.stop(name)
    world.fleet.start(proxy)
    world.traffic.silence()
    world.env.run(until=seconds(5))
    seen = [(type_urls.SHORT[e.type_url], e.kind) for e in events if e.stream == name and e.kind != "send"]
    assert seen[:4] == [("cds", "first"), ("eds", "first"), ("cds", "ack"), ("lds", "first")]
    assert [e.time for e in events] == sorted(e.time for e in events)


def test_routes_of_a_replaced_listener_stay_subscribed_until_it_has_drained() -> None:
    world, _ = build(duration="100s")
    running = next(r for r in world.fleet.proxies.values() if r.config.active.route_names)
    config, client = running.config, running.client
    name = config.active.route_names[0]
    holder = next(x for x in config.active.listeners.values() if name in x.route_names)
    response = DeltaResponse(type_urls.LISTENER, "n", "v", removed_resources=(holder.name,))
    world.traffic.silence()
    world.env.call_at(seconds(1), lambda: world.fleet.deliver(running.proxy.id, response))
    world.env.run(until=seconds(40))
    assert holder.name not in config.active.listeners
    assert name in client.names(type_urls.ROUTE)
    world.env.run(until=seconds(50))
    assert name not in client.names(type_urls.ROUTE)


def test_a_proxy_goes_on_without_what_does_not_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = build(duration="60s")
    monkeypatch.setattr(world.fleet, "_send", lambda *_: None)
    name = next(iter(world.fleet.proxies))
    running = world.fleet.proxies[name]
    cluster = eds_cluster("slow", patience=2)
    response = DeltaResponse(type_urls.CLUSTER, "n", "v", Bodies([ReceivedBody("slow", cluster.SerializeToString())]))
    world.traffic.silence()
    world.env.call_at(seconds(1), lambda: world.fleet.deliver(name, response))
    world.env.run(until=seconds(2))
    assert "slow" in running.config.active.warming_clusters
    assert running.client.deadline is not None
    world.env.run(until=seconds(4))
    assert "slow" in running.config.active.clusters
    assert running.client.deadline is None
