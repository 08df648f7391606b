"""What templates see of a pod: its workload, the image tag, variables of the URL path, the proxy's ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.context import Workload, image_tag, proxy_ids, url_variables, workload_of
from meshsim.api import make_object


def test_a_replica_sets_pod_belongs_to_its_deployment() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f", "controller": True}
    pod = make_object(
        {
            "kind": "Pod",
            "metadata": {
                "generateName": "web-5d4f-",
                "namespace": "shop",
                "labels": {"pod-template-hash": "5d4f"},
                "ownerReferences": [owner],
            },
        }
    )
    assert workload_of(pod) == Workload("web", "shop", "Deployment", "apps/v1")


def test_openshift_ids_are_the_last_of_the_range() -> None:
    annotations = {
        "openshift.io/sa.scc.uid-range": "1000620000/10000",
        "openshift.io/sa.scc.supplemental-groups": "1000/10,2000/10",
    }
    assert proxy_ids(annotations) == (1000629999, 1009)
    assert proxy_ids({}) == (1337, 1337)


@pytest.mark.needs_shared
def test_recorded_functions(recording: Callable[[str], Any]) -> None:
    recorded = recording("functions.json")
    for tag, kind, wanted in recorded["image_tag_and_type"]:
        assert image_tag(tag, kind) == wanted
    for path, wanted in recorded["url_path_to_env"]:
        assert url_variables(path) == wanted, path
    for case in recorded["owner_to_workload"]:
        owner = case["owner"]
        references = [owner] if owner["kind"] else []
        metadata = {
            "name": case["name"],
            "generateName": case["generateName"],
            "labels": case["labels"] or {},
            "ownerReferences": references,
        }
        found = workload_of(make_object({"kind": "Pod", "metadata": metadata}))
        assert (found.name, found.kind, found.api_version) == (case["workload"], case["kind"], case["apiVersion"])
