"""Findings: what is said without refusing."""

from __future__ import annotations

from meshsim.errors import Finding, Position, Severity


def test_text() -> None:
    plain = Finding("MSH0101", Severity.WARNING, "holds no objects")
    assert str(plain) == "warning: holds no objects"
    full = Finding("IST0133", Severity.INFO, "odd", Position("m.yaml", 3, 5), "do this", "Pod default/a")
    assert str(full) == "m.yaml:3:5: info: odd (do this)  [Pod default/a]"
