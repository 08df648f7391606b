"""Places in files."""

from __future__ import annotations

from meshsim.errors import Position


def test_text() -> None:
    assert str(Position("m.yaml")) == "m.yaml"
    assert str(Position("m.yaml", 3)) == "m.yaml:3"
    assert str(Position("m.yaml", 3, 5)) == "m.yaml:3:5"
    assert str(Position("m.yaml", 0, 5)) == "m.yaml"
