"""DestinationRules: merging those for one host, finding the one for a service, and the policy of a port or subset.

istio pilot/pkg/model/destination_rule.go, pilot/pkg/model/push_context.go (destinationRule, setDestinationRules) and
pilot/pkg/networking/util/util.go (MergeTrafficPolicy, MergeSubsetTrafficPolicy), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.endpoints.locality import failover_labels
from meshsim.controlplane.host_names import host_order, host_within, is_wildcard, resolve_short_name
from meshsim.controlplane.mesh import MeshConfig
from meshsim.controlplane.model import PushStatus


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
    failover_labels: tuple[str, ...] = field(init=False, repr=False)
    """Labels of a proxy that a failoverPriority of this rule compares."""

    def __post_init__(self) -> None:
        found: dict[str, None] = {}
        for policy in (self.traffic_policy, *(subset.traffic_policy for subset in self.subsets)):
            found.update(dict.fromkeys(failover_labels(policy)))
        object.__setattr__(self, "failover_labels", tuple(found))

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

    def __init__(
        self,
        rules: Sequence[ApiObject],
        mesh: MeshConfig,
        previous: DestinationRuleIndex | None = None,
    ) -> None:
        """`rules` come oldest first; merged rules that are made of the same objects are shared with `previous`."""
        self._mesh = mesh
        self.status = PushStatus()
        """Subsets that were declared twice."""
        self._known = previous._made if previous is not None and previous._mesh is mesh else {}
        self._made: dict[tuple[object, ...], MergedDestinationRule] = {}
        self._local: dict[str, _NamespaceRules] = {}
        self._exported: dict[str, _NamespaceRules] = {}
        self._root_private = _NamespaceRules()
        silent = PushStatus()
        # Rules with a workload selector lead, so that they are found before the general ones.
        for rule in sorted(rules, key=lambda r: "workloadSelector" not in r.spec):
            incoming = self._convert(rule)
            export_to = incoming.export_to
            if not export_to or "*" in export_to or "." in export_to or rule.namespace in export_to:
                self._add(self._local.setdefault(rule.namespace, _NamespaceRules()), incoming, self.status)
            if not self._is_private(incoming):
                self._add(self._exported.setdefault(rule.namespace, _NamespaceRules()), incoming, silent)
            elif rule.namespace == mesh.root_namespace:
                self._add(self._root_private, incoming, silent)

    def lookup(self, viewer: str, service_namespace: str, hostname: str) -> tuple[MergedDestinationRule, ...]:
        """Rules for a host as a proxy of namespace `viewer` sees them: its own, the service's, the root namespace's."""
        root = self._mesh.root_namespace
        if viewer != root:
            found = self._local[viewer].find(hostname) if viewer in self._local else ()
        else:
            found = self._root_private.find(hostname)
        if found:
            return found
        found = self._exported_rules(service_namespace, viewer, hostname)
        return found or self._exported_rules(root, viewer, hostname)

    def groups(self) -> Iterator[tuple[MergedDestinationRule, ...]]:
        """What the proxies of each namespace have of their own for each host: several only where rules do not merge."""
        for rules in self._local.values():
            for by_host in (rules.exact, rules.wildcard):
                yield from map(tuple, by_host.values())

    def _exported_rules(self, owner: str, viewer: str, hostname: str) -> tuple[MergedDestinationRule, ...]:
        rules = self._exported.get(owner)
        if rules is None:
            return ()
        return tuple(
            rule
            for rule in rules.find(hostname)
            if not rule.export_to or "*" in rule.export_to or viewer in rule.export_to
        )

    def _is_private(self, rule: MergedDestinationRule) -> bool:
        if not rule.export_to:
            return "." in self._mesh.destination_rule_export_to
        return rule.export_to in (frozenset((".",)), frozenset((rule.namespace,)))

    def _convert(self, rule: ApiObject) -> MergedDestinationRule:
        spec = rule.spec
        selector = spec.fields("workloadSelector").text_map("matchLabels") if "workloadSelector" in spec else None
        return self._shared(
            MergedDestinationRule(
                source=rule,
                host=resolve_short_name(spec.text("host"), rule.namespace, self._mesh.domain),
                traffic_policy=spec.fields("trafficPolicy") if "trafficPolicy" in spec else None,
                subsets=tuple(_subset(item) for item in spec.items("subsets")),
                # A rule with a selector is for the workloads of its own namespace only.
                export_to=frozenset(spec.texts("exportTo")) if selector is None else frozenset((".",)),
                workload_labels=selector,
                merged_from=(rule,),
            )
        )

    def _shared(self, rule: MergedDestinationRule) -> MergedDestinationRule:
        """The rule made earlier of the same objects in the same order, if any."""
        key = (*(id(source) for source in rule.merged_from), id(rule.source))
        known = self._made.get(key) or self._known.get(key)
        found = known if known is not None and _same_sources(known, rule) else rule
        self._made[key] = found
        return found

    def _add(self, target: _NamespaceRules, incoming: MergedDestinationRule, status: PushStatus) -> None:
        """Join a rule with the earlier ones of its namespace for the same host."""
        by_host = target.wildcard if is_wildcard(incoming.host) else target.exact
        known = by_host.setdefault(incoming.host, [])
        separate = True
        for at, before in enumerate(known):
            if incoming.export_to == before.export_to:
                separate = False
            elif before.export_to and incoming.export_to >= before.export_to:
                separate = True
            else:
                separate = True
                continue
            one, other = before.workload_labels, incoming.workload_labels
            if one is not None and other is not None and one != other:
                separate = True
                continue
            if one == other:
                separate = False
            known[at] = self._shared(_merge(before, incoming, status))
        if separate:
            known.append(incoming)


def _subset(item: Fields) -> Subset:
    policy = item.fields("trafficPolicy") if "trafficPolicy" in item else None
    return Subset(item.text("name"), item.text_map("labels"), policy)


def _same_sources(one: MergedDestinationRule, other: MergedDestinationRule) -> bool:
    return (
        one.source is other.source
        and len(one.merged_from) == len(other.merged_from)
        and all(a is b for a, b in zip(one.merged_from, other.merged_from))
    )


def _merge(before: MergedDestinationRule, incoming: MergedDestinationRule, status: PushStatus) -> MergedDestinationRule:
    """Subsets of both, the first traffic policy of the two."""
    names = {subset.name for subset in before.subsets}
    subsets = list(before.subsets)
    for subset in incoming.subsets:
        if subset.name in names:
            message = f"Duplicate subset {subset.name} found while merging destination rules for {before.host}"
            status.add("pilot_destrule_subsets", before.host, "", message)
            continue
        subsets.append(subset)
    return MergedDestinationRule(
        source=before.source,
        host=before.host,
        traffic_policy=before.traffic_policy if before.traffic_policy is not None else incoming.traffic_policy,
        subsets=tuple(subsets),
        export_to=before.export_to,
        workload_labels=before.workload_labels,
        merged_from=(*before.merged_from, *incoming.merged_from),
    )


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
