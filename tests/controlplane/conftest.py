"""Small meshes for the tests of Pilot: documents in, a push context and its proxies out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest
import yaml

from meshsim.api import ApiObject, ObjectStore, make_object
from meshsim.controlplane.mesh import MeshConfig, build_mesh_config
from meshsim.controlplane.model import Proxy, ProxyType
from meshsim.controlplane.proxies import proxy_of_pod
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.controlplane.resources import generate
from meshsim.xds import type_urls
from meshsim.xds.packing import message_class

Document: TypeAlias = Mapping[str, Any]


class SmallMesh:
    """A mesh of a few objects; `put` and `remove` change it, `push` reads it anew."""

    def __init__(self, text: str, mesh: str = "") -> None:
        self.store = ObjectStore()
        self.mesh: MeshConfig = build_mesh_config(yaml.safe_load(mesh) or {})
        self.last: PushContext | None = None
        self.put(text)

    def put(self, text: str) -> None:
        for document in yaml.safe_load_all(text):
            if document:
                self.store.put(make_object(document))

    def remove(self, kind: str, namespace: str, name: str) -> None:
        item = self.store.find(kind, namespace, name)
        assert item is not None
        self.store.remove(item.key)

    def push(self) -> PushContext:
        """The next push context, made from the one before."""
        self.last = build_push_context(self.store, self.mesh, self.last)
        return self.last

    def fresh(self) -> PushContext:
        """A push context that knows no other."""
        return build_push_context(self.store, self.mesh)

    def pod(self, namespace: str, name: str) -> ApiObject:
        item = self.store.find("Pod", namespace, name)
        assert item is not None
        return item

    def generate(self, type_url: str, pod: str, *names: str, kind: ProxyType | None = None) -> dict[str, Any]:
        """What the next push context sends the proxy of ``namespace/pod``, by resource name."""
        namespace, _, name = pod.partition("/")
        cls = message_class(type_url)
        found = generate(self.push(), self.proxy(namespace, name, kind), type_url, names)
        return {resource.name: cls.FromString(resource.body) for resource in found}

    def clusters(self, pod: str) -> dict[str, Any]:
        return self.generate(type_urls.CLUSTER, pod)

    def assignment(self, pod: str, cluster: str) -> Any:
        return self.generate(type_urls.ENDPOINT, pod, cluster)[cluster]

    def proxy(self, namespace: str, name: str, kind: ProxyType | None = None) -> Proxy:
        return proxy_of_pod(self.pod(namespace, name), self.store, self.mesh, kind)


@pytest.fixture
def small_mesh() -> Callable[..., SmallMesh]:
    """Make a mesh of YAML documents and a MeshConfig."""
    return SmallMesh


SHOP = """
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, creationTimestamp: '2026-01-01T00:00:01Z'}
spec:
  clusterIP: 10.96.0.1
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web, version: v1, security.istio.io/tlsMode: istio}}
spec: {nodeName: n1, serviceAccountName: web, containers: [{name: app}, {name: istio-proxy}]}
status:
  {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}], conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, version: v2, security.istio.io/tlsMode: istio}}
spec: {nodeName: n1, serviceAccountName: web, containers: [{name: app}, {name: istio-proxy}]}
status:
  {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}], conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-0, namespace: shop, labels: {app: client}}
spec: {nodeName: n1, serviceAccountName: client, containers: [{name: app}, {name: istio-proxy}]}
status:
  {phase: Running, podIP: 10.244.0.9, podIPs: [{ip: 10.244.0.9}], conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.244.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-0, namespace: shop}}
- {addresses: [10.244.0.2], conditions: {ready: true}, targetRef: {kind: Pod, name: web-1, namespace: shop}}
"""
"""One service with two pods, and a client."""


@pytest.fixture
def shop() -> SmallMesh:
    """The mesh of `SHOP`."""
    return SmallMesh(SHOP)
