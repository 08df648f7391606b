"""Contexts of an engine's clusters, made as the routes of proxies ask for subsets, priorities and own connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from meshsim.dataplane.contexts import SubsetSpec
from meshsim.dataplane.decide.decision import Upstream
from meshsim.dataplane.decide.endpoints import Labels
from meshsim.dataplane.engine import Engine
from meshsim.units import Nanos


def _nothing() -> None:
    pass


def needs_context(upstream: Upstream, high: bool) -> bool:
    """Whether requests to a cluster ask for more than one of its hosts (`meshsim.dataplane.contexts`)."""
    cluster = upstream.cluster
    if cluster is None:
        return False
    ahead = max(cluster.preconnect, cluster.predict) > 1 or cluster.thresholds.pools is not None
    return high or cluster.by_connection or ahead or upstream.subsets is not None


def subset_specs(upstream: Upstream) -> dict[str, SubsetSpec]:
    """The subsets that a route asks for, by their names and in their order."""
    rule = upstream.cluster.subsets if upstream.cluster is not None else None
    if rule is None:
        return {}
    return {
        subset.name: SubsetSpec(
            tuple(str(endpoint) for endpoint in subset.assignment.endpoints),
            subset.single,
            rule.locality_weight_aware,
            rule.scale_locality_weight,
        )
        for subset in upstream.subsets or ()
    }


@dataclass(slots=True)
class ClusterContexts:
    """The contexts that there are, by cluster, labels of the subset and priority."""

    engine: Engine
    _numbers: dict[tuple[int, Labels, bool], int] = field(default_factory=dict)
    _subsets: dict[int, dict[str, SubsetSpec]] = field(default_factory=dict)
    """By cluster."""
    _given: dict[int, tuple[object, dict[str, SubsetSpec]]] = field(default_factory=dict)
    """By context: the hosts that the cluster had, and the subsets that were asked for."""

    def find(
        self,
        cluster: int,
        upstream: Upstream,
        high: bool,
        hosts: object,
        at: Nanos | None = None,
        added: Callable[[], None] = _nothing,
    ) -> int:
        """The number that requests to a cluster lead to: its own unless they ask for more.

        `hosts` stands for the hosts that the cluster has now: its subsets are made anew where others are given.
        `added` is called for a new context.
        """
        if not needs_context(upstream, high):
            return cluster
        key = (cluster, upstream.match if upstream.subsets is not None else (), high)
        if key not in self._numbers:
            self._numbers[key] = self.engine.add_context(cluster, high=high)
            added()
        context = self._numbers[key]
        specs = subset_specs(upstream)
        if upstream.subsets is not None and self._given.get(context) != (hosts, specs):
            self._given[context] = (hosts, specs)
            known = self._subsets.setdefault(cluster, {})
            known.update(specs)
            self.engine.set_subsets(cluster, known, at)
            self.engine.set_chain(context, list(specs), at)
        return context

    def asked(self, cluster: int) -> list[tuple[Labels, bool]]:
        """The labels and priorities of a cluster's contexts."""
        return [(match, high) for number, match, high in self._numbers if number == cluster]
