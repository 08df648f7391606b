"""Which webhook is called: the chart's configurations, and every recorded combination of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from meshsim.admission.webhooks import WebhookMatch, injection_webhooks, matching_webhooks
from meshsim.api import make_object


@pytest.mark.parametrize(
    ("namespace_labels", "labels", "hook"),
    [
        ({}, {}, ""),
        ({"istio-injection": "enabled"}, {}, "namespace"),
        ({"istio-injection": "enabled"}, {"sidecar.istio.io/inject": "false"}, ""),
        ({"istio-injection": "disabled"}, {"sidecar.istio.io/inject": "true"}, ""),
        ({}, {"sidecar.istio.io/inject": "true"}, "object"),
        ({"istio.io/rev": "default"}, {}, "rev.namespace"),
        ({}, {"istio.io/rev": "default"}, "rev.object"),
        ({}, {"istio.io/rev": "canary"}, ""),
    ],
)
def test_the_default_installation(namespace_labels: dict[str, str], labels: dict[str, str], hook: str) -> None:
    found = matching_webhooks([injection_webhooks()], "shop", namespace_labels, labels)
    assert [match.webhook.removesuffix(".sidecar-injector.istio.io") for match in found] == [hook] * bool(hook)


def test_a_match_says_what_is_called() -> None:
    found = matching_webhooks([injection_webhooks("canary")], "shop", {"istio.io/rev": "canary"}, {})
    name = "rev.namespace.sidecar-injector.istio.io"
    assert found == [WebhookMatch("istio-sidecar-injector-canary", name, "istio-system/istiod-canary", "/inject")]


def test_only_webhooks_for_new_pods_count() -> None:
    configuration = injection_webhooks()
    hooks = [{**hook.body, "rules": [{"operations": ["UPDATE"]}]} for hook in configuration.fields.items("webhooks")]
    other = make_object({**configuration.body, "webhooks": hooks})
    assert matching_webhooks([other], "shop", {"istio-injection": "enabled"}, {}) == []


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("install", "revision", "tag", "everywhere"),
    [
        ("default", "", "", False),
        ("default-auto", "", "", True),
        ("canary", "canary", "", False),
        ("canary-auto", "canary", "", True),
        ("canary-tag-default", "canary", "default", False),
        ("canary-tag-prod", "canary", "prod", False),
        ("default-tag-prod", "", "prod", False),
    ],
)
def test_the_charts_configurations(
    recording: Callable[[str], Any], install: str, revision: str, tag: str, everywhere: bool
) -> None:
    wanted = recording("webhooks.json")["installs"][install]["configurations"][1 if tag else 0]
    made = injection_webhooks(revision, tag, enable_namespaces_by_default=everywhere)
    assert made.name == wanted["metadata"]["name"]
    without_scope = [
        {**hook, "rules": [{k: v for k, v in rule.items() if k != "scope"} for rule in hook["rules"]]}
        for hook in wanted["webhooks"]
    ]
    assert made.body["webhooks"] == without_scope


@pytest.mark.needs_shared
def test_recorded_matches(recording: Callable[[str], Any]) -> None:
    installs, recorded = recording("webhooks.json"), recording("webhook-matches.json.gz")
    rows = 0
    for cluster, answers in recorded["clusters"].items():
        configurations = [
            make_object(item)
            for install in installs["clusters"][cluster]
            for item in installs["installs"][install]["configurations"]
        ]
        # every third row of each cluster: neighbours differ in one label
        for namespace, injection, revision, pod_inject, pod_revision, names, services in answers[::3]:
            of_namespace = {"istio-injection": injection, "istio.io/rev": revision}
            of_pod = {"sidecar.istio.io/inject": pod_inject, "istio.io/rev": pod_revision}
            found = matching_webhooks(
                configurations,
                namespace,
                {key: value for key, value in of_namespace.items() if value},
                {key: value for key, value in of_pod.items() if value},
            )
            called = [f"{m.configuration}/{m.webhook.removesuffix('sidecar-injector.istio.io')}" for m in found]
            assert sorted(called) == sorted(names), (cluster, namespace)
            assert sorted({m.service.partition("/")[2] for m in found}) == sorted(set(services))
            rows += 1
    assert rows == 7259
