"""Connections of a cluster as the event core has them: fields of its row.

Envoy source/common/conn_pool/conn_pool_base.cc, source/common/http/conn_pool_base.cc.
"""

from __future__ import annotations

from meshsim.dataplane import core
from meshsim.dataplane.host_health import LIMIT
from meshsim.dataplane.specs import ClusterSpec
from meshsim.units import Nanos


def connection_fields(spec: ClusterSpec) -> dict[str, int]:
    """How many streams connections have, how long they live, and how many are opened ahead."""
    streams = max(min(spec.max_concurrent_streams, LIMIT), 1) if spec.http2 else 1
    per_connection = min(spec.max_requests_per_connection, LIMIT)
    return {
        "streams": streams,
        "per_connection": per_connection,
        "room": min(streams, per_connection) if per_connection else streams,
        "idle_timeout": spec.idle_timeout,
        "max_life": spec.max_connection_duration - short_life(spec),
        "preconnect": round(1000 * spec.preconnect) if spec.preconnect > 1 else 0,
        "predict": round(1000 * spec.predict) if spec.predict > 1 else 0,
        "max_pools": 0 if spec.max_pools is None else 1 + min(spec.max_pools, LIMIT - 1),
        "host_connections": 0 if spec.host_connections is None else 1 + min(spec.host_connections, LIMIT - 1),
    }


def short_life(spec: ClusterSpec) -> Nanos:
    """How long a connection may live at most if that is told by a timer.

    DEVIATION: a connection that may live for minutes is found to have outlived that when a stream would use it.
    """
    return spec.max_connection_duration if spec.max_connection_duration < 2 * core.LOOK else 0


def peek_words(spec: ClusterSpec, workers: int) -> int:
    """Words of the `turn` column that it takes to look at hosts for later requests."""
    return workers * (core.PEEK_HEAD + core.PEEKS) if spec.predict > 1 else 0
