"""The traffic policy of one port and subset: top level, port level and subset in Istio's precedence.

istio pilot/pkg/networking/util/util.go (GetPortLevelTrafficPolicy, MergeSubsetTrafficPolicy), release 1.31.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meshsim.api import Fields

if TYPE_CHECKING:
    from meshsim.controlplane.destination_rules import MergedDestinationRule


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """Blocks of a policy; `None` = not given."""

    connection_pool: Fields | None = None
    outlier_detection: Fields | None = None
    load_balancer: Fields | None = None
    tls: Fields | None = None
    tunnel: Fields | None = None
    proxy_protocol: Fields | None = None
    retry_budget: Fields | None = None


NO_POLICY = TrafficPolicy()


def _block(fields: Fields, key: str) -> Fields | None:
    return fields.fields(key) if key in fields else None


def port_policy(fields: Fields | None, port: int) -> tuple[TrafficPolicy, bool]:
    """The policy of a trafficPolicy for a port, and whether it is a port-level one.

    A port-level entry replaces the destination level: blocks it leaves out are Envoy's defaults, not the level above.
    """
    if fields is None:
        return NO_POLICY, False
    for item in fields.items("portLevelSettings"):
        if "port" in item and item.fields("port").integer("number") == port:
            return (
                TrafficPolicy(
                    connection_pool=_block(item, "connectionPool"),
                    outlier_detection=_block(item, "outlierDetection"),
                    load_balancer=_block(item, "loadBalancer"),
                    tls=_block(item, "tls"),
                ),
                True,
            )
    return (
        TrafficPolicy(
            connection_pool=_block(fields, "connectionPool"),
            outlier_detection=_block(fields, "outlierDetection"),
            load_balancer=_block(fields, "loadBalancer"),
            tls=_block(fields, "tls"),
            tunnel=_block(fields, "tunnel"),
            proxy_protocol=_block(fields, "proxyProtocol"),
            retry_budget=_block(fields, "retryBudget"),
        ),
        False,
    )


def merge_subset(base: TrafficPolicy, subset: Fields | None, port: int) -> TrafficPolicy:
    """The policy of a subset over that of its destination, block by block; a port-level one overrides all blocks."""
    if subset is None:
        return base
    over, whole = port_policy(subset, port)
    return replace(
        base,
        connection_pool=over.connection_pool if over.connection_pool is not None or whole else base.connection_pool,
        outlier_detection=over.outlier_detection
        if over.outlier_detection is not None or whole
        else base.outlier_detection,
        load_balancer=over.load_balancer if over.load_balancer is not None or whole else base.load_balancer,
        tls=over.tls if over.tls is not None or whole else base.tls,
        tunnel=over.tunnel if over.tunnel is not None else base.tunnel,
        proxy_protocol=over.proxy_protocol if over.proxy_protocol is not None else base.proxy_protocol,
        retry_budget=over.retry_budget if over.retry_budget is not None else base.retry_budget,
    )


def effective_policy(rule: MergedDestinationRule | None, subset: str, port: int) -> TrafficPolicy:
    """The policy of a DestinationRule for a port of the whole service (`subset` empty) or of a subset."""
    if rule is None:
        return NO_POLICY
    base, _ = port_policy(rule.traffic_policy, port)
    found = rule.subset(subset) if subset else None
    return merge_subset(base, found.traffic_policy, port) if found is not None else base
