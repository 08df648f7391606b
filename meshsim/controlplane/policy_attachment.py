"""Which workloads a policy applies to, by selector or targetRefs (istio pilot/pkg/model/policyattachment.go, 1.31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

GATEWAY_NAME_LABEL: Final = "gateway.networking.k8s.io/gateway-name"
_GATEWAY_GROUP: Final = "gateway.networking.k8s.io"


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every label of the selector is on the workload; an empty selector selects all."""
    return all(labels.get(key) == value for key, value in selector.items())


def target_refs(policy: ApiObject) -> tuple[Fields, ...]:
    """The targets of a policy, the older single field included."""
    spec = policy.spec
    return spec.items("targetRefs") or ((spec.fields("targetRef"),) if "targetRef" in spec else ())


def applies_to(policy: ApiObject, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a policy of the workload's or the root namespace attaches to a workload.

    Only workloads of a Gateway API gateway can be targets; they also listen to selectors
    (ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY, on by default).
    """
    refs = target_refs(policy)
    if not refs:
        return selects(policy.spec.fields("selector").text_map("matchLabels"), labels)
    gateway = labels.get(GATEWAY_NAME_LABEL)
    if gateway is None or policy.namespace != namespace:
        return False
    return any(
        ref.text("group") == _GATEWAY_GROUP
        and ref.text("kind") == "Gateway"
        and ref.text("name") == gateway
        and ref.text("namespace") in ("", namespace)
        for ref in refs
    )


def policies_for(push: PushContext, kind: str, proxy: Proxy, *, root_first: bool) -> list[ApiObject]:
    """Policies of a kind in the proxy's and the root namespace that attach to it, oldest first in each."""
    root = push.mesh.root_namespace
    namespaces = dict.fromkeys((root, proxy.namespace) if root_first else (proxy.namespace, root))
    return [
        policy
        for namespace in namespaces
        for policy in push.configs(kind, namespace)
        if applies_to(policy, proxy.namespace, proxy.labels)
    ]
