"""Listeners of small meshes as protobuf JSON, and the objects to make such meshes of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import pytest

from meshsim.xds import type_urls
from meshsim.xds.packing import to_json

Json: TypeAlias = dict[str, Any]

_HCM: Final = "envoy.filters.network.http_connection_manager"
_NODE: Final = """
apiVersion: v1
kind: Node
metadata: {name: n1}
"""


class Look:
    """Reads listeners."""

    node: Final = _NODE

    @staticmethod
    def lds(mesh: Any, pod: str) -> dict[str, Json]:
        """The listeners that a mesh sends the proxy of ``namespace/pod``, by name."""
        found = mesh.generate(type_urls.LISTENER, pod)
        return {name: to_json(listener) for name, listener in found.items()}

    @staticmethod
    def chains(listener: Json) -> list[Json]:
        """All chains, the default one last."""
        default = [listener["default_filter_chain"]] if "default_filter_chain" in listener else []
        return [*listener.get("filter_chains", ()), *default]

    @staticmethod
    def filters(chain: Json) -> list[str]:
        """Short names of the network filters."""
        return [item["name"].removeprefix("envoy.filters.network.") for item in chain["filters"]]

    @staticmethod
    def manager(chain: Json) -> Json:
        """The connection manager of a chain."""
        found: Json = next(item for item in chain["filters"] if item["name"] == _HCM)["typed_config"]
        return found

    @classmethod
    def http_filters(cls, chain: Json) -> list[str]:
        """Short names of the HTTP filters."""
        found = cls.manager(chain)["http_filters"]
        return [item["name"].removeprefix("envoy.filters.http.") for item in found]

    @classmethod
    def clusters(cls, listener: Json) -> list[str]:
        """Where the chains lead that forward connections; ``http`` for the others; the default one last."""
        return [c["filters"][-1]["typed_config"].get("cluster", "http") for c in cls.chains(listener)]

    @staticmethod
    def service(name: str, ip: str, *ports: str, created: int = 1, app: str = "") -> str:
        """A Service; ports are written ``name:number[:target]``."""
        rows = []
        for port in ports:
            port_name, number, *target = port.split(":")
            rows.append(f"{{name: {port_name}, port: {number}, targetPort: {target[0] if target else number}}}")
        return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, creationTimestamp: '2026-01-01T00:00:{created:02}Z'}}
spec: {{clusterIP: {ip}, selector: {{app: {app or name}}}, ports: [{", ".join(rows)}]}}
"""

    @staticmethod
    def pod(name: str, ip: str, app: str, *, annotations: str = "{}", gateway: bool = False) -> str:
        """A running pod with a proxy, which is alone in a gateway's."""
        containers = "[{name: istio-proxy}]" if gateway else "[{name: app}, {name: istio-proxy}]"
        return f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, annotations: {annotations}, labels: {{app: {app}}}}}
spec: {{nodeName: n1, serviceAccountName: {app}, containers: {containers}}}
status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}], conditions: [{{type: Ready, status: 'True'}}]}}
"""

    @staticmethod
    def istio(kind: str, spec: str, *, name: str = "x", group: str = "networking.istio.io/v1", created: int = 9) -> str:
        """An Istio object in `shop`; the spec in YAML flow style."""
        return f"""
---
apiVersion: {group}
kind: {kind}
metadata: {{name: {name}, namespace: shop, creationTimestamp: '2026-01-01T00:00:{created:02}Z'}}
spec: {spec}
"""

    @classmethod
    def client(cls, *objects: str) -> str:
        """The objects with a node and a client pod, ``shop/client-0``."""
        return "".join([cls.node, cls.pod("client-0", "10.244.0.9", "client"), *objects])

    @staticmethod
    def matches(listener: Json) -> Sequence[Json]:
        return [c.get("filter_chain_match", {}) for c in listener["filter_chains"]]


@pytest.fixture
def look() -> type[Look]:
    """Reading and making of small meshes."""
    return Look
