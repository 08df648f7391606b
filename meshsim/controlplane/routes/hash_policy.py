"""Hash policies of routes from the consistent-hash settings of DestinationRules.

Modelled on istio route.go (hashForService, HashForHTTPDestination, consistentHashToHashPolicy), release 1.31.
"""

from __future__ import annotations

from meshsim.api import Fields
from meshsim.controlplane.destination_rules import MergedDestinationRule
from meshsim.controlplane.routes.values import duration
from meshsim.xds.messages import route_components_pb2

_HashPolicy = route_components_pb2.RouteAction.HashPolicy


def hash_for_destination(rule: MergedDestinationRule | None, destination: Fields) -> Fields | None:
    """The consistentHash that holds for a route's destination: subset port, subset, port, then the whole service."""
    if rule is None:
        return None
    port = destination.fields("port").integer("number") if "port" in destination else None
    subset = rule.subset(destination.text("subset"))
    subset_policy = subset.traffic_policy if subset is not None else None
    return (
        _for_port(subset_policy, port)
        or _general(subset_policy)
        or _for_port(rule.traffic_policy, port)
        or _general(rule.traffic_policy)
    )


def hash_for_service(rule: MergedDestinationRule | None, port: int) -> Fields | None:
    """The consistentHash for a service that no VirtualService routes to: port, then the whole service."""
    if rule is None:
        return None
    return _for_port(rule.traffic_policy, port) or _general(rule.traffic_policy)


def _general(policy: Fields | None) -> Fields | None:
    return _consistent_hash(policy) if policy is not None else None


def _for_port(policy: Fields | None, port: int | None) -> Fields | None:
    if policy is None or port is None:
        return None
    for setting in policy.items("portLevelSettings"):
        if setting.fields("port").integer("number") == port:
            return _consistent_hash(setting)
    return None


def _consistent_hash(policy: Fields) -> Fields | None:
    balancer = policy.fields("loadBalancer")
    return balancer.fields("consistentHash") if "consistentHash" in balancer else None


def build_hash_policy(consistent_hash: Fields | None) -> route_components_pb2.RouteAction.HashPolicy | None:
    """Envoy's policy of a consistentHash; `None` when it names no key."""
    if consistent_hash is None:
        return None
    if "httpHeaderName" in consistent_hash:
        return _HashPolicy(header=_HashPolicy.Header(header_name=consistent_hash.text("httpHeaderName")))
    if "httpCookie" in consistent_hash:
        cookie = consistent_hash.fields("httpCookie")
        ttl = cookie.duration("ttl")
        return _HashPolicy(
            cookie=_HashPolicy.Cookie(
                name=cookie.text("name"), path=cookie.text("path"), ttl=None if ttl is None else duration(ttl)
            )
        )
    if "useSourceIp" in consistent_hash:
        source_ip = consistent_hash.flag("useSourceIp")
        return _HashPolicy(connection_properties=_HashPolicy.ConnectionProperties(source_ip=source_ip))
    if "httpQueryParameterName" in consistent_hash:
        return _HashPolicy(
            query_parameter=_HashPolicy.QueryParameter(name=consistent_hash.text("httpQueryParameterName"))
        )
    return None
