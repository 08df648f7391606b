"""Every command that a real Envoy knows is known here, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.dataplane.decide.commands import COMMANDS, WITH_PARAMETERS
from meshsim.testing.config_oracle import TABLE, EnvoyOracle
from meshsim.xds import type_urls
from meshsim.xds.messages import route_pb2
from meshsim.xds.packing import from_json


def _table(command: str) -> bytes:
    added = {"header": {"key": "x", "value": f"%{command}%"}}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "request_headers_to_add": [added]}
    hosts = [{"name": "v", "domains": ["*"], "routes": [route]}]
    return from_json({"name": TABLE, "virtual_hosts": hosts}, route_pb2.RouteConfiguration).SerializeToString()


def test_commands_are_names() -> None:
    assert all(name.replace("_", "").isalnum() and name == name.upper() for name in COMMANDS)


@pytest.mark.needs_envoy
def test_envoy_knows_the_same(short_folder: Path) -> None:
    """A command without the argument it needs is refused for that, never as one that nobody knows."""
    with EnvoyOracle(short_folder, 24071) as oracle:
        reasons = {n: oracle.judge({TABLE: _table(n)}, type_urls.ROUTE).reason for n in sorted(COMMANDS)}
        unknown = {n: oracle.judge({TABLE: _table(n)}, type_urls.ROUTE).reason for n in ("NOPE", "UPSTREAM_NOPE")}
    assert [n for n, reason in reasons.items() if "Not supported field" in reason] == []
    assert {n for n, reason in reasons.items() if reason == f"{n} requires parameters"} == WITH_PARAMETERS
    assert unknown == {n: f"Not supported field in StreamInfo: {n}" for n in unknown}
