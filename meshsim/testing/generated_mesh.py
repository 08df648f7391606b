"""The mesh in which generation was measured on istiod, of any size, and what generating costs for it.

Services with two pods each; every fourth has a VirtualService and a DestinationRule with one subset. istiod's figures
for 100 to 3,000 services: 129 to 3,754 clusters, 140 kB to 4.2 MB of them (release 1.31).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshsim.api import ApiObject, ObjectStore, make_object
from meshsim.controlplane.mesh import MeshConfig, build_mesh_config
from meshsim.controlplane.model import Proxy
from meshsim.controlplane.proxies import proxy_of_pod
from meshsim.controlplane.push_context import PushContext, build_push_context
from meshsim.controlplane.resources import Resource, generate
from meshsim.xds import type_urls
from meshsim.xds.references import references

PODS: Final = 2
"""Of each service."""
PORT: Final = 8080
RULED_EVERY: Final = 4
"""One service in so many has a VirtualService and a DestinationRule."""


@dataclass(frozen=True, slots=True)
class GeneratedMesh:
    """The objects of a mesh and the proxies in its pods."""

    services: int
    namespaces: int
    mesh: MeshConfig
    store: ObjectStore
    proxies: tuple[Proxy, ...]

    def place(self, number: int) -> tuple[str, str]:
        """Namespace and name of a service."""
        return f"ns-{number % self.namespaces}", f"svc-{number}"

    def shift(self, number: int, weight: int) -> ApiObject:
        """The VirtualService of a service with another weight on its first destination."""
        namespace, name = self.place(number)
        return make_object(_virtual_service(namespace, name, number, weight))

    def endpoints(self, number: int, *, ready: int) -> ApiObject:
        """The slice of a service with so many of its endpoints ready."""
        namespace, name = self.place(number)
        return make_object(_slice(namespace, name, number, ready))


def generated_mesh(services: int, namespaces: int = 10, proxies: int | None = None) -> GeneratedMesh:
    """A mesh of so many services, spread over namespaces; the first `proxies` pods are connected (`None` = all)."""
    mesh = build_mesh_config({})
    store = ObjectStore(make_object(document) for document in _documents(services, namespaces))
    pods = sorted(store.select("Pod"), key=lambda pod: pod.created)[:proxies]
    found = [proxy_of_pod(pod, store, mesh) for pod in pods]
    return GeneratedMesh(services, namespaces, mesh, store, tuple(found))


def _documents(services: int, namespaces: int) -> Iterator[Mapping[str, Any]]:
    for zone in range(3):
        labels = {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": f"eu-{zone}"}
        yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{zone}", "labels": labels}}
    for number in range(namespaces):
        metadata = {"name": f"ns-{number}", "labels": {"istio-injection": "enabled"}}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    for number in range(services):
        namespace, name = f"ns-{number % namespaces}", f"svc-{number}"
        yield _service(namespace, name, number)
        for at in range(PODS):
            yield _pod(namespace, name, number, at)
        yield _slice(namespace, name, number, PODS)
        if number % RULED_EVERY == 0:
            yield _virtual_service(namespace, name, number, 100)
            yield _destination_rule(namespace, name, number)


def _metadata(namespace: str, name: str, number: int, **more: Any) -> dict[str, Any]:
    minutes, seconds = divmod(number, 60)
    hours, minutes = divmod(minutes, 60)
    created = f"2026-01-01T{hours:02}:{minutes:02}:{seconds:02}Z"
    return {"name": name, "namespace": namespace, "creationTimestamp": created, **more}


def _service(namespace: str, name: str, number: int) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(namespace, name, number),
        "spec": {
            "clusterIP": f"10.{96 + number // 65536}.{number // 256 % 256}.{number % 256}",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT}],
        },
    }


def _address(number: int, at: int) -> str:
    pod = number * PODS + at
    return f"10.{128 + pod // 65536}.{pod // 256 % 256}.{pod % 256}"


def _pod(namespace: str, name: str, number: int, at: int) -> Mapping[str, Any]:
    labels = {"app": name, "version": f"v{at + 1}", "security.istio.io/tlsMode": "istio"}
    address = _address(number, at)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(namespace, f"{name}-{at}", number, labels=labels),
        "spec": {
            "nodeName": f"node-{(number + at) % 3}",
            "serviceAccountName": name,
            "containers": [{"name": "app", "ports": [{"containerPort": PORT}]}, {"name": "istio-proxy"}],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _slice(namespace: str, name: str, number: int, ready: int) -> Mapping[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata(namespace, f"{name}-x", number, labels={"kubernetes.io/service-name": name}),
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT}],
        "endpoints": [
            {
                "addresses": [_address(number, at)],
                "conditions": {"ready": at < ready},
                "targetRef": {"kind": "Pod", "name": f"{name}-{at}", "namespace": namespace},
            }
            for at in range(PODS)
        ],
    }


def _virtual_service(namespace: str, name: str, number: int, weight: int) -> Mapping[str, Any]:
    host = f"{name}.{namespace}.svc.cluster.local"
    route = [{"destination": {"host": host, "subset": "v1"}, "weight": weight}]
    if weight < 100:
        route.append({"destination": {"host": host}, "weight": 100 - weight})
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": _metadata(namespace, name, number),
        "spec": {"hosts": [host], "http": [{"route": route}]},
    }


def _destination_rule(namespace: str, name: str, number: int) -> Mapping[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": _metadata(namespace, name, number),
        "spec": {
            "host": f"{name}.{namespace}.svc.cluster.local",
            "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
        },
    }


@dataclass(frozen=True, slots=True)
class Held:
    """What one proxy was sent last, by type."""

    clusters: tuple[Resource, ...]
    assignments: tuple[Resource, ...]
    listeners: tuple[Resource, ...]
    routes: tuple[Resource, ...]


class Generation:
    """Generates for all proxies of a mesh, as its objects change."""

    def __init__(self, mesh: GeneratedMesh) -> None:
        self.mesh = mesh
        self.push: PushContext = build_push_context(mesh.store, mesh.mesh)
        self._names: dict[tuple[str, str], tuple[str, ...]] = {}

    def first(self) -> list[Held]:
        """The first full configuration of every proxy; names are followed as Envoy follows them."""
        return [self._first(proxy) for proxy in self.mesh.proxies]

    def _first(self, proxy: Proxy) -> Held:
        push = self.push
        clusters = generate(push, proxy, type_urls.CLUSTER, ())
        listeners = generate(push, proxy, type_urls.LISTENER, ())
        endpoints = self._follow(proxy, type_urls.CLUSTER, clusters, type_urls.ENDPOINT)
        routes = self._follow(proxy, type_urls.LISTENER, listeners, type_urls.ROUTE)
        return Held(
            clusters,
            generate(push, proxy, type_urls.ENDPOINT, endpoints),
            listeners,
            generate(push, proxy, type_urls.ROUTE, routes),
        )

    def _follow(self, proxy: Proxy, type_url: str, resources: Iterable[Resource], wanted: str) -> tuple[str, ...]:
        """What a proxy asks for next; all of a namespace ask for the same, so reading it is not what is measured."""
        key = (proxy.namespace, wanted)
        found = self._names.get(key)
        if found is None:
            names = (name for r in resources for name in references(type_url, r.body).get(wanted, ()))
            found = self._names[key] = tuple(dict.fromkeys(names))
        return found

    def apply(self, item: ApiObject) -> None:
        """Change an object and read the mesh anew."""
        self.mesh.store.put(item)
        self.push = build_push_context(self.mesh.store, self.mesh.mesh, self.push)

    def regenerate(self) -> int:
        """Everything that a VirtualService may change, for every proxy; how many resources that are."""
        count = 0
        for proxy in self.mesh.proxies:
            for type_url, names in ((type_urls.CLUSTER, ()), (type_urls.LISTENER, ()), (type_urls.ROUTE, (str(PORT),))):
                count += len(generate(self.push, proxy, type_url, names))
        return count

    def regenerate_endpoints(self, number: int) -> int:
        """The assignments of one service, for every proxy."""
        host = ".".join((*reversed(self.mesh.place(number)), "svc.cluster.local"))
        subsets = ("", "v1") if number % RULED_EVERY == 0 else ("",)
        names = [f"outbound|{PORT}|{subset}|{host}" for subset in subsets]
        return sum(len(generate(self.push, proxy, type_urls.ENDPOINT, names)) for proxy in self.mesh.proxies)
