from __future__ import annotations

from meshsim.api import Fields
from meshsim.controlplane.protobuf_values import duration, optional_duration, socket_address, text_struct, uint32
from meshsim.units import MILLISECOND, SECOND


def test_durations_keep_their_nanoseconds() -> None:
    assert (duration(1500 * MILLISECOND).seconds, duration(1500 * MILLISECOND).nanos) == (1, 500_000_000)
    assert duration(-3 * SECOND // 2).seconds == -1
    assert duration(-3 * SECOND // 2).nanos == -500_000_000
    assert optional_duration(Fields({}), "timeout") is None


def test_addresses() -> None:
    assert socket_address("10.0.0.1", 80).socket_address.port_value == 80
    assert socket_address("unix:///var/run/a.sock", 0).pipe.path == "/var/run/a.sock"
    assert socket_address("/var/run/a.sock", 0).pipe.path == "/var/run/a.sock"


def test_small_messages() -> None:
    assert uint32(0).value == 0
    assert text_struct({"a": "b"}).fields["a"].string_value == "b"
