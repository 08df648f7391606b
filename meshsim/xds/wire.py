"""Reading the protobuf wire format where decoding a whole message would be waste."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

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


def resource_name(resource: bytes) -> str:
    """The name of a serialized xDS resource: field 1 of every type; raises `DecodeError` for broken wire format."""
    name = b""
    position, end = 0, len(resource)
    try:
        while position < end:
            tag, position = _varint(resource, position)
            field, kind = tag >> 3, tag & 7
            start = position
            if kind == 2:
                size, start = _varint(resource, position)
                position = start + size
            elif kind == 0:
                _, position = _varint(resource, position)
            elif kind in (1, 5):
                position += 8 if kind == 1 else 4
            else:
                raise DecodeError(f"wire type {kind} at byte {start}")
            if position > end:
                raise DecodeError(f"field {field} ends after its message")
            if field == 1 and kind == 2:
                name = resource[start:position]
        return name.decode()
    except (IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"no resource name: {error}") from error
