from __future__ import annotations

from typing import Any

import pytest
import yaml

from meshsim.api import make_object
from meshsim.controlplane.policy_attachment import applies_to, policies_for, selects, target_refs

GATEWAY = "gateway.networking.k8s.io"
LABELS = {"app": "web"}
GATEWAY_LABELS = {"gateway.networking.k8s.io/gateway-name": "gw", "app": "web"}


def _policy(spec: str, namespace: str = "shop", name: str = "p") -> Any:
    return make_object(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": yaml.safe_load(spec),
        }
    )


def test_selectors() -> None:
    assert selects({}, {})
    assert selects({"a": "b"}, {"a": "b", "c": "d"})
    assert not selects({"a": "b"}, {})


@pytest.mark.parametrize(
    ("spec", "labels", "applies"),
    [
        ("{}", LABELS, True),
        ("{selector: {matchLabels: {app: web}}}", LABELS, True),
        ("{selector: {matchLabels: {app: db}}}", LABELS, False),
        (f"{{targetRefs: [{{group: {GATEWAY}, kind: Gateway, name: gw}}]}}", GATEWAY_LABELS, True),
        (f"{{targetRef: {{group: {GATEWAY}, kind: Gateway, name: gw}}}}", GATEWAY_LABELS, True),
        (f"{{targetRefs: [{{group: {GATEWAY}, kind: Gateway, name: other}}]}}", GATEWAY_LABELS, False),
        (f"{{targetRefs: [{{group: {GATEWAY}, kind: Gateway, name: gw}}]}}", LABELS, False),
        ("{targetRefs: [{kind: Service, name: web}]}", LABELS, False),
    ],
)
def test_whom_a_policy_is_for(spec: str, labels: dict[str, str], applies: bool) -> None:
    assert applies_to(_policy(spec), "shop", labels) is applies


def test_targets_are_in_the_policys_own_namespace() -> None:
    spec = f"{{targetRefs: [{{group: {GATEWAY}, kind: Gateway, name: gw}}]}}"
    assert not applies_to(_policy(spec, "istio-system"), "shop", GATEWAY_LABELS)
    assert len(target_refs(_policy(spec))) == 1


def test_root_and_own_namespace_in_the_order_asked_for(shop: Any) -> None:
    for namespace in ("istio-system", "shop", "far"):
        shop.store.put(_policy("{}", namespace, f"in-{namespace}"))
    push, proxy = shop.push(), shop.proxy("shop", "web-0")
    names = [p.name for p in policies_for(push, "AuthorizationPolicy", proxy, root_first=True)]
    assert names == ["in-istio-system", "in-shop"]
    assert [p.name for p in policies_for(push, "AuthorizationPolicy", proxy, root_first=False)] == names[::-1]
