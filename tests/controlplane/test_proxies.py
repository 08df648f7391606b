from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshsim.api import ObjectStore, make_object
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.model import Locality, ProxyType
from meshsim.controlplane.proxies import build_proxy, has_proxy, node_of_pod, proxy_config
from meshsim.errors import InputError


def test_a_pod_becomes_a_proxy(shop: Any) -> None:
    proxy = shop.proxy("shop", "web-0")
    assert proxy.node_id == "sidecar~10.244.0.1~web-0.shop~shop.svc.cluster.local"
    assert proxy.type is ProxyType.SIDECAR
    assert proxy.cluster == "web.shop"
    assert proxy.locality == Locality("eu", "eu-1")
    assert proxy.labels["topology.kubernetes.io/zone"] == "eu-1"
    assert proxy.metadata.text_map("LABELS") == shop.pod("shop", "web-0").labels


def test_gateways_are_told_by_argument_or_loneliness() -> None:
    def kind(containers: list[dict[str, Any]]) -> object:
        pod = make_object(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "n"},
                "spec": {"containers": containers},
                "status": {"podIP": "10.0.0.1"},
            }
        )
        return str(node_of_pod(pod, ObjectStore([pod]), build_mesh_config())["id"]).split("~")[0]

    assert kind([{"name": "istio-proxy"}]) == "router"
    assert kind([{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]) == "sidecar"
    assert kind([{"name": "app"}, {"name": "istio-proxy", "args": ["proxy", "router"]}]) == "router"
    assert kind([{"name": "app"}, {"name": "istio-proxy"}]) == "sidecar"


def test_native_sidecars_are_found(shop: Any) -> None:
    assert has_proxy(shop.pod("shop", "web-0"))
    native = make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]},
        }
    )
    assert has_proxy(native)


def test_proxy_config_by_mesh_object_and_annotation(shop: Any) -> None:
    shop.put(
        """
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: all, namespace: istio-system}
spec: {concurrency: 1, environmentVariables: {A: root}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: own, namespace: shop}
spec: {concurrency: 2}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, concurrency: 3}
"""
    )
    web = proxy_config(shop.pod("shop", "web-0"), shop.store, shop.mesh)
    client = proxy_config(shop.pod("shop", "client-0"), shop.store, shop.mesh)
    assert (web["concurrency"], client["concurrency"]) == (3, 2)
    assert client["proxyMetadata"] == {"A": "root"}


def test_a_malformed_node_is_an_input_error(shop: Any) -> None:
    with pytest.raises(InputError):
        build_proxy({"id": "sidecar~1.1.1.1"}, shop.store, shop.mesh)


@pytest.mark.needs_shared
@pytest.mark.parametrize("world", ["svc-http-basic", "svc-multiport", "gw-http", "mesh-defaults-discovery"])
def test_nodes_are_those_of_the_recording(oracle: Path, world: str) -> None:
    folder = oracle / "worlds" / world
    documents = [
        d for f in ("world.yaml", "istio.yaml") for d in yaml.safe_load_all((folder / f).read_text()) if d is not None
    ]
    store = ObjectStore(make_object(d) for d in documents)
    files = [oracle / "worlds" / "meshconfig-base.yaml", folder / "meshconfig.yaml"]
    mesh = build_mesh_config(*(yaml.safe_load(f.read_text()) for f in files if f.is_file()))
    recordings = sorted((oracle / "xds" / world).glob("*__*.json.gz"))
    assert recordings
    for path in recordings:
        namespace, name = path.name.removesuffix(".json.gz").split("__")
        pod = store.find("Pod", namespace, name)
        assert pod is not None
        with gzip.open(path) as file:
            want = json.load(file)["node"]
        assert json.loads(json.dumps(node_of_pod(pod, store, mesh))) == want
