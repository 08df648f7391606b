"""Whether istiod injects a pod that a webhook brought to it (istio pkg/kube/inject/inject.go injectRequired, 1.31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from meshsim.admission.annotations import INJECT
from meshsim.api import Fields
from meshsim.api.selectors import is_empty, matches_selector

IGNORED_NAMESPACES: Final = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")


class Decision(NamedTuple):
    """The answer and the rules that led to it, in the order they were asked."""

    inject: bool
    reasons: tuple[str, ...]


def decide(
    *,
    policy: str,
    namespace: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    host_network: bool,
    never: Sequence[Fields] = (),
    always: Sequence[Fields] = (),
) -> Decision:
    """Whether to inject; `never` and `always` are the configured label selectors, each list OR-ed."""
    if host_network:
        return Decision(False, ("the pod uses the host's network, whose rules injection would change",))
    if namespace in IGNORED_NAMESPACES:
        return Decision(False, (f"namespace {namespace} is never injected",))
    asked, reasons = _asked(labels, annotations)
    if asked is None:
        for selectors, answer, name in ((never, False, "neverInjectSelector"), (always, True, "alwaysInjectSelector")):
            if any(not is_empty(s) and matches_selector(s, labels) for s in selectors):
                asked = answer
                reasons.append(f"{name} matches the pod's labels")
                break
    if policy not in ("enabled", "disabled"):
        reasons.append(f"policy '{policy}' is neither enabled nor disabled: nothing is injected")
        return Decision(False, tuple(reasons))
    if asked is None:
        reasons.append(f"the policy is {policy}")
        return Decision(policy == "enabled", tuple(reasons))
    return Decision(asked, tuple(reasons))


def _asked(labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[bool | None, list[str]]:
    """What the pod itself asks for; a label, even an empty one, hides the annotation."""
    where, value = ("label", labels[INJECT]) if INJECT in labels else ("annotation", annotations.get(INJECT, ""))
    if value in ("true", "false"):
        return value == "true", [f"{where} {INJECT}={value}"]
    return None, [f"{where} {INJECT}='{value}' means nothing"] if value else []
