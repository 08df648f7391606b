"""Route tables that ask for their clusters to exist when they are loaded.

Rules: Envoy source/common/router/config_impl.cc (validateClusters, 1.37): a table inside a listener is checked unless
it says otherwise, one that came by RDS only if it says so; a cluster that still warms exists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from meshsim.dataplane.decide.listeners import Listener
from meshsim.dataplane.decide.routes import Forward, RouteConfiguration


def unknown_cluster(resource: object, known: Sequence[Collection[str]]) -> str:
    """Why a listener or route table is refused for a cluster in none of `known`, or an empty text."""
    for table in _checked_tables(resource):
        for host in table.virtual_hosts:
            for route in host.routes:
                reason = _unknown(route.action, known) if isinstance(route.action, Forward) else ""
                if reason:
                    return reason
    return ""


def _checked_tables(resource: object) -> Iterator[RouteConfiguration]:
    if isinstance(resource, RouteConfiguration) and resource.validates:
        yield resource
    elif isinstance(resource, Listener):
        chains = (*resource.chains, resource.default_chain) if resource.default_chain else resource.chains
        for chain in chains:
            manager = chain.connection_manager
            if manager and manager.route_config and manager.route_config.validates is not False:
                yield manager.route_config


def _unknown(action: Forward, known: Sequence[Collection[str]]) -> str:
    named = [("cluster", action.clusters.name)]
    named += [("weighted cluster", c.name) for c in action.clusters.weighted]
    named += [("shadow cluster", m.cluster) for m in action.mirrors]
    for kind, name in named:
        if name and not any(name in names for names in known):
            return f"route: unknown {kind} '{name}'"
    return ""
