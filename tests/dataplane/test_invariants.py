"""Sound tables pass, and each kind of damage is found."""

from __future__ import annotations

import pytest

from meshsim.dataplane.engine import Engine
from meshsim.dataplane.invariants import check_invariants
from meshsim.testing.meshes import add_requests, add_service, fixed
from meshsim.units import SECOND


def half_way() -> Engine:
    """Two requests, one served, one queued."""
    engine = Engine(1, mode="plain")
    service = add_service(engine, pod={"workers": 1}, handler={"service": fixed(SECOND)})
    add_requests(engine, service.flow, [0, 0])
    engine.run_until(SECOND // 2)
    return engine


def test_sound_tables_pass() -> None:
    assert check_invariants(half_way().tables) == []


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("host", "active", 5),
        ("cluster", "active", 1),
        ("cluster", "pending", 1),
        ("cluster", "connections", 0),
        ("cluster", "retrying", 1),
        ("cluster", "ejected", 1),
        ("pool", "count", 3),
        ("conn", "streams", 0),
        ("host", "ready_0", 1),
        ("conn", "state", 3),
        ("pod", "busy", 0),
        ("pod", "queued", 0),
        ("ctl", "att_free_n", 3),
        ("ctl", "work_n", 1),
        ("ctl", "finished", 1),
    ],
)
def test_damage_is_found(table: str, field: str, value: int) -> None:
    tables = half_way().tables
    tables.set(table, 0, field, value)
    assert check_invariants(tables)
