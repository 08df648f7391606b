"""Values in Thrift's compact protocol, as far as the metadata of parquet files needs them.

apache/thrift doc/specs/thrift-compact-protocol.md: a struct is its fields in order, each with its type and the
distance of its number from the one before; whole numbers are zigzag varints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

_I32: Final = 5
_I64: Final = 6
_BINARY: Final = 8
_LIST: Final = 9
_STRUCT: Final = 12
_SHORT: Final = 15
"""Lists of fewer items have their number and type in one byte."""


class Value(NamedTuple):
    """An encoded value and its type."""

    kind: int
    data: bytes


def varint(number: int) -> bytes:
    """A whole number that is not negative, seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def i32(number: int) -> Value:
    """A number of 32 bits that is not negative."""
    return Value(_I32, varint(number << 1))


def i64(number: int) -> Value:
    """A number of 64 bits that is not negative."""
    return Value(_I64, varint(number << 1))


def binary(data: bytes) -> Value:
    """Bytes, or text in UTF-8."""
    return Value(_BINARY, varint(len(data)) + data)


def listed(items: Iterable[Value]) -> Value:
    """Values of one type; an empty list is one of structs."""
    values = list(items)
    kind, size = values[0].kind if values else _STRUCT, len(values)
    head = bytes([size << 4 | kind]) if size < _SHORT else bytes([0xF0 | kind]) + varint(size)
    return Value(_LIST, head + b"".join(value.data for value in values))


def struct(fields: Mapping[int, Value]) -> Value:
    """Fields by their numbers, in ascending order."""
    found = bytearray()
    last = 0
    for number, value in fields.items():
        found.append(number - last << 4 | value.kind)
        found += value.data
        last = number
    found.append(0)
    return Value(_STRUCT, bytes(found))
