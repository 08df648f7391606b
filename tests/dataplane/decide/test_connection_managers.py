"""Connection managers from protobuf."""

from __future__ import annotations

from typing import Any

import pytest
from xds_bodies import FILTERS, manager

from meshsim.dataplane.decide.connection_managers import (
    Codec,
    ConnectionManager,
    ForwardCert,
    decode_connection_manager,
)
from meshsim.dataplane.decide.paths import EscapedSlashes
from meshsim.dataplane.decide.rejected import ResourceRejectedError
from meshsim.xds.messages import http_connection_manager_pb2
from meshsim.xds.packing import from_json


def decode(notes: list[str] | None = None, **more: Any) -> ConnectionManager:
    body = {k: v for k, v in manager([], **more).items() if k != "@type" and v is not None}
    message = from_json(body, http_connection_manager_pb2.HttpConnectionManager)
    return decode_connection_manager(message, [] if notes is None else notes)


def test_defaults() -> None:
    found = decode()
    assert (found.codec, found.forward_cert, found.server_name) == (Codec.AUTO, ForwardCert.SANITIZE, "envoy")
    assert (found.normalize_path, found.escaped_slashes) == (False, EscapedSlashes.KEEP_UNCHANGED)
    assert (found.stream_idle_timeout, found.idle_timeout, found.max_stream_duration) == (
        300 * 10**9,
        3600 * 10**9,
        None,
    )
    assert found.internal_networks is None
    assert found.route_config is not None


def test_rds() -> None:
    rds = {"route_config_name": "80", "config_source": {"ads": {}}}
    found = decode(route_config=None, rds=rds)
    assert (found.route_config_name, found.route_config) == ("80", None)


def test_discovered_filters_are_noted() -> None:
    notes: list[str] = []
    wasm = {"name": "wasm", "config_discovery": {"config_source": {"ads": {}}, "type_urls": ["x"]}}
    found = decode(notes, http_filters=[wasm, *FILTERS])
    assert found.filters[0].discovered
    assert notes == ["HTTP filter wasm by extension discovery"]


def test_the_router_stands_last() -> None:
    cors = {"name": "cors", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}}
    with pytest.raises(ResourceRejectedError, match="non-terminal filter named cors"):
        decode(http_filters=[*FILTERS[:0], cors])
    with pytest.raises(ResourceRejectedError, match="must be the last filter in a http filter chain"):
        decode(http_filters=[*FILTERS, cors])


def test_a_route_specifier_is_needed() -> None:
    with pytest.raises(ResourceRejectedError, match="RouteSpecifier"):
        decode(route_config=None)
