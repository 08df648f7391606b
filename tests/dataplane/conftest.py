"""What the tests of the data plane share: the helper modules beside this file, and small configurations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from xds_bodies import encode

from meshsim.dataplane.active import ActiveConfig, load_config
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.xds import type_urls

Build = Callable[..., ActiveConfig]


@pytest.fixture
def build() -> Build:
    """Make a configuration from resources in protobuf JSON; every one must be accepted."""

    def make(
        listeners: tuple[Mapping[str, Any], ...] = (),
        clusters: tuple[Mapping[str, Any], ...] = (),
        endpoints: tuple[Mapping[str, Any], ...] = (),
        routes: tuple[Mapping[str, Any], ...] = (),
    ) -> ActiveConfig:
        groups = {
            type_urls.LISTENER: {b["name"]: encode(type_urls.LISTENER, b) for b in listeners},
            type_urls.CLUSTER: {b["name"]: encode(type_urls.CLUSTER, b) for b in clusters},
            type_urls.ENDPOINT: {b["cluster_name"]: encode(type_urls.ENDPOINT, b) for b in endpoints},
            type_urls.ROUTE: {b["name"]: encode(type_urls.ROUTE, b) for b in routes},
        }
        config, rejected = load_config(groups, ResourceCache())
        assert not rejected
        return config

    return make
