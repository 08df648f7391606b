"""The compact protocol as its specification writes it."""

from __future__ import annotations

import pytest

from meshsim.recording.thrift import binary, i32, i64, listed, struct, varint


@pytest.mark.parametrize(
    ("number", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (50399, "df8903"), (1 << 32, "8080808010")]
)
def test_varints(number: int, encoded: str) -> None:
    assert varint(number).hex() == encoded


def test_signed_numbers_are_zigzag() -> None:
    assert (i32(1).data.hex(), i64(64).data.hex()) == ("02", "8001")


def test_a_struct_tells_the_distance_of_its_fields_and_ends_with_0() -> None:
    assert struct({1: i32(1), 4: binary(b"ab"), 5: i64(0)}).data.hex() == "1502" + "38026162" + "1600" + "00"


def test_lists_tell_their_length_beside_their_type_or_after_it() -> None:
    assert listed([i32(1), i32(2)]).data.hex() == "25" + "0204"
    assert listed([i32(0)] * 15).data.hex() == "f50f" + "00" * 15
    assert listed([]).data.hex() == "0c"
    assert listed([binary(b"a")]).data.hex() == "18" + "0161"
