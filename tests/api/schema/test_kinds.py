"""Kinds: where they are served and which exist."""

from __future__ import annotations

import pytest

from meshsim.api.schema.kinds import CLUSTER_SCOPED, document_schema, find_kind, known_kinds
from meshsim.api.schema.reading import Family


def test_known_kinds_are_found_under_each_version() -> None:
    for kind in known_kinds():
        for version in kind.versions:
            api_version = f"{kind.group}/{version}" if kind.group else version
            assert find_kind(api_version, kind.name) is kind


def test_kinds_of_other_projects_are_theirs() -> None:
    assert find_kind("cert-manager.io/v1", "Certificate") is None
    assert find_kind("rbac.authorization.k8s.io/v1", "ClusterRole") is None


@pytest.mark.parametrize(
    ("api_version", "name", "hint"),
    [
        ("networking.istio.io/v1", "VirtualServices", "did you mean 'VirtualService'?"),
        ("networking.istio.io/v1", "virtualservice", "did you mean 'VirtualService'?"),
        ("networking.istio.io/v1beta9", "VirtualService", "use networking.istio.io/v1"),
        ("networking.istio.io", "VirtualService", "its apiVersion is networking.istio.io/v1"),
        ("v1", "Deployment", "its apiVersion is apps/v1"),
        ("extensions/v1beta1", "Ingress", "its apiVersion is networking.k8s.io/v1"),
        ("apps/v1beta2", "Deployment", "use apps/v1"),
    ],
)
def test_what_no_cluster_serves(api_version: str, name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"is not served as|there is no kind") as caught:
        find_kind(api_version, name)
    assert caught.value.args[1] == hint


def test_two_gateways_are_two_kinds() -> None:
    istio, gateway_api = (
        find_kind("networking.istio.io/v1", "Gateway"),
        find_kind("gateway.networking.k8s.io/v1", "Gateway"),
    )
    assert istio is not None
    assert gateway_api is not None
    assert (istio.family, gateway_api.family) == (Family.PROTOBUF, Family.CRD)
    assert document_schema(istio).fields["spec"].type is not document_schema(gateway_api).fields["spec"].type


def test_cluster_scoped() -> None:
    assert {"Namespace", "Node", "GatewayClass", "IngressClass", "ClusterRole"} <= CLUSTER_SCOPED
    assert "Service" not in CLUSTER_SCOPED


def test_kinds_with_fields_at_the_top() -> None:
    kind = find_kind("v1", "ConfigMap")
    assert kind is not None
    assert {"data", "metadata", "status"} <= set(document_schema(kind).fields)
    assert "spec" not in document_schema(kind).fields
