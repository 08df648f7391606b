"""The same number makes the same mesh; different ones differ."""

from __future__ import annotations

from meshsim.dataplane.engine import Engine
from meshsim.testing.random_meshes import RandomMesh
from meshsim.units import MILLISECOND


def test_a_number_makes_a_mesh() -> None:
    def digest(number: int) -> int:
        engine = Engine(1, mode="plain")
        assert RandomMesh(engine, number, span=100 * MILLISECOND).clusters > 0
        engine.run_until(200 * MILLISECOND)
        return engine.digest

    assert digest(3) == digest(3)
    assert digest(3) != digest(5)
