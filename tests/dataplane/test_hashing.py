"""Hashes, rings and tables against the values of Envoy's own unit tests (test/common/common/hash_test.cc, ring_hash and
maglev tests) and against what was measured on Envoy 1.40."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meshsim.dataplane.engine import Engine
from meshsim.dataplane.hashing import (
    WeightedKey,
    build_maglev,
    build_ring,
    combine_hashes,
    murmur_hash2,
    xx_hash64,
    xx_hash64_all,
)
from meshsim.dataplane.specs import FlowSpec, HashingSpec, LbPolicy
from meshsim.testing.meshes import CLUSTER, HOST, ROUTE, add_requests
from meshsim.units import SECOND


def read(shared: Path, name: str) -> Any:
    return json.loads((shared / "conformance" / "envoy-golden-hash" / name).read_text(encoding="utf-8"))


def weighted(hosts: list[str], weights: list[int] | None = None) -> tuple[WeightedKey, ...]:
    weights = weights or [1] * len(hosts)
    return tuple(WeightedKey(host, weight / sum(weights)) for host, weight in zip(hosts, weights, strict=True))


def test_hash_functions() -> None:
    assert xx_hash64(b"foo") == 3728699739546630719
    assert xx_hash64(b"") == 17241709254077376921
    assert xx_hash64(bytes(range(100))) == xx_hash64(bytes(range(100)), 0)
    assert xx_hash64_all([b"foo", b"bar"]) == 17745830980996999794
    assert murmur_hash2(b"foo") == 9631199822919835226
    assert murmur_hash2(b"longer than seven chars") == 15194079855121201171


def test_hashes_of_several_policies_are_rotated_together_up_to_a_terminal_one() -> None:
    assert combine_hashes([(None, False)]) is None
    assert combine_hashes([(5, False), (3, False)]) == (5 << 1) ^ 3
    assert combine_hashes([(1 << 63, False), (0, False)]) == 1
    assert combine_hashes([(5, True), (3, False)]) == 5
    assert combine_hashes([(None, True), (3, False)]) == 3


def test_a_maglev_table_of_envoys_own_tests() -> None:
    hosts = [f"127.0.0.1:{90 + i}" for i in range(6)]
    assert build_maglev(weighted(hosts), 7) == (2, 4, 0, 1, 5, 0, 3)
    assert build_maglev((), 7) == ()
    assert build_ring((), 7, 7, False) == ()


def test_weights_show_in_tables_and_rings() -> None:
    hosts = weighted([f"10.0.0.{i}:80" for i in range(3)], [1, 2, 5])
    table = Counter(build_maglev(hosts, 1009))
    ring = Counter(number for _, number in build_ring(hosts, 1024, 8_388_608, False))
    for number, share in enumerate((0.125, 0.25, 0.625)):
        assert table[number] / 1009 == pytest.approx(share, abs=0.003)
        assert ring[number] / 1024 == pytest.approx(share, abs=0.003)


@pytest.mark.needs_shared
def test_golden_functions(shared: Path) -> None:
    golden = read(shared, "hash_golden.json")
    for text, value in golden["xxHash64_seed0"].items():
        assert xx_hash64(text.encode()) == value
    for text, value in golden["murmurHash2_seed_0xc70f6907"].items():
        assert murmur_hash2(text.encode()) == value


@pytest.mark.needs_shared
def test_golden_rings(shared: Path) -> None:
    for case in read(shared, "hash_golden.json")["ring"]:
        hosts = case.get("hosts", [])
        if not hosts or "locality" in case["case"].lower():
            continue
        murmur = case["hash"] == "MURMUR_HASH_2" if "hash" in case else False
        most = case.get("maximum_ring_size", 8_388_608)
        ring = build_ring(weighted(hosts, case.get("weights")), case["minimum_ring_size"], most, murmur)
        if "ring_port_position" in case:
            found = [[int(hosts[number].rpartition(":")[2]), place] for place, number in ring]
            assert found == case["ring_port_position"], case["case"]
        else:
            assert {str(place): number for place, number in ring} == case["position_to_host_index"]


@pytest.mark.needs_shared
def test_golden_tables(shared: Path) -> None:
    for case in read(shared, "hash_golden.json")["maglev"]:
        weights = case.get("weights") or case.get("effective_weights")
        assert list(build_maglev(weighted(case["hosts"], weights), case["table_size"])) == case["table"], case["case"]


@pytest.mark.needs_shared
def test_every_pick_of_a_real_envoy(shared: Path) -> None:
    measured = read(shared, "lb_picks_measured_1.40.json")
    right = total = 0
    for name, config in measured["configs"].items():
        hosts = weighted(measured["hosts"], config["weights"])
        for value, host in config.get("picks", {}).items():
            key = xx_hash64(value.encode("latin-1"))
            if name.startswith("maglev"):
                table = build_maglev(hosts, int(name.split("-")[1]))
                number = table[key % len(table)]
            else:
                ring = build_ring(hosts, 12 if name.endswith("min12") else 1024, 8_388_608, "murmur" in name)
                number = ring[bisect_left(ring, (key, 0)) % len(ring)][1]
            right += measured["hosts"][number].startswith(f"{host}:")
            total += 1
    assert (right, total) == (301, 301)


@pytest.mark.needs_shared
def test_the_event_core_picks_the_same_hosts(shared: Path) -> None:
    measured = read(shared, "lb_picks_measured_1.40.json")
    right = total = 0
    for name, config in measured["configs"].items():
        values = config.get("picks", {})
        if not values:
            continue
        engine = Engine(1, mode="plain", sample_rate=1.0)
        maglev = name.startswith("maglev")
        hashing = HashingSpec(
            least_ring=12 if name.endswith("min12") else 1024,
            murmur="murmur" in name,
            table_size=int(name.split("-")[1]) if maglev else 65_537,
        )
        policy = LbPolicy.MAGLEV if maglev else LbPolicy.RING_HASH
        cluster = engine.add_cluster(replace(CLUSTER, policy=policy, hashing=hashing))
        weights = zip(measured["hosts"], config["weights"], strict=True)
        engine.set_hosts(cluster, [(host, replace(HOST, weight=weight)) for host, weight in weights])
        for turn, value in enumerate(values):
            flow = engine.add_flow(FlowSpec(proxy=-1, workload=0, pod=-1, call=-1))
            key = xx_hash64(value.encode("latin-1"))
            engine.set_route(flow, replace(ROUTE, clusters=((cluster, 1),), hash=key))
            add_requests(engine, flow, [turn * SECOND])
        engine.run_until(100 * SECOND)
        rows = engine.drain()
        found = [str(engine.host_name(row)[1]) for row in rows[np.argsort(rows["start"])]["host"].tolist()]
        right += sum(name.startswith(f"{host}:") for name, host in zip(found, values.values(), strict=True))
        total += len(values)
    assert (right, total) == (301, 301)


def test_a_lost_host_moves_few_keys_of_a_table() -> None:
    chance = random.Random(1)
    hosts = [f"10.0.{chance.randrange(256)}.{i}:80" for i in range(10)]
    before, after = build_maglev(weighted(hosts), 65_537), build_maglev(weighted(hosts[:-1]), 65_537)
    moved = sum(a != b for a, b in zip(before, after, strict=True)) / 65_537
    assert 0.1 <= moved < 0.2
