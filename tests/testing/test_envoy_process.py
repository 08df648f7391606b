"""A real Envoy of a test leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshsim.errors import InternalError
from meshsim.testing.envoy_process import NODE, EnvoyProcess, ads_bootstrap


def test_the_bootstrap_waits_for_everything_by_ads() -> None:
    made = ads_bootstrap(Path("/run/xds"), delta=True)
    resources = made["dynamic_resources"]
    assert resources["ads_config"]["api_type"] == "DELTA_GRPC"
    assert {resources[kind]["initial_fetch_timeout"] for kind in ("lds_config", "cds_config")} == {"0s"}
    assert made["node"]["id"] == NODE
    assert ads_bootstrap(Path("/run/xds"), delta=False)["dynamic_resources"]["ads_config"]["api_type"] == "GRPC"


@pytest.mark.needs_envoy
def test_it_starts_answers_and_ends(short_folder: Path) -> None:
    with EnvoyProcess(short_folder, {"node": {"id": "a", "cluster": "b"}}) as envoy:
        envoy.wait_live()
        assert '"id": "a"' in envoy.get("/server_info")
        assert envoy.stat("server.live") == 1
    assert envoy.get("/ready") == ""


@pytest.mark.needs_envoy
def test_what_it_refuses_is_told(short_folder: Path) -> None:
    with pytest.raises(InternalError, match="no_such_field"), EnvoyProcess(short_folder, {"no_such_field": 1}):
        pass
