"""DestinationRules: merging those for one host, finding the one for a service, and the policy of a port or subset.

istio pilot/pkg/model/destination_rule.go, pilot/pkg/model/push_context.go (destinationRule, setDestinationRules) and
pilot/pkg/networking/util/util.go (MergeTrafficPolicy, MergeSubsetTrafficPolicy), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.host_names import host_order, host_within, is_wildcard, resolve_short_name
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import PushStatus
from meshsim.controlplane.visibility import exported_to


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """A named subset of a service's endpoints."""

    name: str
    labels: Mapping[str, str]
    traffic_policy: Fields | None


@dataclass(frozen=True, slots=True, eq=False)
class MergedDestinationRule:
    """The rules of one namespace for one host, the oldest one leading."""

    source: ApiObject
    """The oldest rule; Envoy's cluster metadata names it."""
    host: str
    traffic_policy: Fields | None
    subsets: tuple[Subset, ...]
    export_to: frozenset[str]
    workload_labels: Mapping[str, str] | None
    """`workloadSelector.matchLabels`; `None` = every workload."""
    merged_from: tuple[ApiObject, ...]

    @property
    def namespace(self) -> str:
        return self.source.namespace

    def subset(self, name: str) -> Subset | None:
        for subset in self.subsets:
            if subset.name == name:
                return subset
        return None


RulesByHost = dict[str, list[MergedDestinationRule]]


@dataclass(slots=True)
class _NamespaceRules:
    """Merged rules of one namespace by host."""

    exact: RulesByHost = field(default_factory=dict)
    wildcard: RulesByHost = field(default_factory=dict)

    def find(self, hostname: str) -> tuple[MergedDestinationRule, ...]:
        """Rules of the most specific host that holds this name."""
        if hostname in self.exact:
            return tuple(self.exact[hostname])
        if hostname in self.wildcard:
            return tuple(self.wildcard[hostname])
        covers = [h for h in self.wildcard if host_within(hostname, h)]
        return tuple(self.wildcard[min(covers, key=host_order)]) if covers else ()


class DestinationRuleIndex:
    """Every DestinationRule, ready to be looked up for a service and a proxy's namespace."""

    def __init__(self, rules: Iterable[ApiObject], mesh: MeshConfig, status: PushStatus) -> None:
        self._mesh = mesh
        self._local: dict[str, _NamespaceRules] = {}
        self._exported: dict[str, _NamespaceRules] = {}
        self._root_private = _NamespaceRules()
        for rule in rules:
            export_to = frozenset(rule.spec.texts("exportTo")) or mesh.destination_rule_export_to
            private = export_to == frozenset((".",)) or export_to == frozenset((rule.namespace,))
            _add(self._local.setdefault(rule.namespace, _NamespaceRules()), rule, export_to, mesh, status)
            if private:
                if rule.namespace == mesh.root_namespace:
                    _add(self._root_private, rule, export_to, mesh, PushStatus())
            else:
                _add(self._exported.setdefault(rule.namespace, _NamespaceRules()), rule, export_to, mesh, PushStatus())

    def lookup(self, viewer: str, service_namespace: str, hostname: str) -> tuple[MergedDestinationRule, ...]:
        """Rules for a host as a proxy of namespace `viewer` sees them: its own, the service's, the root namespace's."""
        root = self._mesh.root_namespace
        if viewer != root:
            found = self._local[viewer].find(hostname) if viewer in self._local else ()
        else:
            found = self._root_private.find(hostname)
        if found:
            return found
        if service_namespace:
            found = self._exported_rules(service_namespace, viewer, hostname)
            if found:
                return found
            # Rules with a workload selector stay in the namespace of the client, so only its own are left.
        return self._exported_rules(root, viewer, hostname)

    def _exported_rules(self, owner: str, viewer: str, hostname: str) -> tuple[MergedDestinationRule, ...]:
        rules = self._exported.get(owner)
        if rules is None:
            return ()
        return tuple(
            rule for rule in rules.find(hostname) if exported_to(rule.export_to, rule.namespace, viewer)
        )


def _add(
    target: _NamespaceRules, rule: ApiObject, export_to: frozenset[str], mesh: MeshConfig, status: PushStatus
) -> None:
    """Join a rule with the earlier ones of its namespace for the same host."""
    spec = rule.spec
    host = resolve_short_name(spec.text("host"), rule.namespace, mesh.domain)
    by_host = target.wildcard if is_wildcard(host) else target.exact
    known = by_host.setdefault(host, [])
    selector = spec.fields("workloadSelector").text_map("matchLabels") if "workloadSelector" in spec else None
    subsets = tuple(
        Subset(
            item.text("name"),
            item.text_map("labels"),
            item.fields("trafficPolicy") if "trafficPolicy" in item else None,
        )
        for item in spec.items("subsets")
    )
    policy = spec.fields("trafficPolicy") if "trafficPolicy" in spec else None
    for at, before in enumerate(known):
        if before.export_to != export_to or before.workload_labels != selector:
            continue
        names = {subset.name for subset in before.subsets}
        merged = list(before.subsets)
        for subset in subsets:
            if subset.name in names:
                status.add(
                    "pilot_destrule_subsets",
                    host,
                    "",
                    f"Duplicate subset {subset.name} found while merging destination rules for {host}",
                )
                continue
            merged.append(subset)
        known[at] = MergedDestinationRule(
            source=before.source,
            host=host,
            traffic_policy=before.traffic_policy if before.traffic_policy is not None else policy,
            subsets=tuple(merged),
            export_to=export_to,
            workload_labels=selector,
            merged_from=(*before.merged_from, rule),
        )
        return
    known.append(MergedDestinationRule(rule, host, policy, subsets, export_to, selector, (rule,)))


def select_destination_rule(
    rules: Sequence[MergedDestinationRule], namespace: str, labels: Mapping[str, str], outbound: bool
) -> MergedDestinationRule | None:
    """The rule for a workload: one whose selector matches (outbound only), else the one without selector."""
    general: MergedDestinationRule | None = None
    for rule in rules:
        if rule.workload_labels is None:
            general = rule
        elif (
            outbound
            and rule.namespace == namespace
            and all(labels.get(k) == v for k, v in rule.workload_labels.items())
        ):
            return rule
    return general
