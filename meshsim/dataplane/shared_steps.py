"""What responses lead to, for proxies of one world: from one state the same response leads to one state.

Much of a response is the same for many proxies, and what it does to that share of their configuration is too: it is
worked out once. The last few results are remembered, as proxies start, and are pushed to, one after another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from meshsim.dataplane.active import ActiveConfig, Warming
from meshsim.dataplane.decide.clusters import Cluster, LoadAssignment
from meshsim.dataplane.resource_cache import ResourceCache
from meshsim.xds import type_urls
from meshsim.xds.bodies import BodyTable, TableKey
from meshsim.xds.client import Applied
from meshsim.xds.sharing import ByIdentity, share

_REMEMBERED: Final = 64


class SharedSteps:
    """The steps that proxies of one world have taken lately."""

    def __init__(self) -> None:
        self._known_step = lru_cache(maxsize=_REMEMBERED)(self._new_step)
        self._known_endpoint_step = lru_cache(maxsize=_REMEMBERED)(_step_of_endpoints_alone)

    def take(
        self, state: ActiveConfig, type_url: str, changed: Mapping[str, bytes], removed: tuple[str, ...], version: str
    ) -> tuple[ActiveConfig, Applied]:
        """As `ActiveConfig.apply`."""
        return self._known_step(state, type_url, BodyTable.of(changed).key, removed, version)

    def _new_step(
        self, state: ActiveConfig, type_url: str, changed: TableKey, removed: tuple[str, ...], version: str
    ) -> tuple[ActiveConfig, Applied]:
        step = None
        if type_url == type_urls.CLUSTER and len(changed.table.parts) > 1:
            step = self._clusters_in_parts(state, changed.table.parts, removed, version)
        elif type_url == type_urls.ENDPOINT:
            step = self._endpoint_step(state, changed, removed, version)
        return step or state.apply(type_url, changed.table, removed, version)

    def _clusters_in_parts(
        self, state: ActiveConfig, parts: tuple[BodyTable, ...], removed: tuple[str, ...], version: str
    ) -> tuple[ActiveConfig, Applied] | None:
        """Clusters are taken in by themselves, so one part after the other leads where all at once do.

        `None` where that may not hold: with refused clusters, which are told of as one, or where endpoints of a part
        went that the next may ask for.
        """
        found: list[Applied] = []
        reached = state
        for part in parts:
            last = part is parts[-1]
            reached, applied = self._known_step(reached, type_urls.CLUSTER, part.key, removed if last else (), version)
            if applied.rejected or not (last or reached.assignments is state.assignments):
                return None
            found.append(applied)
        return reached, found[-1]._replace(
            effective=tuple([change for applied in found for change in applied.effective]),
            rewatched=any(applied.rewatched for applied in found),
            warm_meanwhile=any(applied.warm_meanwhile for applied in found),
        )

    def _endpoint_step(
        self, state: ActiveConfig, changed: TableKey, removed: tuple[str, ...], version: str
    ) -> tuple[ActiveConfig, Applied] | None:
        """Endpoints depend on nothing but those there are and clusters that wait, which more proxies have in common."""
        warmed, applied = self._known_endpoint_step(
            state.cache,
            state.reads_all,
            ByIdentity(state.assignments),
            ByIdentity(state.warming_clusters),
            ByIdentity(state.endpoint_names),
            changed,
            removed,
            version,
        )
        if applied.rejected:
            return None
        reached = replace(
            state,
            clusters=share({**state.clusters, **warmed.clusters}) if warmed.clusters else state.clusters,
            assignments=warmed.assignments,
            warming_clusters=warmed.warming_clusters,
            versions={**state.versions, type_urls.ENDPOINT: version},
        )
        return reached, reached.applied(applied.effective, ())


def _step_of_endpoints_alone(
    cache: ResourceCache,
    reads_all: bool,
    assignments: ByIdentity[Mapping[str, LoadAssignment]],
    warming_clusters: ByIdentity[Mapping[str, Warming[Cluster]]],
    endpoint_names: ByIdentity[tuple[str, ...]],
    changed: TableKey,
    removed: tuple[str, ...],
    version: str,
) -> tuple[ActiveConfig, Applied]:
    """The step of a configuration of which nothing else is known: its clusters are those that wait no longer."""
    state = ActiveConfig(
        cache,
        reads_all=reads_all,
        assignments=assignments.value,
        warming_clusters=warming_clusters.value,
        endpoint_names=endpoint_names.value,
    )
    return state.apply(type_urls.ENDPOINT, changed.table, removed, version)
