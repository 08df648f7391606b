"""Checking of whole documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshsim.api import load_paths
from meshsim.api.schema.document import check_document


def _check(kind: str, api_version: str = "v1", metadata: object = None, **rest: object) -> list[str]:
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata or {"name": "a"}, **rest}
    return [f"{problem.path}: {problem.message}" for problem in check_document(body).problems]


def test_gateway_api_defaults_are_applied_as_an_api_server_does() -> None:
    body = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "a"},
        "spec": {
            "parentRefs": [{"name": "g"}],
            "rules": [{"matches": [{"path": {"value": "/a"}}], "backendRefs": [{"name": "b", "port": 80}]}, {}],
        },
    }
    checked = check_document(body)
    assert checked.problems == ()
    assert checked.body["spec"] == {
        "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/a"}}],
                "backendRefs": [{"group": "", "kind": "Service", "name": "b", "port": 80, "weight": 1}],
            },
            {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]},
        ],
    }


def test_a_gateway_listener_allows_routes_of_its_own_namespace() -> None:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    body = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "a"},
        "spec": {"gatewayClassName": "istio", "listeners": [listener]},
    }
    checked = check_document(body)
    assert checked.problems == ()
    assert checked.body["spec"] == {
        "gatewayClassName": "istio",
        "listeners": [{**listener, "allowedRoutes": {"namespaces": {"from": "Same"}}}],
    }


@pytest.mark.needs_shared
def test_defaults_equal_those_of_the_real_schemas(oracle: Path) -> None:
    """Gateway API objects of the recorded worlds after the defaults of their CRDs (gateway-conversion/README.md)."""
    compared = 0
    for world in json.loads((oracle / "gateway-conversion" / "worlds.json").read_text(encoding="utf-8")):
        loaded = load_paths(["world.yaml", "istio.yaml"], oracle / "worlds" / world["world"])
        stored = {(item.kind, item.namespace, item.name): item.body.get("spec") for item in loaded.objects}
        for wanted in world["inputs_with_defaults"]:
            metadata = wanted["metadata"]
            namespace = "" if wanted["kind"] == "GatewayClass" else metadata.get("namespace", "default")
            assert stored[wanted["kind"], namespace, metadata["name"]] == wanted.get("spec")
            compared += 1
    assert compared == 19


def test_unknown_kinds_and_versions() -> None:
    assert _check("Servce") == ["kind: there is no kind 'Servce' in 'v1'"]
    assert _check("Deployment", "apps/v1beta1") == ["apiVersion: Deployment is not served as 'apps/v1beta1'"]
    assert check_document({"apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "a"}, "y": 1}).kind is None


def test_status_is_taken_as_it_is_and_null_timestamps_are_common() -> None:
    metadata = {"name": "a", "creationTimestamp": None}
    assert _check("Namespace", metadata=metadata, status={"phase": "Active", "anything": [1]}) == []


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("Service", "1web", "'1web' is not a service name"),
        ("Service", "a.b", "'a.b' is not a service name"),
        ("Namespace", "a.b", "'a.b' is not a namespace name"),
        ("Secret", "Bad_Name", "'Bad_Name' is not an object name"),
    ],
)
def test_names(kind: str, name: str, expected: str) -> None:
    rest: dict[str, object] = {"spec": {}} if kind == "Service" else {}
    assert _check(kind, metadata={"name": name}, **rest) == [f"metadata.name: {expected}"]


def test_names_of_other_projects_may_hold_more() -> None:
    assert _check("ClusterRole", "rbac.authorization.k8s.io/v1", {"name": "system:node"}) == []
    assert _check("ClusterRole", "rbac.authorization.k8s.io/v1", {"name": "a/b"}) != []


def test_labels() -> None:
    metadata = {"name": "a", "labels": {"app.kubernetes.io/name": "web", "a b": "c", "d": "e f"}}
    assert _check("Namespace", metadata=metadata) == [
        "metadata.labels.a b: 'a b' is not a label name",
        "metadata.labels.d: 'e f' is not a label value",
    ]
    assert _check("Secret", metadata={"name": "a", "namespace": "B"}) == [
        "metadata.namespace: 'B' is not a namespace name"
    ]
