"""Experiments made up for tests of their replay."""

from __future__ import annotations

from typing import Any

from meshsim.api import Fields

ROUTER = {
    "name": "router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def endpoint(number: int, **more: Any) -> dict[str, Any]:
    address = {"socket_address": {"address": f"127.0.0.{11 + number}", "port_value": 8080}}
    return {"endpoint": {"address": address}, **more}


def assignment(*numbers: int) -> dict[str, Any]:
    return {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint(n) for n in numbers]}]}


def make_experiment(
    client: list[dict[str, Any]],
    *,
    scripts: dict[int, dict[str, Any]] | None = None,
    route: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
    hosts: int = 1,
) -> Fields:
    """One cluster of scripted hosts behind one route."""
    manager = {
        "@type": MANAGER,
        "stat_prefix": "in",
        "http_filters": [ROUTER],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "v",
                    "domains": ["*"],
                    "include_request_attempt_count": True,
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}],
                }
            ]
        },
    }
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"].update(route or {})  # type: ignore[index]
    own = {"name": "c", "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment(*range(hosts))}
    scripts = scripts or {}
    return Fields(
        {
            "id": "made-up",
            "config": {"clusters": [{**own, **(cluster or {})}], "http_connection_manager": manager},
            "hosts": {
                str(n): {"address": f"127.0.0.{11 + n}:8080", "script": scripts.get(n, {})} for n in range(hosts)
            },
            "client": client,
        }
    )


def _host(number: int, script: dict[str, Any]) -> dict[str, Any]:
    return {"address": f"127.0.0.{11 + number}:8080", "script": script}
