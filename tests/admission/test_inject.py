"""Injected pods equal those of the real webhook, in every field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.inject import inject
from meshsim.admission.settings import InjectionSettings, overlay
from meshsim.api import ApiObject, Fields, make_object
from meshsim.errors import InputError

CUSTOM_TEMPLATES = ("template-custom", "template-custom-only", "template-default-list")
"""Cases with Go templates of the installation's own (a deviation)."""


def _pod(annotations: dict[str, str] | None = None, **spec: Any) -> ApiObject:
    return make_object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "p"}, "annotations": annotations or {}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}], **spec},
        }
    )


def test_a_pod_gets_rules_and_a_native_sidecar() -> None:
    result = inject(_pod(), InjectionSettings())
    spec = Fields(result.pod).fields("spec")
    assert result.decision
    assert [c.text("name") for c in spec.items("initContainers")] == ["istio-init", "istio-proxy"]
    assert [c.text("name") for c in spec.items("containers")] == ["app"]
    assert Fields(result.pod).fields("metadata").text_map("labels")["security.istio.io/tlsMode"] == "istio"


def test_a_pod_that_is_left_alone_stays_as_it_is() -> None:
    pod = _pod(hostNetwork=True)
    result = inject(pod, InjectionSettings())
    assert not result.decision
    assert result.pod == pod.body
    assert result.reasons


