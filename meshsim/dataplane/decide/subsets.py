"""Load balancer subsets: which hosts of a cluster a route's metadata allow.

Envoy source/extensions/load_balancing_policies/subset/subset_lb.cc. Each subset is balanced by a balancer of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from meshsim.dataplane.decide.endpoints import (
    NO_TEXT,
    Endpoint,
    Labels,
    LoadAssignment,
    LocalityEndpoints,
    subset_labels,
)
from meshsim.xds.messages import cluster_pb2, subset_lb_pb2


class Fallback(Enum):
    """What happens where no subset matches; numbered as the policies of a selector."""

    NOT_DEFINED = 0
    NO_FALLBACK = 1
    ANY_ENDPOINT = 2
    DEFAULT_SUBSET = 3
    KEYS_SUBSET = 4


class Selector(NamedTuple):
    """Keys that make subsets."""

    keys: frozenset[str]
    fallback: Fallback
    fallback_keys: frozenset[str]
    single: bool = False
    """Whether each of its subsets has one host, whatever its health."""


class SubsetRule(NamedTuple):
    """A cluster's subsets."""

    selectors: tuple[Selector, ...]
    fallback: Fallback
    default: Labels
    panic_mode_any: bool
    locality_weight_aware: bool
    scale_locality_weight: bool = False
    list_as_any: bool = False
    fallback_list: bool = False
    """Whether labels that are looked for one after the other stand in the route's `fallback_list`."""


class Subset(NamedTuple):
    """Hosts that requests may go to, under a name for their balancer."""

    name: str
    assignment: LoadAssignment
    single: bool = False
    """Whether its first host is taken whatever its health."""


_ANY: Final = "any"
_LIST: Final = "fallback_list"
_found: WeakKeyDictionary[LoadAssignment, dict[tuple[SubsetRule, Labels], tuple[Subset, ...]]] = WeakKeyDictionary()


def decode_subsets(message: cluster_pb2.Cluster.LbSubsetConfig | subset_lb_pb2.Subset) -> SubsetRule:
    """A cluster's subsets, in either form: `lb_subset_config`, or a policy whose fields have the same numbers."""
    listed = cluster_pb2.Cluster.LbSubsetConfig.FALLBACK_LIST
    return SubsetRule(
        tuple(
            Selector(
                frozenset(s.keys),
                Fallback(s.fallback_policy),
                frozenset(s.fallback_keys_subset),
                s.single_host_per_subset,
            )
            for s in message.subset_selectors
            if s.keys
        ),
        Fallback(message.fallback_policy + 1),
        subset_labels(message.default_subset),
        message.panic_mode_any,
        message.locality_weight_aware,
        message.scale_locality_weight,
        message.list_as_any,
        message.metadata_fallback_policy == listed,
    )


def merged_labels(match: Labels, own: Labels) -> Labels:
    """A route's labels with those of one of its clusters in the place of equal names (mergeMatchCriteria)."""
    return tuple(sorted({**dict(match), **dict(own)}.items())) if own else match


def subset_chain(rule: SubsetRule, assignment: LoadAssignment, match: Labels) -> tuple[Subset, ...]:
    """The subsets whose balancers are asked for a host, one after the other until there is one, for a route's
    `metadata_match`; equal questions share one answer."""
    known = _found.setdefault(assignment, {})
    found = known.get((rule, match))
    if found is None:
        chain = [_subset(rule, assignment, wanted) for wanted in _listed(rule, assignment, match)]
        found = known[rule, match] = tuple({subset.name: subset for subset in chain}.values())
    return found


class _Wanted(NamedTuple):
    """Labels that a host must have; `single` where the first such host is the subset."""

    labels: Labels
    single: bool = False


def _listed(rule: SubsetRule, assignment: LoadAssignment, match: Labels) -> Iterator[_Wanted]:
    """What is looked for: the labels alone, or with each entry of their list (chooseHostWithMetadataFallbacks)."""
    entries = _entries(dict(match).get(_LIST)) if rule.fallback_list else None
    if entries is None:
        yield from _wanted(rule, assignment, match)
        return
    plain = tuple((key, value) for key, value in match if key != _LIST)
    for entry in entries or [()]:
        yield from _wanted(rule, assignment, merged_labels(plain, entry))


def _entries(value: str | None) -> list[Labels] | None:
    """The labels that a `fallback_list` names."""
    if value is None:
        return None
    entries = json.loads(value[len(NO_TEXT) :]) if value.startswith(NO_TEXT) else None
    return [
        tuple((key, text if isinstance(text, str) else NO_TEXT + _json(text)) for key, text in sorted(entry.items()))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]


def _wanted(rule: SubsetRule, assignment: LoadAssignment, match: Labels) -> Iterator[_Wanted]:
    """Chooses as chooseHostIteration: a subset that has hosts, healthy or not, decides; otherwise a fallback does."""
    keys = frozenset(key for key, _ in match)
    selector = next((s for s in rule.selectors if match and s.keys == keys), None)
    fallback = Fallback.NOT_DEFINED
    if selector is not None:
        if any(_has(rule, endpoint, match) for endpoint in assignment.endpoints):
            yield _Wanted(match, selector.single)
            return
        fallback = selector.fallback
    if selector is not None and fallback is Fallback.KEYS_SUBSET:
        yield from _wanted(rule, assignment, tuple((k, v) for k, v in match if k in selector.fallback_keys))
        return
    general = fallback is Fallback.NOT_DEFINED
    if general:
        fallback = rule.fallback
    if fallback is Fallback.NO_FALLBACK:
        return
    yield _Wanted(rule.default if fallback is Fallback.DEFAULT_SUBSET else ())
    if general and rule.panic_mode_any:
        yield _Wanted(())


def _has(rule: SubsetRule, endpoint: Endpoint, wanted: Labels) -> bool:
    own = dict(endpoint.subset)
    return all(_matches(rule, own.get(key), value) for key, value in wanted)


def _matches(rule: SubsetRule, own: str | None, value: str) -> bool:
    """Whether a host's value is what is wanted, or a list with it where lists stand for each of their values."""
    if rule.list_as_any and own is not None and own.startswith(f"{NO_TEXT}["):
        return any(value == (v if isinstance(v, str) else NO_TEXT + _json(v)) for v in json.loads(own[len(NO_TEXT) :]))
    return own == value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _subset(rule: SubsetRule, assignment: LoadAssignment, wanted: _Wanted) -> Subset:
    """The hosts with these labels; of a single one the first of the lowest priority that has any."""
    groups = [
        group._replace(endpoints=tuple(e for e in group.endpoints if _has(rule, e, wanted.labels)))
        for group in assignment.localities
    ]
    if wanted.single:
        first = min((group for group in groups if group.endpoints), key=lambda group: group.priority)
        groups = [first._replace(endpoints=first.endpoints[:1])]
    if not rule.locality_weight_aware:
        groups = [_without_weight(group) for group in groups]
    name = ",".join(f"{key}={value}" for key, value in wanted.labels) or _ANY
    name += " alone" if wanted.single else ""
    chosen = LoadAssignment(
        assignment.cluster_name,
        tuple(groups),
        assignment.overprovisioning,
        assignment.weighted_health,
        assignment.unmodelled,
    )
    return Subset(name, chosen, wanted.single)


def _without_weight(group: LocalityEndpoints) -> LocalityEndpoints:
    """A group whose locality does not count."""
    return group._replace(region="", zone="", sub_zone="", weight=1)
