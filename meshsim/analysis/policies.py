"""Policies that select nothing, and those of which only the oldest counts.

PeerAuthentication: of one level (mesh, namespace, workload) the oldest counts (istio pilot/pkg/model/authentication.go,
addPeerAuthentication; pilot/pkg/security/authn/policy_applier.go, ComposePeerAuthentication; 1.31). AuthorizationPolicy
and RequestAuthentication add up. Istio's analyzers report an AuthorizationPolicy without workloads as IST0127, a
namespace that does not exist as IST0101.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from meshsim.analysis.cluster import Cluster, Workload
from meshsim.analysis.report import Report, close, labels_text, listed, older
from meshsim.api import ApiObject, ObjectKey
from meshsim.controlplane.conversion.inputs import GATEWAY_GROUP
from meshsim.controlplane.policy_attachment import target_refs
from meshsim.controlplane.push_context import by_age

_SECURITY: Final = "security.istio.io"
_KINDS: Final = (
    ("AuthorizationPolicy", _SECURITY, "IST0127"),
    ("RequestAuthentication", _SECURITY, "IST0127"),
    ("PeerAuthentication", _SECURITY, "IST0127"),
    ("Telemetry", "telemetry.istio.io", "IST0101"),
    ("WasmPlugin", "extensions.istio.io", "IST0127"),
    ("TrafficExtension", "extensions.istio.io", "IST0127"),
    ("ProxyConfig", "networking.istio.io", "IST0127"),
)
"""Kinds with a selector, their group, and the code of a selector without workloads."""

_OWN_NAMESPACE: Final = ("PeerAuthentication", "ProxyConfig", "Telemetry")
"""Kinds whose selector is for workloads of their own namespace, also in the root namespace."""


class _Namespaces(NamedTuple):
    """A list of namespaces in a rule."""

    path: str
    names: tuple[str, ...]


def check_policies(cluster: Cluster, report: Report) -> None:
    """Selectors and targets of all policies, then what is particular to a kind."""
    for kind, group, code in _KINDS:
        for item in cluster.of_kind(kind, group):
            _check_selector(cluster, item, code, report)
            _check_targets(cluster, item, report)
    for item in cluster.of_kind("AuthorizationPolicy", _SECURITY):
        _check_namespaces(cluster, item, report)
    _check_peers(cluster, report)
    _check_proxy_configs(cluster, report)


def _selector(item: ApiObject) -> dict[str, str]:
    return item.spec.fields("selector").text_map("matchLabels")


def _reaches(cluster: Cluster, item: ApiObject) -> str | None:
    """The namespace whose workloads a policy is for; `None` for the whole mesh."""
    root = cluster.push.mesh.root_namespace
    return None if item.namespace == root and item.kind not in _OWN_NAMESPACE else item.namespace


def _check_selector(cluster: Cluster, item: ApiObject, code: str, report: Report) -> None:
    labels = _selector(item)
    namespace = _reaches(cluster, item)
    pods = cluster.pods(labels, namespace)
    if target_refs(item):
        return
    if pods:
        if cluster.whole and item.group == _SECURITY and namespace is not None and not any(pod.in_mesh for pod in pods):
            whom = listed(pod.name for pod in pods) if labels else f"the workloads of namespace {namespace}"
            hint = f"kubectl label namespace {namespace} istio-injection=enabled, then restart the pods"
            message = f"{whom} {'has' if labels and len(pods) == 1 else 'have'} no proxy: nobody enforces this"
            report.warn(code, item, "spec.selector", message, hint)
        return
    if not (cluster.whole if namespace is None else cluster.knows(namespace)):
        return
    where = "" if namespace is None else f" of namespace {namespace}"
    if not labels:
        if namespace is not None and item.namespace != cluster.push.mesh.root_namespace:
            report.warn(code, item, "spec", f"namespace {namespace} has no workloads: this applies to nothing")
        return
    blame = cluster.blame(labels, namespace)
    message = f"no workload{where} has the labels {labels_text(labels.items())}: this applies to nothing"
    elsewhere = sorted({w.namespace for w in cluster.pods(labels)})
    if elsewhere:
        hint = f"such workloads are in namespace {listed(elsewhere)}"
    else:
        hint = blame.hint(labels)
    report.warn(code, item, f"spec.selector.matchLabels.{blame.key}", message, hint)


def _check_targets(cluster: Cluster, item: ApiObject, report: Report) -> None:
    for ref in target_refs(item):
        kind, name = ref.text("kind"), ref.text("name")
        if kind != "Gateway" or ref.text("group") != GATEWAY_GROUP or not cluster.knows(item.namespace):
            continue
        if cluster.push.objects.get(ObjectKey(GATEWAY_GROUP, kind, item.namespace, name)) is None:
            known = [gateway.name for gateway in cluster.push.objects.select(kind, GATEWAY_GROUP, item.namespace)]
            message = f"there is no Gateway {item.namespace}/{name} of the Gateway API: this applies to nothing"
            report.warn("IST0101", item, ref.at("name"), message, close(name, known))


def _check_namespaces(cluster: Cluster, item: ApiObject, report: Report) -> None:
    if not cluster.whole:
        return
    for listing in _source_namespaces(item):
        for index, name in enumerate(listing.names):
            if not any(_fits(name, known) for known in cluster.namespaces):
                message = f"there is no namespace {name}: no request comes from it"
                report.warn("IST0101", item, f"{listing.path}[{index}]", message, close(name, cluster.namespaces))


def _source_namespaces(item: ApiObject) -> Iterator[_Namespaces]:
    for rule in item.spec.items("rules"):
        for entry in rule.items("from"):
            source = entry.fields("source")
            for key in ("namespaces", "notNamespaces"):
                yield _Namespaces(source.at(key), source.texts(key))


def _fits(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name.lower() == pattern.lower()


# --- only the oldest counts ------------------------------------------------------------------------------------------


def _check_peers(cluster: Cluster, report: Report) -> None:
    general: dict[str, ApiObject] = {}
    taken: dict[tuple[str, str], ApiObject] = {}
    root = cluster.push.mesh.root_namespace
    for item in by_age(cluster.of_kind("PeerAuthentication", _SECURITY)):
        labels = _selector(item)
        if not labels:
            level = "for the mesh" if item.namespace == root else f"for namespace {item.namespace}"
            _report_second(item, general.setdefault(item.namespace, item), level, report)
        elif item.namespace == root:
            message = "in the root namespace a PeerAuthentication with a selector applies to nothing"
            report.warn("MSH0541", item, "spec.selector", message, "put it into the namespace of the workload")
        else:
            _check_selected(item, cluster.pods(labels, item.namespace), taken, report)


def _report_second(item: ApiObject, first: ApiObject, level: str, report: Report) -> None:
    if first is item:
        return
    message = (
        f"PeerAuthentication {first.namespace}/{first.name} {level} is {older(item, first)}: "
        "istiod takes that one, this one is ignored"
    )
    report.warn("MSH0542", item, "spec", message, "join both, or give one a selector")


def _check_selected(
    item: ApiObject, pods: list[Workload], taken: dict[tuple[str, str], ApiObject], report: Report
) -> None:
    beaten: dict[str, list[str]] = {}
    for pod in pods:
        first = taken.setdefault((pod.namespace, pod.name), item)
        if first is not item:
            beaten.setdefault(f"{first.namespace}/{first.name}", []).append(pod.name)
    for name, losers in beaten.items():
        message = f"PeerAuthentication {name} selects {listed(losers)} too and comes first: "
        effect = "this one is ignored" if len(losers) == len(pods) else "this one is ignored for it"
        report.warn("MSH0542", item, "spec.selector", message + effect, "join both, or make the selectors disjoint")


def _check_proxy_configs(cluster: Cluster, report: Report) -> None:
    first: dict[str, ApiObject] = {}
    for item in by_age(cluster.of_kind("ProxyConfig")):
        if _selector(item):
            continue
        winner = first.setdefault(item.namespace, item)
        if winner is not item:
            message = (
                f"ProxyConfig {winner.namespace}/{winner.name} has no selector either and is {older(item, winner)}: "
                "istiod takes that one, this one is ignored"
            )
            report.warn("MSH0543", item, "spec", message, "join both, or give one a selector")
