"""Everything Pilot sends to any proxy of any shipped scenario is accepted by the real Envoy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from meshsim.recording import ColumnData, Record
from meshsim.scenario import load_scenario
from meshsim.testing.envoy import envoy_binary, validate
from meshsim.units import Nanos
from meshsim.world.model import RunOptions, World
from meshsim.xds import type_urls

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.yaml"))

Resources = dict[str, dict[str, bytes]]


class ConfigSink:
    """Keeps every configuration each proxy had after each response."""

    def __init__(self) -> None:
        self.current: dict[str, Resources] = {}
        self.states: dict[str, list[Resources]] = {}

    def add_requests(self, columns: Mapping[str, ColumnData]) -> None:
        """Not of interest."""

    def add_series(self, columns: Mapping[str, ColumnData]) -> None:
        """Not of interest."""

    def add_counters(self, columns: Mapping[str, ColumnData]) -> None:
        """Not of interest."""

    def add_record(self, record: Record) -> None:
        """Not of interest."""

    def add_config(
        self, time: Nanos, proxy: str, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str]
    ) -> None:
        resources = self.current.setdefault(proxy, {}).setdefault(type_url, {})
        resources.update(changed)
        for name in removed:
            resources.pop(name, None)

    def keep(self) -> None:
        """Remember the present state of every proxy."""
        for proxy, state in self.current.items():
            copy = {type_url: dict(resources) for type_url, resources in state.items()}
            kept = self.states.setdefault(proxy, [])
            if not kept or kept[-1] != copy:
                kept.append(copy)


def _binary() -> Path:
    binary = envoy_binary()
    assert binary is not None
    return binary


def _distinct(states: Sequence[Resources]) -> list[Resources]:
    """One of those that differ in more than whose they are: replicas and bystanders get the same kinds of resources."""
    found: dict[frozenset[tuple[str, str, bytes]], Resources] = {}
    for state in states:
        key = frozenset((t, n, b) for t in (type_urls.CLUSTER, type_urls.ROUTE) for n, b in state.get(t, {}).items())
        found.setdefault(key, state)
    return list(found.values())


@pytest.mark.needs_envoy
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_every_configuration_is_accepted(path: Path) -> None:
    binary = _binary()
    loaded = load_scenario(path)
    sink = ConfigSink()
    until = max((action.at for action in loaded.actions), default=0) + 2_000_000_000
    world = World(loaded, 1, sink, RunOptions(mode="plain", until=until))
    sink.keep()
    for action in loaded.actions:
        world.env.call_at(action.at + 1_000_000_000, sink.keep)
    world.traffic.silence()
    world.env.run(until=until)
    states = _distinct([state for kept in sink.states.values() for state in kept])
    assert len(states) > len(loaded.actions)
    sample = states if len(states) <= 12 else states[:: len(states) // 12]
    for state in sample:
        assert validate(binary, state) == ""


@pytest.mark.needs_envoy
def test_the_judge_refuses_what_is_wrong() -> None:
    from meshsim.xds.messages import cluster_pb2

    bad = cluster_pb2.Cluster(name="bad", type=cluster_pb2.Cluster.STATIC)
    bad.connect_timeout.FromSeconds(-1)
    reason = validate(_binary(), {type_urls.CLUSTER: {"bad": bad.SerializeToString()}})
    assert "positive duration" in reason
