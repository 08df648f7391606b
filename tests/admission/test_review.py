"""AdmissionReview: the recorded requests get the recorded answers, and the patch makes the recorded pod."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.review import json_patch, review
from meshsim.admission.settings import InjectionSettings


def _patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    result = json.loads(json.dumps(document))
    for operation in patch:
        *path, last = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")[1:]]
        place = result
        for part in path:
            place = place[part]
        if operation["op"] == "remove":
            del place[last]
        else:
            place[last] = operation["value"]
    return result


def test_a_patch_turns_one_document_into_the_other() -> None:
    before = {"a": {"x/y": 1, "b": [1, 2], "~": 0}, "c": 1}
    after = {"a": {"x/y": 2, "b": [1], "~": 0}, "d": {}}
    patch = json_patch(before, after)
    assert _patched(before, patch) == after
    assert {operation["op"] for operation in patch} == {"add", "remove", "replace"}
    assert json_patch(after, after) == []


def test_other_documents_are_refused_with_a_reason() -> None:
    answer: Any = review({"apiVersion": "admission.k8s.io/v2", "kind": "AdmissionReview"}, InjectionSettings())
    assert answer["response"]["allowed"] is False
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    answer = review({**head, "request": {"uid": "1", "object": {"spec": "text"}}}, InjectionSettings())
    assert (answer["response"]["uid"], answer["response"]["allowed"]) == ("1", False)


@pytest.mark.needs_shared
def test_recorded_reviews(
    recorded_cases: list[dict[str, Any]],
    recorded_settings: Callable[..., InjectionSettings],
    comparable: Callable[[Any], Any],
) -> None:
    compared = 0
    for case in recorded_cases:
        if case["settings"] != "default" or case["proxy_configs"] or case["platform"] or case["compliance_policy"]:
            continue
        settings = recorded_settings(
            "default",
            revision=case["revision"],
            native_sidecars=case["enable_native_sidecars"],
            kubelet_versions=case["kubelet_versions"],
        )
        answer: Any = review(case["request"], settings, path=case["path"])
        wanted = case["response"]["response"]
        for key in ("allowed", "uid", "patchType"):
            assert answer["response"].get(key) == wanted.get(key), case["name"]
        assert answer["apiVersion"] == case["response"]["apiVersion"]
        if case["injected"]:
            patch = json.loads(base64.b64decode(answer["response"]["patch"]))
            pod = _patched(case["request"]["request"]["object"], patch)
            assert comparable(pod) == comparable(case["result"]), case["name"]
            compared += 1
    assert compared > 150
