"""Load balancer subsets: which hosts of a cluster a route's metadata allow.

Envoy source/extensions/load_balancing_policies/subset/subset_lb.cc. Each subset is balanced by a balancer of its own.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from meshsim.dataplane.decide.endpoints import Endpoint, Labels, LoadAssignment, LocalityEndpoints, labels
from meshsim.xds.messages import cluster_pb2


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


class SubsetRule(NamedTuple):
    """A cluster's subsets."""

    selectors: tuple[Selector, ...]
    fallback: Fallback
    default: Labels
    panic_mode_any: bool
    locality_weight_aware: bool


class Subset(NamedTuple):
    """Hosts that one request may go to, under a name for their balancer."""

    name: str
    assignment: LoadAssignment


_ANY: Final = "any"
_found: WeakKeyDictionary[LoadAssignment, dict[tuple[SubsetRule, Labels], Subset]] = WeakKeyDictionary()


def decode_subsets(message: cluster_pb2.Cluster.LbSubsetConfig) -> SubsetRule:
    """A cluster's `lb_subset_config`."""
    return SubsetRule(
        tuple(
            Selector(frozenset(s.keys), Fallback(s.fallback_policy), frozenset(s.fallback_keys_subset))
            for s in message.subset_selectors
        ),
        Fallback(message.fallback_policy + 1),
        labels(message.default_subset),
        message.panic_mode_any,
        message.locality_weight_aware,
    )


def choose_subset(rule: SubsetRule, assignment: LoadAssignment, match: Labels) -> Subset:
    """The hosts for a route's `metadata_match`; equal questions share one answer."""
    known = _found.setdefault(assignment, {})
    found = known.get((rule, match))
    if found is None:
        wanted = _wanted(rule, assignment, match)
        name = _ANY if wanted == () else "none" if wanted is None else ",".join(f"{k}={v}" for k, v in wanted)
        found = known[rule, match] = Subset(name, _filter(rule, assignment, wanted))
    return found


def _wanted(rule: SubsetRule, assignment: LoadAssignment, match: Labels) -> Labels | None:
    """Labels that a host must have, () for any host, None for no host."""
    keys = frozenset(key for key, _ in match)
    selector = next((s for s in rule.selectors if match and s.keys == keys), None)
    if selector is not None and _exists(assignment, match):
        return match
    fallback = selector.fallback if selector is not None else Fallback.NOT_DEFINED
    if selector is not None and fallback is Fallback.KEYS_SUBSET:
        return _wanted(rule, assignment, tuple((k, v) for k, v in match if k in selector.fallback_keys))
    if fallback is Fallback.NOT_DEFINED:
        fallback = rule.fallback
    if fallback is Fallback.ANY_ENDPOINT:
        return ()
    if fallback is Fallback.DEFAULT_SUBSET and _exists(assignment, rule.default):
        return rule.default
    return () if rule.panic_mode_any else None


def _exists(assignment: LoadAssignment, wanted: Labels) -> bool:
    return any(_has(endpoint, wanted) for endpoint in assignment.endpoints)


def _has(endpoint: Endpoint, wanted: Labels) -> bool:
    own = dict(endpoint.subset)
    return all(own.get(key) == value for key, value in wanted)


def _filter(rule: SubsetRule, assignment: LoadAssignment, wanted: Labels | None) -> LoadAssignment:
    groups = [
        group._replace(endpoints=tuple(e for e in group.endpoints if wanted is not None and _has(e, wanted)))
        for group in assignment.localities
    ]
    if not rule.locality_weight_aware:
        groups = [_without_weight(group) for group in groups]
    return LoadAssignment(
        assignment.cluster_name,
        tuple(groups),
        assignment.overprovisioning,
        assignment.weighted_health,
        assignment.unmodelled,
    )


def _without_weight(group: LocalityEndpoints) -> LocalityEndpoints:
    """A group whose locality does not count."""
    return group._replace(region="", zone="", sub_zone="", weight=1)
