"""Which injection webhook the API server calls for a pod.

Rules: istio manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml and revision-tags-mwc.yaml,
release 1.31; selector evaluation as in the API server's webhook matchers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from meshsim.admission.annotations import INJECT
from meshsim.admission.decision import IGNORED_NAMESPACES
from meshsim.api import ApiObject, Fields, make_object
from meshsim.api.selectors import matches_selector

_INJECTION: Final = "istio-injection"
_REVISION: Final = "istio.io/rev"
_NAME: Final = "kubernetes.io/metadata.name"


class WebhookMatch(NamedTuple):
    """A webhook that is called."""

    configuration: str
    webhook: str
    service: str
    """``namespace/name`` of the service it calls, empty for a URL."""
    path: str


def injection_webhooks(
    revision: str = "",
    tag: str = "",
    *,
    namespace: str = "istio-system",
    enable_namespaces_by_default: bool = False,
) -> ApiObject:
    """The MutatingWebhookConfiguration that the chart installs for a revision (empty = default) or a tag of it."""
    own = revision or "default"
    suffix = "" if own == "default" else f"-{own}"
    title = f"istio-revision-tag-{tag}" if tag else f"istio-sidecar-injector{suffix}"
    tag = tag or own
    absent = [_expression(_REVISION, "DoesNotExist"), _expression(_INJECTION, "DoesNotExist")]
    not_refused = _expression(INJECT, "NotIn", "false")
    hooks = [
        (
            "rev.namespace",
            [_expression(_REVISION, "In", tag), _expression(_INJECTION, "DoesNotExist")],
            [not_refused],
        ),
        ("rev.object", absent, [not_refused, _expression(_REVISION, "In", tag)]),
    ]
    if tag == "default":
        absent = absent[::-1]
        hooks += [
            ("namespace", [_expression(_INJECTION, "In", "enabled")], [not_refused]),
            ("object", absent, [_expression(INJECT, "In", "true"), _expression(_REVISION, "DoesNotExist")]),
        ]
        if enable_namespaces_by_default:
            system = _expression(_NAME, "NotIn", *IGNORED_NAMESPACES)
            free = [_expression(INJECT, "DoesNotExist"), _expression(_REVISION, "DoesNotExist")]
            hooks.append(("auto", [*absent, system], free))
    service = {"name": f"istiod{suffix}", "namespace": namespace, "path": "/inject"}
    return make_object(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": title},
            "webhooks": [
                {
                    "name": f"{name}.sidecar-injector.istio.io",
                    "clientConfig": {"service": {**service, "port": 443}},
                    "rules": [
                        {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
                    ],
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "reinvocationPolicy": "Never",
                    "admissionReviewVersions": ["v1"],
                    "namespaceSelector": {"matchExpressions": namespaces},
                    "objectSelector": {"matchExpressions": objects},
                }
                for name, namespaces, objects in hooks
            ],
        }
    )


def _expression(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def matching_webhooks(
    configurations: Iterable[ApiObject], namespace: str, namespace_labels: Mapping[str, str], labels: Mapping[str, str]
) -> list[WebhookMatch]:
    """Webhooks of these configurations that the API server calls for a pod to be created, in their order."""
    known = {**namespace_labels, _NAME: namespace}
    found = []
    for configuration in configurations:
        for hook in configuration.fields.items("webhooks"):
            if (
                _is_for_pods(hook)
                and matches_selector(hook.fields("namespaceSelector"), known)
                and matches_selector(hook.fields("objectSelector"), labels)
            ):
                found.append(_match(configuration, hook))
    return found


def _match(configuration: ApiObject, hook: Fields) -> WebhookMatch:
    service = hook.fields("clientConfig").fields("service")
    name = f"{service.text('namespace')}/{service.text('name')}" if service else ""
    return WebhookMatch(configuration.name, hook.text("name"), name, service.text("path", "/inject"))


def _is_for_pods(hook: Fields) -> bool:
    return any(
        _covers(rule, "operations", "CREATE")
        and _covers(rule, "apiGroups", "")
        and _covers(rule, "apiVersions", "v1")
        and _covers(rule, "resources", "pods")
        for rule in hook.items("rules")
    )


def _covers(rule: Fields, key: str, value: str) -> bool:
    return any(entry in ("*", value) for entry in rule.texts(key))
