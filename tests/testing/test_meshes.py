"""The builders make what they say."""

from __future__ import annotations

from meshsim.dataplane.engine import Engine
from meshsim.testing.meshes import add_requests, add_service
from meshsim.units import SECOND


def test_a_request_at_each_instant() -> None:
    engine = Engine(1, mode="plain", sample_rate=1.0)
    service = add_service(engine, pods=3)
    add_requests(engine, service.flow, [0, 5, 5])
    engine.run_until(SECOND)
    rows = engine.drain()
    assert rows["start"].tolist() == rows["end"].tolist() == [0, 5, 5]
    assert [key for key, _ in service.hosts] == list(service.pods)
