"""Parameters by name."""

from __future__ import annotations

from meshsim.world.calibrate.parameters import Parameters


def test_only_batched_telemetry_begins_with_a_report() -> None:
    first = Parameters.first(("nomixer", "mixer"))
    assert first.passes["nomixer"].report == 0
    assert first.passes["mixer"].report > 0


def test_values_are_changed_by_name() -> None:
    first = Parameters.first(("a", "b"))
    changed = first.with_values({"latency": 5.0, "inbound/b": 7.0})
    assert (changed.value("latency"), changed.value("inbound/b")) == (5.0, 7.0)
    assert changed.value("inbound/a") == first.value("inbound/a")
    assert first.value("latency") != 5.0
