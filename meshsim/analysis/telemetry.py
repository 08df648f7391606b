"""Telemetry objects that istiod does not follow, or follows only in part.

Of the objects without selector in a namespace the oldest counts; those that select a workload all count, later ones
over earlier (istio pilot/pkg/model/telemetry.go, 1.31). Istio's analyzers: IST0160 for several without selector,
IST0159 for several that select one workload, IST0157 for access logging without a provider.
"""

from __future__ import annotations

from typing import Final

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, close, listed, older
from meshsim.api import ApiObject
from meshsim.controlplane.policy_attachment import target_refs
from meshsim.controlplane.push_context import by_age
from meshsim.controlplane.telemetry import BUILT_IN_PROVIDERS, default_providers, find_provider

_GROUP: Final = "telemetry.istio.io"
_SECTIONS: Final = ("metrics", "accessLogging", "tracing")


def check_telemetry(cluster: Cluster, report: Report) -> None:
    """Several for one scope, and providers that are not there."""
    general: dict[str, ApiObject] = {}
    taken: dict[tuple[str, str], list[ApiObject]] = {}
    for item in by_age(cluster.of_kind("Telemetry", _GROUP)):
        labels = item.spec.fields("selector").text_map("matchLabels")
        if labels:
            for pod in cluster.pods(labels, item.namespace):
                taken.setdefault((pod.namespace, pod.name), []).append(item)
        elif not target_refs(item):
            first = general.setdefault(item.namespace, item)
            if first is not item:
                message = (
                    f"Telemetry {first.namespace}/{first.name} has no selector either and is {older(item, first)}: "
                    "istiod takes that one, this one is ignored"
                )
                report.warn("IST0160", item, "spec", message, "join both, or give one a selector")
        _check_providers(cluster, item, report)
    _report_shared(taken, report)


def _report_shared(taken: dict[tuple[str, str], list[ApiObject]], report: Report) -> None:
    whom: dict[str, tuple[ApiObject, dict[str, None], dict[str, None]]] = {}
    for (_, pod), items in taken.items():
        for item in items[1:]:
            _, names, pods = whom.setdefault(str(item), (item, {}, {}))
            names.update((f"{other.namespace}/{other.name}", None) for other in items if other is not item)
            pods.setdefault(pod)
    for item, names, pods in whom.values():
        message = f"Telemetry {listed(names)} selects {listed(pods)} too: both count, where they differ this one"
        report.inform("IST0159", item, "spec.selector", message)


def _check_providers(cluster: Cluster, item: ApiObject, report: Report) -> None:
    push = cluster.push
    known = [provider.text("name") for provider in push.mesh.fields.items("extensionProviders")]
    for section in _SECTIONS:
        for entry in item.spec.items(section):
            providers = entry.items("providers")
            for provider in providers:
                name = provider.text("name")
                if find_provider(push, name) is None:
                    hint = close(name, [*known, *BUILT_IN_PROVIDERS]) or "define it under meshConfig.extensionProviders"
                    message = f"the mesh has no extension provider '{name}': this entry does nothing"
                    report.warn("MSH0551", item, provider.at("name"), message, hint)
            unnamed = section == "accessLogging" and not providers and not entry.flag("disabled")
            if unnamed and not default_providers(push, section) and not _inherits(cluster, item):
                message = "no provider here and none by default: this entry does nothing"
                report.warn("IST0157", item, entry.path, message, "name one under providers, such as envoy")


def _inherits(cluster: Cluster, item: ApiObject) -> bool:
    """Whether a wider Telemetry names the providers of access logs, which an entry without any takes over."""
    root = cluster.push.mesh.root_namespace
    levels = (root,) if not item.spec.fields("selector") else (root, item.namespace)
    return any(
        other is not item and entry.items("providers")
        for namespace in levels
        for other in cluster.push.configs("Telemetry", namespace)
        if not other.spec.fields("selector")
        for entry in other.spec.items("accessLogging")
    )
