"""What the event core is told about a cluster's connections."""

from __future__ import annotations

import pytest

from meshsim.dataplane.connections import connection_fields, short_life
from meshsim.dataplane.specs import ClusterSpec, LbPolicy
from meshsim.units import SECOND


@pytest.mark.parametrize(
    ("http2", "streams", "requests", "room"),
    [(True, 8, 0, 8), (True, 8, 3, 3), (True, 3, 8, 3), (False, 8, 3, 1), (False, 8, 0, 1)],
)
def test_a_new_connection_has_room_for_what_both_limits_allow(
    http2: bool, streams: int, requests: int, room: int
) -> None:
    spec = ClusterSpec(
        proxy=0,
        policy=LbPolicy.RANDOM,
        http2=http2,
        max_concurrent_streams=streams,
        max_requests_per_connection=requests,
    )
    assert connection_fields(spec)["room"] == room


def test_long_lives_have_no_timer() -> None:
    spec = ClusterSpec(proxy=0, policy=LbPolicy.RANDOM, max_connection_duration=3600 * SECOND)
    assert (short_life(spec), connection_fields(spec)["max_life"]) == (0, 3600 * SECOND)
    spec = ClusterSpec(proxy=0, policy=LbPolicy.RANDOM, max_connection_duration=SECOND)
    assert (short_life(spec), connection_fields(spec)["max_life"]) == (SECOND, 0)
