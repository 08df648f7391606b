"""Reading the protobuf wire format where decoding a whole message would be waste."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError

_VIRTUAL_HOSTS: Final = 2
"""Field number of RouteConfiguration.virtual_hosts."""


@lru_cache(maxsize=128)
def count_virtual_hosts(route_configuration: bytes) -> int:
    """How many virtual hosts a serialized RouteConfiguration holds; asked of the same bytes for every proxy."""
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


def plain_fields(message: bytes) -> list[tuple[int, bytes]] | None:
    """Fields of a well-formed message in their order: (number, content), and (-number, one byte) for an integer.

    None for a message that has more than the common case: numbers above 15, integers of 128 and more, parts of 16 KiB
    and more, fixed-width fields.
    """
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(message)
    while at < end:
        tag, size = message[at], message[at + 1]
        kind = tag & 0x87
        start = at + 2
        if kind == 2:
            if size > 0x7F:
                if message[start] > 0x7F:
                    return None
                size = size & 0x7F | message[start] << 7
                start += 1
            at = start + size
            found.append((tag >> 3, message[start:at]))
        elif kind == 0 and size < 0x80:
            at = start
            found.append((-(tag >> 3), message[start - 1 : at]))
        else:
            return None
    return found
