"""Reading the protobuf wire format where decoding a whole message would be waste."""

from __future__ import annotations

from typing import Final

_VIRTUAL_HOSTS: Final = 2
"""Field number of RouteConfiguration.virtual_hosts."""


def count_virtual_hosts(route_configuration: bytes) -> int:
    """How many virtual hosts a serialized RouteConfiguration holds."""
    count = 0
    position = 0
    while position < len(route_configuration):
        tag, position = _varint(route_configuration, position)
        field, kind = tag >> 3, tag & 7
        if kind == 2:
            size, position = _varint(route_configuration, position)
            position += size
            count += field == _VIRTUAL_HOSTS
        elif kind == 0:
            _, position = _varint(route_configuration, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            break
    return count


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
