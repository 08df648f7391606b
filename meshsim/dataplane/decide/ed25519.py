"""Ed25519 signatures checked with plain integers (RFC 8032 section 5.1.7), as BoringSSL does: without the cofactor, and
with the signature's point compared by its encoding."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_SIZE: Final = 32

Point: TypeAlias = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z."""


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of the key signed the message."""
    if len(public_key) != _SIZE or len(signature) != 2 * _SIZE:
        return False
    key = _decode(public_key)
    scalar = int.from_bytes(signature[_SIZE:], "little")
    if key is None or scalar >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:_SIZE] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    x, y, z, t = key
    found = add(multiply(BASE, scalar), multiply((-x % _P, y, z, -t % _P), challenge))
    return encode(found) == signature[:_SIZE]


def add(a: Point, b: Point) -> Point:
    """The sum of two points of the curve."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % _P
    f = (a[1] + a[0]) * (b[1] + b[0]) % _P
    g = 2 * a[3] * b[3] * _D % _P
    h = 2 * a[2] * b[2] % _P
    difference, sum_, low, high = f - e, f + e, h - g, h + g
    return difference * low % _P, high * sum_ % _P, low * high % _P, difference * sum_ % _P


def multiply(point: Point, times: int) -> Point:
    """A point added to itself so many times."""
    result: Point = (0, 1, 1, 0)
    while times:
        if times & 1:
            result = add(result, point)
        point = add(point, point)
        times >>= 1
    return result


def encode(point: Point) -> bytes:
    """The 32 bytes of a point: y, and the sign of x in the highest bit."""
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(_SIZE, "little")


def _decode(text: bytes) -> Point | None:
    number = int.from_bytes(text, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    x = _root(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _root(y: int, sign: int) -> int | None:
    """The x of this y with this sign; None when there is none."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _base() -> Point:
    y = 4 * pow(5, -1, _P) % _P
    x = _root(y, 0)
    assert x is not None
    return x, y, 1, x * y % _P


BASE: Final = _base()
"""The generator of the group."""
