"""What is analysed: workloads, proxies, and what sidecars follow."""

from __future__ import annotations

from meshsim.analysis import Cluster, representatives, workloads_of
from meshsim.api import ObjectStore, load_text
from meshsim.controlplane.mesh import build_mesh_config
from meshsim.controlplane.push_context import build_push_context
from meshsim.testing.manifests import manifest

POD = """\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: {app}}}{owner}}}
spec: {{containers: [{{name: {container}, image: a}}]}}
status: {{podIP: 10.0.0.{last}}}
"""
OWNER = ", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: u}]"
DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: shop}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec: {containers: [{name: app, image: a}]}
"""
PODS = (
    POD.format(name="a-1", app="a", owner=OWNER, container="istio-proxy", last=1)
    + POD.format(name="a-2", app="a", owner=OWNER, container="istio-proxy", last=2)
    + POD.format(name="b", app="b", owner="", container="app", last=3)
)


def _cluster(text: str, **more: object) -> Cluster:
    objects = load_text(text, "it.yaml").objects
    push = build_push_context(ObjectStore(objects), build_mesh_config({}))
    return Cluster(push, workloads_of(objects), **more)  # type: ignore[arg-type]


def test_workloads_are_controllers_and_pods_of_nobody() -> None:
    cluster = _cluster(DEPLOYMENT + PODS)
    assert [(w.source.kind, w.name, w.in_mesh) for w in cluster.workloads] == [
        ("Deployment", "a", True),
        ("Pod", "b", False),
    ]
    assert [w.name for w in cluster.pods({"app": "b"}, "shop")] == ["b"]
    assert cluster.pods({"app": "b"}, "other") == []


def test_a_workload_without_pods_may_refuse_its_sidecar() -> None:
    text = DEPLOYMENT.replace("{app: a}}\n    spec", '{app: a, sidecar.istio.io/inject: "false"}}\n    spec')
    assert [w.in_mesh for w in _cluster(text).workloads] == [False]
    assert [w.in_mesh for w in _cluster(DEPLOYMENT).workloads] == [True]


def test_one_proxy_stands_for_its_replicas() -> None:
    assert [pod.name for pod in representatives(load_text(PODS, "it.yaml").objects)] == ["a-1"]


def test_the_label_that_is_wrong() -> None:
    cluster = _cluster(DEPLOYMENT)
    blame = cluster.blame({"app": "a", "version": "v1"})
    assert (blame.key, blame.values, blame.hint({"version": "v1"})) == ("version", (), "")
    blame = cluster.blame({"app": "b"}, "shop")
    assert (blame.key, blame.hint({"app": "b"})) == ("app", "there is app=a")


def test_of_a_part_only_written_namespaces_are_known() -> None:
    cluster = _cluster(DEPLOYMENT, whole=False, written=frozenset({"shop"}))
    assert cluster.knows("shop")
    assert not cluster.knows("other")
    assert _cluster(DEPLOYMENT).knows("other")


def test_without_sidecars_namespaces_follow_what_they_see() -> None:
    route = "hosts: [a.org]\nhttp: [{route: [{destination: {host: a.org}}]}]"
    cluster = _cluster(
        manifest("VirtualService", "a", route) + manifest("VirtualService", "b", f"exportTo: [.]\n{route}", 1, "other")
    )
    seen = {view.namespace: [item.name for item in view.virtual_services] for view in cluster.views}
    assert seen == {"shop": ["a"], "other": ["b", "a"]}
