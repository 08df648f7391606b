"""What users write about injected containers, and pods that come a second time."""

from __future__ import annotations

from typing import Any

from meshsim.admission.inject import inject
from meshsim.admission.reinjection import without_assigned_user
from meshsim.admission.settings import InjectionSettings
from meshsim.api import ApiObject, Fields, make_object


def _pod(*containers: dict[str, Any]) -> ApiObject:
    metadata = {"name": "p", "namespace": "shop", "labels": {"app": "p"}}
    return make_object({"kind": "Pod", "metadata": metadata, "spec": {"containers": list(containers)}})


def _proxy(pod: Fields) -> Fields:
    found = [c for kind in ("initContainers", "containers") for c in pod.fields("spec").items(kind)]
    return next(c for c in found if c.text("name") == "istio-proxy")


def test_a_users_own_fields_win_and_are_kept() -> None:
    own = {"name": "istio-proxy", "image": "auto", "resources": {"requests": {"cpu": "1"}}}
    pod = Fields(inject(_pod({"name": "app"}, own), InjectionSettings()).pod)
    assert _proxy(pod).fields("resources").fields("requests").text("cpu") == "1"
    assert "proxy.istio.io/overrides" in pod.fields("metadata").text_map("annotations")
    assert [c.text("name") for c in pod.fields("spec").items("containers")] == ["app"]


def test_the_rules_except_the_user_the_proxy_runs_as() -> None:
    own = {"name": "istio-proxy", "securityContext": {"runAsUser": 2000}}
    pod = Fields(inject(_pod({"name": "app"}, own), InjectionSettings()).pod)
    arguments = pod.fields("spec").items("initContainers")[0].texts("args")
    assert arguments[arguments.index("-u") + 1] == "2000"


def test_a_second_injection_changes_nothing() -> None:
    probe = {"httpGet": {"path": "/", "port": 8080}}
    once = inject(_pod({"name": "app", "readinessProbe": probe}), InjectionSettings()).pod
    assert inject(make_object(once), InjectionSettings()).pod == once


def test_a_user_that_openshift_gave_to_all_is_taken_from_the_proxy() -> None:
    given = {"securityContext": {"runAsUser": 1000620000}}
    cleaned = without_assigned_user(_pod({"name": "app", **given}, {"name": "istio-proxy", **given}))
    assert "runAsUser" not in _proxy(cleaned.fields).fields("securityContext")
    other = {"securityContext": {"runAsUser": 5}}
    kept = without_assigned_user(_pod({"name": "app", **given}, {"name": "istio-proxy", **other}))
    assert _proxy(kept.fields).fields("securityContext").integer("runAsUser") == 5
