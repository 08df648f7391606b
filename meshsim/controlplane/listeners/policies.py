"""Security filters of one workload: AuthorizationPolicies and RequestAuthentications that apply to it.

istio pilot/pkg/networking/core/listener_builder.go (buildHTTPConnectionManager) and networkfilter.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from meshsim.api import ObjectKey
from meshsim.controlplane.authn import jwt_filter
from meshsim.controlplane.authz import (
    AuthorizationBuilder,
    ExternalAuthorizer,
    TrustDomains,
    WorkloadPolicies,
    external_authorizers,
)
from meshsim.controlplane.policy_attachment import policies_for
from meshsim.controlplane.provider_clusters import lookup_cluster
from meshsim.xds.messages import http_connection_manager_pb2, listener_components_pb2

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

HttpFilters = Sequence[http_connection_manager_pb2.HttpFilter]
NetworkFilters = Sequence[listener_components_pb2.Filter]


@dataclass(frozen=True, slots=True, eq=False)
class ChainPolicies:
    """The filters in the order of their groups."""

    key: tuple[ObjectKey, ...] = ()
    """The policies behind them; equal keys mean equal filters within one push context."""
    custom_http: HttpFilters = ()
    jwt: HttpFilters = ()
    local_http: HttpFilters = ()
    """AUDIT, DENY, ALLOW."""
    custom_network: NetworkFilters = ()
    local_network: NetworkFilters = ()


NO_POLICIES: Final = ChainPolicies()
"""Outbound traffic of sidecars is nobody's to authorize."""


class PolicyBuilder:
    """Builds the filters of workloads in one push."""

    def __init__(self, push: PushContext) -> None:
        self._push = push
        self._built: dict[tuple[bool, tuple[ObjectKey, ...]], ChainPolicies] = {}

    @cached_property
    def _trust_domains(self) -> TrustDomains:
        return TrustDomains.of(self._push.mesh.trust_domain, self._push.mesh.trust_domain_aliases)

    @cached_property
    def _authorizers(self) -> Mapping[str, ExternalAuthorizer | None]:
        def lookup(service: str, port: int) -> tuple[str, str] | None:
            return lookup_cluster(self._push, service, port)

        return external_authorizers(self._push.mesh.fields.items("extensionProviders"), lookup)

    def build(self, proxy: Proxy) -> ChainPolicies:
        """The filters of a proxy's workload."""
        policies = policies_for(self._push, "AuthorizationPolicy", proxy, root_first=True)
        tokens = policies_for(self._push, "RequestAuthentication", proxy, root_first=False)
        key = tuple(item.key for item in (*policies, *tokens))
        found = self._built.get((proxy.is_router, key))
        if found is None:
            builder = AuthorizationBuilder(
                policies=WorkloadPolicies.of(policies),
                trust_domains=self._trust_domains,
                authorizers=self._authorizers,
            )
            jwt = jwt_filter(self._push, proxy)
            found = ChainPolicies(
                key=key,
                custom_http=builder.custom_http_filters(),
                jwt=(jwt,) if jwt is not None else (),
                local_http=builder.http_filters(),
                custom_network=builder.custom_network_filters(),
                local_network=builder.network_filters(),
            )
            self._built[proxy.is_router, key] = found
        return found
