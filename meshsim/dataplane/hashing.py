"""Consistent hashing: Envoy's hash functions, rings and Maglev tables.

Sources: Envoy source/common/common/hash.h and source/extensions/load_balancing_policies (ring_hash/ring_hash_lb.cc,
maglev/maglev_lb.cc, common/thread_aware_lb_impl.cc).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

_WHOLE: Final = (1 << 64) - 1
_P1: Final = 0x9E3779B185EBCA87
_P2: Final = 0xC2B2AE3D27D4EB4F
_P3: Final = 0x165667B19E3779F9
_P4: Final = 0x85EBCA77C2B2AE63
_P5: Final = 0x27D4EB2F165667C5
_MURMUR: Final = 0xC6A4A7935BD1E995
_MURMUR_SEED: Final = 0xC70F6907
"""The one of libstdc++, which Envoy keeps (source/common/common/hash.h)."""
SIGN: Final = 1 << 63
"""What the event core's hashes are less than Envoy's, so that signed numbers have the order of unsigned ones."""


def _rotate(x: int, by: int) -> int:
    return ((x << by) | (x >> (64 - by))) & _WHOLE


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _WHOLE, 31) * _P1 & _WHOLE


def xx_hash64(data: bytes, seed: int = 0) -> int:
    """XXH64 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    at, n = 0, len(data)
    if n >= 32:
        lanes = [(seed + _P1 + _P2) & _WHOLE, (seed + _P2) & _WHOLE, seed, (seed - _P1) & _WHOLE]
        while at + 32 <= n:
            for i in range(4):
                lanes[i] = _round(lanes[i], int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little"))
            at += 32
        value = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _WHOLE
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _WHOLE
    else:
        value = (seed + _P5) & _WHOLE
    value = (value + n) & _WHOLE
    while at + 8 <= n:
        value ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        value = (_rotate(value, 27) * _P1 + _P4) & _WHOLE
        at += 8
    if at + 4 <= n:
        value ^= int.from_bytes(data[at : at + 4], "little") * _P1 & _WHOLE
        value = (_rotate(value, 23) * _P2 + _P3) & _WHOLE
        at += 4
    for byte in data[at:]:
        value = _rotate(value ^ (byte * _P5 & _WHOLE), 11) * _P1 & _WHOLE
    value = (value ^ (value >> 33)) * _P2 & _WHOLE
    value = (value ^ (value >> 29)) * _P3 & _WHOLE
    return value ^ (value >> 32)


def xx_hash64_all(values: Sequence[bytes]) -> int:
    """The hash of several strings: each is the seed of the next (HashUtil::xxHash64 of a span)."""
    value = 0
    for data in values:
        value = xx_hash64(data, value)
    return value


def murmur_hash2(data: bytes) -> int:
    """MurmurHash2 of 64 bits (Envoy source/common/common/hash.cc)."""
    whole = len(data) & ~7
    value = _MURMUR_SEED ^ (len(data) * _MURMUR & _WHOLE)
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little") * _MURMUR & _WHOLE
        word = (word ^ (word >> 47)) * _MURMUR & _WHOLE
        value = (value ^ word) * _MURMUR & _WHOLE
    if len(data) & 7:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _MURMUR & _WHOLE
    value = (value ^ (value >> 47)) * _MURMUR & _WHOLE
    return value ^ (value >> 47)


def combine_hashes(hashes: Sequence[tuple[int | None, bool]]) -> int | None:
    """The hash of a list of policies, each as (hash, terminal): None where it found nothing to hash.

    Envoy source/common/http/hash_policy.cc, generateHash.
    """
    value: int | None = None
    for new, terminal in hashes:
        if new is not None:
            value = new if value is None else _rotate(value, 1) ^ new
        if terminal and value is not None:
            break
    return value


class WeightedKey(NamedTuple):
    """What is hashed of a host, and its share of all hosts' weight."""

    key: str
    weight: float


@lru_cache(maxsize=64)
def build_ring(hosts: tuple[WeightedKey, ...], least: int, most: int, murmur: bool) -> tuple[tuple[int, int], ...]:
    """(hash, number of the host), in order of the hashes."""
    if not hosts:
        return ()
    hash_of: Callable[[bytes], int] = murmur_hash2 if murmur else xx_hash64
    smallest = min(host.weight for host in hosts)
    scale = min(math.ceil(smallest * least) / smallest, float(most))
    ring: list[tuple[int, int]] = []
    current = target = 0.0
    for number, host in enumerate(hosts):
        target += scale * host.weight
        turn = 0
        while current < target:
            ring.append((hash_of(f"{host.key}_{turn}".encode()), number))
            turn += 1
            current += 1
    return tuple(sorted(ring))


@lru_cache(maxsize=64)
def build_maglev(hosts: tuple[WeightedKey, ...], size: int) -> tuple[int, ...]:
    """For each place of a table of this prime size the number of its host; empty without hosts."""
    if not hosts:
        return ()
    order = sorted(range(len(hosts)), key=lambda number: hosts[number].key)
    keys = [hosts[number].key.encode() for number in order]
    places = [xx_hash64(key) % size for key in keys]
    skips = [xx_hash64(key, 1) % (size - 1) + 1 for key in keys]
    weights = [hosts[number].weight for number in order]
    largest = max(weights)
    targets = [0.0] * len(order)
    table = [-1] * size
    filled, turn = 0, 1
    while filled < size:
        for i, number in enumerate(order):
            if turn * weights[i] < targets[i]:
                continue
            targets[i] += largest
            place, skip = places[i], skips[i]
            while table[place] >= 0:
                place = (place + skip) % size
            table[place] = number
            places[i] = (place + skip) % size
            filled += 1
            if filled == size:
                break
        turn += 1
    return tuple(table)
