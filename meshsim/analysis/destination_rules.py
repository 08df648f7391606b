"""DestinationRules that are merged, overridden, or about nothing.

Rules of one namespace for one host are merged, oldest first: subsets of all, of equal names the first (counted as
pilot_destrule_subsets), and the first traffic policy alone (istio pilot/pkg/model/destination_rule.go,
mergeDestinationRule). Rules that cannot be merged for their exportTo or selector stand side by side, and the last that
applies counts. A client's own namespace comes before that of the service (push_context.go, destinationRule; 1.31).
Istio's analyzers: IST0173 for a subset without pods, IST0174 for a host that does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from meshsim.analysis.cluster import Cluster
from meshsim.analysis.report import Report, close, close_host, labels_text, listed, older
from meshsim.api import ApiObject
from meshsim.controlplane.destination_rules import MergedDestinationRule
from meshsim.controlplane.host_names import host_within, is_wildcard, resolve_short_name
from meshsim.controlplane.model import Resolution, Service


def check_destination_rules(cluster: Cluster, report: Report) -> None:
    """Every DestinationRule alone, then those for one host together."""
    for item in cluster.of_kind("DestinationRule"):
        _check_host(cluster, item, report)
    for side_by_side in cluster.push.rules.groups():
        for rule in side_by_side:
            _check_merged(rule, report)
        _check_overridden(side_by_side, report)


# --- what it is about ------------------------------------------------------------------------------------------------


def _check_host(cluster: Cluster, item: ApiObject, report: Report) -> None:
    push = cluster.push
    host = resolve_short_name(item.spec.text("host"), item.namespace, push.mesh.domain)
    services = _services(cluster, host)
    if services:
        _check_subsets(cluster, item, services, report)
        return
    ending = f".svc.{push.mesh.domain}"
    owner = host.removesuffix(ending).rpartition(".")[2] if host.endswith(ending) else None
    if not (cluster.whole if owner is None or owner == "*" else cluster.knows(owner)):
        return
    written = item.spec.text("host")
    same = [name for name in cluster.hosts if name.partition(".")[0] == written]
    if same:
        hint = f"write {same[0]}: a short name means the rule's own namespace"
    elif "." in written and _services(cluster, host + ending):
        hint = f"write {host}{ending}: a name with a dot is taken as it is"
    else:
        hint = close_host(host, cluster.hosts)
    report.warn("IST0174", item, "spec.host", f"there is no service {host}: this rule applies to nothing", hint)


def _services(cluster: Cluster, host: str) -> list[Service]:
    by_host = cluster.push.registry.by_host
    names = [name for name in by_host if host_within(name, host)] if is_wildcard(host) else [host]
    return [service for name in names for service in by_host.get(name, {}).values()]


def _check_subsets(cluster: Cluster, item: ApiObject, services: Sequence[Service], report: Report) -> None:
    if not cluster.whole and not all(cluster.knows(service.namespace) for service in services):
        return
    for subset in item.spec.items("subsets"):
        labels = subset.text_map("labels")
        if labels and not any(_goes_where_asked(s) or _has_endpoints(cluster, s, labels) for s in services):
            name = subset.text("name")
            message = (
                f"no endpoint of {services[0].hostname} has the labels {labels_text(labels.items())}: "
                f"requests to subset '{name}' get 503 (flag UH)"
            )
            report.warn("IST0173", item, subset.at("labels"), message, _seen_labels(cluster, services[0], labels))


def _goes_where_asked(service: Service) -> bool:
    """Whether its clusters take the client's destination, whatever the labels of a subset."""
    return service.resolution in (Resolution.PASSTHROUGH, Resolution.DYNAMIC_DNS)


def _has_endpoints(cluster: Cluster, service: Service, labels: dict[str, str]) -> bool:
    for port in service.ports:
        for endpoint in cluster.push.endpoints(service, port):
            if all(endpoint.labels.get(key) == value for key, value in labels.items()):
                return True
    if not service.selector:
        return False
    return bool(cluster.pods({**service.selector, **labels}, service.namespace)) and all(
        service.selector.get(key, value) == value for key, value in labels.items()
    )


def _seen_labels(cluster: Cluster, service: Service, labels: dict[str, str]) -> str:
    """The values that the endpoints have for the first of the labels."""
    key = next(iter(labels))
    values = {
        endpoint.labels[key]
        for port in service.ports
        for endpoint in cluster.push.endpoints(service, port)
        if key in endpoint.labels
    }
    if service.selector:
        pods = cluster.pods(service.selector, service.namespace)
        values.update(pod.labels[key] for pod in pods if key in pod.labels)
    if values:
        return f"its endpoints have {key}={listed(sorted(values))}"
    keys = {
        name for port in service.ports for endpoint in cluster.push.endpoints(service, port) for name in endpoint.labels
    }
    return close(key, sorted(keys)) or f"its endpoints have no label {key}"


# --- several for one host --------------------------------------------------------------------------------------------


def _check_merged(rule: MergedDestinationRule, report: Report) -> None:
    """What a merged rule does not have of those it was merged from.

    A rule with a selector takes over what general ones have beside it: to override them is what it is for.
    """
    if rule.workload_labels is not None and any("workloadSelector" not in s.spec for s in rule.merged_from):
        return
    names: dict[str, ApiObject] = {}
    leader: ApiObject | None = None
    for source in rule.merged_from:
        spec = source.spec
        for subset in spec.items("subsets"):
            name = subset.text("name")
            first = names.setdefault(name, source)
            if first is not source:
                message = (
                    f"DestinationRule {first.namespace}/{first.name} for {rule.host} is {older(source, first)} "
                    f"and has a subset '{name}' too: istiod takes that one, this one is ignored"
                )
                hint = "istiod counts it as pilot_destrule_subsets; give one of them another name"
                report.warn("MSH0511", source, subset.at("name"), message, hint)
        if "trafficPolicy" in spec:
            if leader is not None:
                message = (
                    f"DestinationRule {leader.namespace}/{leader.name} for {rule.host} is {older(source, leader)} "
                    "and has a trafficPolicy: istiod takes that one as a whole, this one is ignored"
                )
                report.warn("MSH0512", source, "spec.trafficPolicy", message, "put both into one DestinationRule")
            leader = leader or source


def _check_overridden(rules: Sequence[MergedDestinationRule], report: Report) -> None:
    """Of the general rules that one namespace has for a host, its own proxies follow the last."""
    general = [rule for rule in rules if rule.workload_labels is None]
    for rule in general[:-1]:
        winner = general[-1].source
        merged = {source.key for source in general[-1].merged_from}
        for source in rule.merged_from:
            if source.key in merged:
                continue
            other = f"{winner.namespace}/{winner.name} for {rule.host}"
            message = (
                f"DestinationRule {other} comes later and has another exportTo: "
                f"proxies of namespace {source.namespace} follow that one alone"
            )
            report.warn("MSH0513", source, "spec.host", message, "put both into one DestinationRule")
