"""Shared pieces of templates."""

from __future__ import annotations

from dataclasses import replace

from meshsim.admission import parts
from meshsim.admission.context import TemplateContext, Workload
from meshsim.admission.settings import DEFAULT_MESH, DEFAULT_VALUES
from meshsim.api import Fields

CONTEXT = TemplateContext(
    labels={"app": "cart", "version": "v2"},
    annotations={},
    spec=Fields({"containers": [{"name": "app", "ports": [{"name": "http", "containerPort": 8080}]}]}),
    namespace="shop",
    workload=Workload("cart", "shop", "Deployment", "apps/v1"),
    proxy_config=Fields({}),
    mesh=Fields(DEFAULT_MESH),
    values=Fields(DEFAULT_VALUES),
    revision="default",
    native=True,
)


def test_canonical_names_fall_back_and_are_cut() -> None:
    assert parts.canonical_labels(CONTEXT) == {
        "service.istio.io/canonical-name": "cart",
        "service.istio.io/canonical-revision": "v2",
    }
    long = replace(CONTEXT, labels={"app": "a" * 62 + "-b"})
    assert parts.canonical_labels(long)["service.istio.io/canonical-name"] == "a" * 62
    none = replace(CONTEXT, labels={})
    assert parts.canonical_labels(none)["service.istio.io/canonical-revision"] == "latest"


def test_annotations_replace_all_resources() -> None:
    assert parts.resources(CONTEXT)["limits"] == {"cpu": "2", "memory": "1Gi"}
    own = replace(CONTEXT, annotations={"sidecar.istio.io/proxyCPU": "50m"})
    assert parts.resources(own) == {"requests": {"cpu": "50m"}}


def test_ports_are_printed_one_a_line() -> None:
    assert parts.pod_ports(CONTEXT.spec) == '[\n    {"name":"http","containerPort":8080}\n]'
    assert parts.pod_ports(Fields({})) == "[\n]"


def test_the_address_of_a_revision() -> None:
    canary = replace(CONTEXT, revision="canary")
    assert parts.variable("CA_ADDR", "istiod-canary.istio-system.svc:15012") in parts.identity_environment(canary)


def test_no_readiness_probe_with_status_port_0() -> None:
    probe = parts.readiness_probe(CONTEXT)
    assert probe is not None
    assert probe["periodSeconds"] == 15
    assert parts.readiness_probe(replace(CONTEXT, annotations={"status.sidecar.istio.io/port": "0"})) is None
