"""Listener filters of inbound listeners: protocol inspectors on the ports that need them and on no others.

istio pilot/pkg/networking/core/listener_inbound.go (populateListenerFilters), release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.controlplane import filters
from meshsim.controlplane.listeners.chains import PLAINTEXT_HTTP_ALPNS, TLS
from meshsim.xds.messages import listener_components_pb2, range_pb2

Predicate = listener_components_pb2.ListenerFilterChainMatchPredicate

_ANY_PORT: Final = 0
"""Key of the chains without destination port."""


@dataclass(slots=True)
class _Needs:
    """What the chains of one port match on."""

    tls: bool = False
    http: bool = False


def inspectors(
    chains: Iterable[listener_components_pb2.FilterChain],
) -> list[listener_components_pb2.ListenerFilter]:
    """The TLS inspector and after it the HTTP inspector, as far as the chains need them.

    A connection in which TLS was found is not inspected for HTTP.
    """
    needs: dict[int, _Needs] = {}
    for chain in chains:
        match = chain.filter_chain_match
        entry = needs.setdefault(match.destination_port.value, _Needs())
        entry.tls = entry.tls or match.transport_protocol == TLS
        entry.http = entry.http or any(p in PLAINTEXT_HTTP_ALPNS for p in match.application_protocols)
    out = []
    if any(entry.tls for entry in needs.values()):
        out.append(_tls_inspector(needs))
    if any(entry.http for entry in needs.values()):
        off = sorted(port for port, entry in needs.items() if not entry.http)
        out.append(_disabled(filters.http_inspector(), _ports(off) if off else None))
    return out


def _tls_inspector(needs: Mapping[int, _Needs]) -> listener_components_pb2.ListenerFilter:
    """On for ports nobody declared: off at those that do not need it. Off for them: on at those that do."""
    rest = needs.get(_ANY_PORT, _Needs()).tls
    ports = sorted(port for port, entry in needs.items() if port != _ANY_PORT and entry.tls is not rest)
    if not ports:
        return filters.tls_inspector()
    listed = _ports(ports)
    return _disabled(filters.tls_inspector(), listed if rest else Predicate(not_match=listed))


def _disabled(
    inspector: listener_components_pb2.ListenerFilter,
    where: listener_components_pb2.ListenerFilterChainMatchPredicate | None,
) -> listener_components_pb2.ListenerFilter:
    if where is None:
        return inspector
    out = listener_components_pb2.ListenerFilter(filter_disabled=where)
    out.MergeFrom(inspector)
    return out


def _ports(ports: Sequence[int]) -> listener_components_pb2.ListenerFilterChainMatchPredicate:
    rules = [Predicate(destination_port_range=range_pb2.Int32Range(start=p, end=p + 1)) for p in ports]
    return rules[0] if len(rules) == 1 else Predicate(or_match=Predicate.MatchSet(rules=rules))
