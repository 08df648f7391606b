"""Which mode is used, and that the compiled one is told apart from stale code."""

from __future__ import annotations

import importlib.util
import warnings

import pytest

from meshsim.dataplane import core, tables
from meshsim.dataplane.bench import build_mesh
from meshsim.dataplane.engine import Engine
from meshsim.dataplane.storage import Mode, PlainTables
from meshsim.errors import UsageError
from meshsim.testing.meshes import add_requests, add_service
from meshsim.units import SECOND


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHSIM_ENGINE", "plain")
    assert tables.choose_mode() is Mode.PLAIN
    assert isinstance(tables.make_tables(tables.choose_mode()), PlainTables)
    monkeypatch.setenv("MESHSIM_ENGINE", "fortran")
    with pytest.raises(UsageError, match="fortran"):
        tables.choose_mode()


def test_without_numba_it_is_interpreted_after_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHSIM_ENGINE", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(tables, "_warned", [])
    with pytest.warns(UserWarning, match="numba is not installed"):
        assert tables.choose_mode() is Mode.PLAIN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tables.choose_mode() is Mode.PLAIN


@pytest.mark.skipif(tables.choose_mode("numba") is Mode.PLAIN, reason="numba is not installed")
def test_checked_code_finds_a_row_that_is_not_there() -> None:
    engine = Engine(1, mode="numba-checked")
    service = add_service(engine)
    engine.run_until(1)
    engine.tables.set("flow", service.flow, "route", 1 << 20)
    add_requests(engine, service.flow, [10])
    with pytest.raises(IndexError, match="route"):
        engine.run_until(100)


@pytest.mark.skipif(tables.choose_mode("numba") is Mode.PLAIN, reason="numba is not installed")
@pytest.mark.parametrize("stations", [False, True])
def test_to_look_ahead_changes_nothing(stations: bool) -> None:
    found = []
    for looks in (0, 1):
        engine = Engine(1, mode="numba-checked", stations=stations)
        build_mesh(engine, 40)
        engine.run_until(1)
        engine.tables.set("ctl", 0, "looks", looks)
        engine.run_until(4 * SECOND)
        assert (engine.tables.get("ctl", 0, "seen_n") > 10_000) is bool(looks)
        found.append((engine.digest, engine.counters))
    assert found[0] == found[1]


def test_functions_that_the_compiler_hears_of_exist_and_are_named_once() -> None:
    names = (*core.INLINE, *core.OFTEN)
    assert [name for name in names if not callable(getattr(core, name, None))] == []
    assert len(set(names)) == len(names)
