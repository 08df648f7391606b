"""Protobuf durations as nanoseconds."""

from __future__ import annotations

from google.protobuf import duration_pb2

from meshsim.units import Nanos


def nanos(message: duration_pb2.Duration) -> Nanos:
    """The duration in nanoseconds."""
    return message.seconds * 1_000_000_000 + message.nanos


def optional_nanos(message: duration_pb2.Duration, present: bool) -> Nanos | None:
    """The duration, or None when the field is absent."""
    return nanos(message) if present else None
