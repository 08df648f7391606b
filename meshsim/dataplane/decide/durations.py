"""Protobuf durations as nanoseconds."""

from __future__ import annotations

from typing import Final

from google.protobuf import duration_pb2

from meshsim.units import Nanos
from meshsim.xds.messages import config_source_pb2

_FETCH_TIMEOUT: Final[Nanos] = 15_000_000_000


def nanos(message: duration_pb2.Duration) -> Nanos:
    """The duration in nanoseconds."""
    return message.seconds * 1_000_000_000 + message.nanos


def optional_nanos(message: duration_pb2.Duration, present: bool) -> Nanos | None:
    """The duration, or None when the field is absent."""
    return nanos(message) if present else None


def fetch_timeout(source: config_source_pb2.ConfigSource) -> Nanos:
    """How long a resource of this source is waited for, 0 = for ever.

    Envoy source/common/config/utility.cc, configSourceInitialFetchTimeout.
    """
    return nanos(source.initial_fetch_timeout) if source.HasField("initial_fetch_timeout") else _FETCH_TIMEOUT
