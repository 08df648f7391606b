"""Small clusters: documents of workloads and services, and a kube with its records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from meshsim.api import ApiObject, Fields, make_object
from meshsim.kernel import Environment
from meshsim.kube import Change, Kube, KubeSettings, WorkloadRef
from meshsim.kube.server import PodAdmission
from meshsim.trace import PodPhase, Taps
from meshsim.units import SECOND, Nanos


class Make:
    """Documents as users write them."""

    @staticmethod
    def template(name: str, container: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
        app = {"name": "app", "image": f"{name}:1", "ports": [{"name": "http", "containerPort": 8080}]}
        return {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{**app, **(container or {})}], **spec},
        }

    def workload(
        self,
        name: str,
        replicas: int = 2,
        *,
        kind: str = "Deployment",
        container: Mapping[str, Any] | None = None,
        pod: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> ApiObject:
        """A Deployment, StatefulSet or ReplicaSet; `container` and `pod` change its template."""
        body = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": self.template(name, container, **(pod or {})),
                **spec,
            },
        }
        return make_object(body)

    @staticmethod
    def service(name: str, **spec: Any) -> ApiObject:
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        metadata = {"name": name, "namespace": "shop"}
        body = {"selector": {"app": name}, "ports": ports, **spec}
        return make_object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body})

    @staticmethod
    def node(name: str, zone: str = "a", **spec: Any) -> ApiObject:
        labels = {"topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": "r"}
        metadata = {"name": name, "labels": labels}
        return make_object({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec})

    @staticmethod
    def pod(name: str, labels: Mapping[str, str] | None = None, **spec: Any) -> ApiObject:
        metadata = {"name": name, "namespace": "shop", "labels": dict(labels or {})}
        body = {"containers": [{"name": "app", "image": "x:1"}], **spec}
        return make_object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body})


@dataclass
class Cluster:
    """A settled kube, everything its pods reported and everything its watchers saw."""

    kube: Kube
    env: Environment
    phases: list[PodPhase] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.env.run(self.env.instant + round(seconds * SECOND))

    def ref(self, name: str, kind: str = "Deployment") -> WorkloadRef:
        return WorkloadRef(kind, "shop", name)

    def names(self, **labels: str) -> list[str]:
        return [pod.name for pod in self.kube.pods("shop", labels)]

    def at(self, phase: str, pod: str = "") -> list[Nanos]:
        """When a phase was reported."""
        return [r.time for r in self.phases if r.phase == phase and pod in ("", r.pod)]

    def endpoints(self, service: str) -> dict[str, Fields]:
        """Conditions of a service's endpoints by address."""
        found = {}
        for item in self.kube.server.objects.select("EndpointSlice", None, "shop"):
            if item.labels.get("kubernetes.io/service-name") == service:
                for endpoint in item.fields.items("endpoints"):
                    found[endpoint.texts("addresses")[0]] = endpoint.fields("conditions")
        return found

    def ready(self, service: str) -> list[str]:
        """Addresses of a service that are ready."""
        return sorted(address for address, state in self.endpoints(service).items() if state.flag("ready"))


class Start:
    """Makes settled clusters."""

    def __call__(
        self,
        objects: Iterable[ApiObject],
        *,
        settings: KubeSettings | None = None,
        seed: int = 1,
        admission: PodAdmission | None = None,
    ) -> Cluster:
        env, taps = Environment(), Taps()
        kube = Kube(env, settings=settings, seed=seed, taps=taps, admission=admission)
        cluster = Cluster(kube, env)
        kube.load(objects)
        kube.settle()
        taps.pod_phase.listen(cluster.phases.append)
        kube.server.watch(cluster.changes.append)
        return cluster


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def start() -> Start:
    return Start()


@pytest.fixture
def exact() -> KubeSettings:
    """Settings without chance in the durations of stages."""
    return KubeSettings().with_stages(spread=0.0)
