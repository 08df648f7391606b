"""The interpreted engine is the reference: compiled, cut into any batches and sampled at any rate it does the same."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshsim.dataplane.engine import ClusterStats, Counters, Engine
from meshsim.dataplane.invariants import check_invariants
from meshsim.dataplane.specs import InboundKind
from meshsim.dataplane.storage import LOG_DTYPE, Mode
from meshsim.dataplane.tables import choose_mode
from meshsim.testing.meshes import add_service, add_traffic, exponential
from meshsim.testing.random_meshes import RandomMesh
from meshsim.units import MILLISECOND, SECOND, Nanos

END = 2 * SECOND
compiled = pytest.mark.skipif(choose_mode("numba") is Mode.PLAIN, reason="numba is not installed")
meshes = st.integers(min_value=0, max_value=1 << 32)
quiet = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Outcome(NamedTuple):
    """Everything a run leaves behind."""

    digest: int
    counters: Counters
    log: bytes
    series: bytes
    stats: list[ClusterStats]


def outcome(mode: Mode, number: int, cuts: list[Nanos], *, sample_rate: float = 1.0, sound: bool = False) -> Outcome:
    """Run the mesh of this number, stopping at each cut."""
    engine = Engine(number, mode=mode, stations=number % 2 == 0, sample_rate=sample_rate)
    mesh = RandomMesh(engine, number)
    for cut in [*cuts, END]:
        engine.run_until(cut)
        if sound:
            assert check_invariants(engine.tables) == []
    return Outcome(
        engine.digest,
        engine.counters,
        engine.drain().tobytes(),
        engine.drain_series().tobytes(),
        [engine.cluster_stats(cluster) for cluster in range(mesh.clusters)],
    )


@compiled
@settings(quiet, max_examples=25)
@given(number=meshes)
def test_compiled_equals_interpreted(number: int) -> None:
    assert outcome(Mode.NUMBA, number, []) == outcome(Mode.PLAIN, number, [])


@settings(quiet, max_examples=15)
@given(number=meshes, cuts=st.lists(st.integers(min_value=0, max_value=END), max_size=40))
def test_batches_do_not_matter(number: int, cuts: list[Nanos]) -> None:
    mode = choose_mode()
    assert outcome(mode, number, sorted(cuts)) == outcome(mode, number, [])


@settings(quiet, max_examples=10)
@given(number=meshes)
def test_sampling_does_not_matter_and_keeps_whole_traces(number: int) -> None:
    mode = choose_mode()
    full = outcome(mode, number, [])
    some = outcome(mode, number, [], sample_rate=0.3)
    assert (some.digest, some.counters, some.series, some.stats) == (
        full.digest,
        full.counters,
        full.series,
        full.stats,
    )
    width = len(full.log) // max(len(full.log) // LOG_DTYPE.itemsize, 1)
    rows = {full.log[at : at + width] for at in range(0, len(full.log), width)}
    kept = {some.log[at : at + width] for at in range(0, len(some.log), width)}
    roots = {row[:8] for row in kept}
    assert kept == {row for row in rows if row[:8] in roots}


@settings(quiet, max_examples=10)
@given(number=meshes)
def test_tables_stay_sound(number: int) -> None:
    chance = random.Random(number)
    cuts = sorted(chance.randrange(END) for _ in range(30))
    outcome(Mode.PLAIN, number, cuts, sound=True)


@settings(quiet, max_examples=10)
@given(number=meshes)
def test_times_of_a_request_are_in_order(number: int) -> None:
    engine = Engine(number, stations=number % 2 == 0, sample_rate=1.0)
    RandomMesh(engine, number)
    engine.run_until(END)
    rows = engine.drain()
    tried = rows[rows["attempt"] > 0]
    served = tried[tried["served"] > 0]
    done = tried[tried["done"] > 0]
    assert (tried["start"] <= tried["attempt_start"]).all()
    assert (tried["attempt_start"] <= tried["end"]).all()
    assert (served["arrived"] <= served["served"]).all()
    assert (done["attempt_start"] <= done["done"]).all()
    assert (done["done"] <= done["end"]).all()
    last = rows[rows["last"] == 1]
    assert (last["request_end"] >= last["end"]).all()
    assert len(np.unique(last["request"])) == len(last) == engine.counters.finished
    assert int(engine.drain_series()["requests"].sum()) == engine.counters.finished


@compiled
def test_bounds_checked_code_finds_nothing() -> None:
    for number in range(6):
        assert outcome(Mode.CHECKED, number, []) == outcome(Mode.PLAIN, number, [])


@compiled
def test_compiled_equals_interpreted_where_redirects_are_followed() -> None:
    def digest(mode: Mode) -> tuple[int, Counters]:
        engine = Engine(7, mode=mode)
        target = add_service(engine, pods=3, handler={"service": exponential(5 * MILLISECOND)})
        answers = {"inbound": InboundKind.REPLY, "inbound_status": 302, "jitter": MILLISECOND}
        route = {"follows": (302,), "redirects": ((0, target.flow),), "timeout": 20 * MILLISECOND}
        source = add_service(engine, host=answers, route=route)
        engine.run_until(1)
        engine.tables.set("inbound", engine.tables.get("host", 3, "inbound"), "location", 1)
        add_traffic(engine, [source.flow], 400.0)
        engine.run_until(END)
        assert engine.count_clusters().of(source.cluster)["upstream_internal_redirect_succeeded_total"] > 700
        return engine.digest, engine.counters

    assert digest(Mode.NUMBA) == digest(Mode.PLAIN)


def test_seeds_differ() -> None:
    def digest(seed: int) -> int:
        engine = Engine(seed, mode=Mode.PLAIN)
        RandomMesh(engine, 4, span=100 * MILLISECOND)
        engine.run_until(SECOND)
        return engine.digest

    assert digest(1) != digest(2)
    assert digest(1) == digest(1)
