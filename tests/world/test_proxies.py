"""Proxies keep their configuration without Pilot, and come back with back-off."""

from __future__ import annotations

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