def test_the_given_pod_is_not_changed() -> None:
    pod = _pod()
    before = repr(pod.body)
    inject(pod, InjectionSettings())
    assert repr(pod.body) == before


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"sidecar.istio.io/interceptionMode": "redirect"}, "interceptionMode invalid"),
        ({"inject.istio.io/templates": "no-such"}, "not found"),
        ({"traffic.sidecar.istio.io/includeOutboundPorts": '8"'}, "quotation mark"),
        ({"prometheus.io/port": "15090"}, "reserved for Istio"),
        ({"proxy.istio.io/overrides": "no json"}, "failed to run injection template"),
        ({"sidecar.istio.io/userVolume": "no json"}, "no JSON object"),
    ],
)
def test_refused_pods(annotations: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        inject(_pod(annotations), InjectionSettings())


def test_an_installations_own_template_is_named_as_not_modelled() -> None:
    values = overlay(InjectionSettings().values, {"sidecarInjectorWebhook": {"templates": {"extra": "..."}}})
    with pytest.raises(InputError, match="own Go template"):
        inject(_pod({"inject.istio.io/templates": "extra"}), InjectionSettings(values=values))


@pytest.mark.needs_shared
def test_recorded_pods(
    recorded_cases: list[dict[str, Any]],
    recorded_settings: Callable[..., InjectionSettings],
    comparable: Callable[[Any], Any],
) -> None:
    assert len(recorded_cases) == 263
    for case in recorded_cases:
        if case["name"] in CUSTOM_TEMPLATES:
            continue
        settings = recorded_settings(
            case["settings"],
            revision=case["revision"],
            native_sidecars=case["enable_native_sidecars"],
            kubelet_versions=case["kubelet_versions"],
            compliance_policy=case["compliance_policy"],
            openshift=case["platform"] == "openshift",
            proxy_configs=tuple(
                Fields({"metadata": {"name": c["name"], "namespace": c["namespace"]}, "spec": c["spec"]})
                for c in case["proxy_configs"]
            ),
        )
        request = case["request"]["request"]
        given: dict[str, Any] = {"namespace_annotations": case["namespace_annotations"], "path": case["path"]}
        namespace = request.get("namespace", "")
        result = inject(make_object(request["object"], None, namespace), settings, **given)
        assert result.decision is case["injected"], case["name"]
        if not case["injected"]:
            continue
        assert comparable(result.pod) == comparable(case["result"]), case["name"]
        if case.get("second_call"):
            again = inject(make_object(result.pod, None, namespace), settings, **given)
            assert comparable(again.pod) == comparable(case["second_call"]["result"]), case["name"]


@pytest.mark.needs_shared
def test_every_third_row_of_the_recorded_grid(
    recording: Callable[[str], Any],
    recorded_settings: Callable[..., InjectionSettings],
    comparable: Callable[[Any], Any],
) -> None:
    grid = recording("pods/grid.json.gz")
    assert len(grid["rows"]) == 1152
    for row in grid["rows"][::3]:
        facts = dict(zip(grid["columns"], row["values"]))
        base = recorded_settings("containers-init-cni" if facts["cni"] == "on" else "default")
        settings = InjectionSettings(values=base.values, mesh=base.mesh, native_sidecars=facts["native"])
        result = inject(make_object(row["pod"], None, "shop"), settings)
        assert comparable(result.pod) == comparable(row["result"]), facts


@pytest.mark.needs_shared
def test_public_manifests(
    recording: Callable[[str], Any],
    recorded_settings: Callable[..., InjectionSettings],
    comparable: Callable[[Any], Any],
) -> None:
    recorded = recording("pods/public-manifests.json.gz")
    settings = recorded_settings("default", kubelet_versions=recorded["kubelet_versions"])
    assert len(recorded["rows"]) == 131
    for row in recorded["rows"]:
        result = inject(make_object(row["pod"], None, row["namespace"]), settings)
        assert comparable(result.pod) == comparable(row["result"]), row["name"]


@pytest.mark.needs_shared
def test_istios_own_goldens(recording: Callable[[str], Any], comparable: Callable[[Any], Any]) -> None:
    goldens = recording("pods/istio-goldens.json.gz")
    equal = 0
    for row in goldens["rows"]:
        values = _entry(goldens["values"], row["values"], "values-00")
        mesh = _entry(goldens["mesh"], row["mesh"], "mesh-00")
        settings = _golden_settings(values, mesh, row, goldens["suites"][row["suite"]])
        for call in row["webhook"] or []:
            namespace = call["namespace"] or ""
            extra = goldens["namespace_test-ns_annotations"] if namespace == "test-ns" else {}
            pod = make_object(call["pod"], None, namespace)
            if call.get("result") is None or "custom-template" in row["name"] or "spire" in row["name"]:
                if not call["allowed"]:
                    with pytest.raises(InputError):
                        inject(pod, settings, namespace_annotations=extra)
                continue
            result = inject(pod, settings, namespace_annotations=extra)
            assert comparable(result.pod) == comparable(call["result"]), row["name"]
            equal += 1
    assert equal == 122


def _entry(table: dict[str, Any], name: str, base: str) -> dict[str, Any]:
    entry = table[name]
    if name == base:
        return dict(entry)
    return dict(entry["object"]) if "object" in entry else overlay(table[base], entry[f"merge_patch_on_{base}"])


def _golden_settings(
    values: dict[str, Any], mesh: dict[str, Any], row: dict[str, Any], kubelets: dict[str, str]
) -> InjectionSettings:
    webhook = values.get("sidecarInjectorWebhook", {})
    return InjectionSettings(
        values=values,
        mesh=mesh,
        policy=values["global"]["proxy"].get("autoInject", "enabled"),
        never_inject=tuple(Fields(item) for item in webhook.get("neverInjectSelector") or []),
        always_inject=tuple(Fields(item) for item in webhook.get("alwaysInjectSelector") or []),
        default_templates=tuple(webhook.get("defaultTemplates") or ("sidecar",)),
        injected_annotations=webhook.get("injectedAnnotations") or {},
        revision=values.get("revision") or "default",
        native_sidecars=row["enable_native_sidecars"],
        kubelet_versions=kubelets,
        compliance_policy=row["compliance_policy"],
        openshift=row["platform"] == "openshift",
    )


@pytest.mark.needs_shared
def test_recorded_refusals(
    recording: Callable[[str], Any], recorded_settings: Callable[..., InjectionSettings]
) -> None:
    """What the API server never sends (other types in a pod, other documents) is not asked here."""
    for case in recording("failures.json")["cases"]:
        if "raw_body" in case or case["name"] in ("failure-pod-cpu-type", "failure-pod-type"):
            continue
        if case["name"].startswith("istio/"):
            pod, settings = make_object(case["request_pod"], None, ""), recorded_settings("default")
        else:
            request = case["request"]["request"]
            pod = make_object(request["object"], None, request["namespace"])
            settings = recorded_settings(case["settings"])
        with pytest.raises(InputError):
            inject(pod, settings)
