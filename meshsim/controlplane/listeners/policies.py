"""Security filters of one workload: AuthorizationPolicies and RequestAuthentications that apply to it.

istio pilot/pkg/networking/core/listener_builder.go (buildHTTPConnectionManager) and networkfilter.go, release 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.api import ApiObject
from meshsim.controlplane.authn import jwt_filter
from meshsim.controlplane.authz import (
    AuthorizationBuilder,
    ExternalAuthorizer,
    TrustDomains,
    WorkloadPolicies,
    external_authorizers,
)
from meshsim.controlplane.policy_attachment import policies_for
from meshsim.controlplane.provider_clusters import ProviderCluster, lookup_cluster, provider_clusters
from meshsim.xds.messages import http_connection_manager_pb2, listener_components_pb2
from meshsim.xds.sharing import ByIdentity

if TYPE_CHECKING:
    from meshsim.controlplane.mesh import MeshConfig
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext

HttpFilters = Sequence[http_connection_manager_pb2.HttpFilter]
NetworkFilters = Sequence[listener_components_pb2.Filter]


@dataclass(frozen=True, slots=True, eq=False)
class ChainPolicies:
    """The filters in the order of their groups."""

    custom_http: HttpFilters = ()
    jwt: HttpFilters = ()
    local_http: HttpFilters = ()
    """AUDIT, DENY, ALLOW."""
    custom_network: NetworkFilters = ()
    local_network: NetworkFilters = ()


NO_POLICIES: Final = ChainPolicies()
"""Outbound traffic of sidecars is nobody's to authorize."""


class _PoliciesKey(NamedTuple):
    """What the filters are made from."""

    mesh: MeshConfig
    providers: tuple[ProviderCluster | None, ...]
    router: bool
    policies: tuple[ByIdentity[ApiObject], ...]
    tokens: tuple[ByIdentity[ApiObject], ...]


class PolicyBuilder:
    """Finds the filters of workloads in one push, those made in earlier ones included."""

    def __init__(self, push: PushContext) -> None:
        self._push = push

    @cached_property
    def _providers(self) -> tuple[ProviderCluster | None, ...]:
        return provider_clusters(self._push)

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
        push = self._push
        objects = push.made(("policies", proxy.namespace), lambda: self._objects(proxy.namespace))
        if not any(objects):
            return NO_POLICIES
        inputs = (self._providers, objects)
        return push.cache.latest(("policies", proxy), inputs, lambda _: self._find(proxy))

    def _objects(self, namespace: str) -> tuple[tuple[ApiObject, ...], ...]:
        """Policies of a namespace and the root."""
        push = self._push
        places = dict.fromkeys((namespace, push.mesh.root_namespace))
        return tuple(
            push.configs(kind, place) for kind in ("AuthorizationPolicy", "RequestAuthentication") for place in places
        )

    def _find(self, proxy: Proxy) -> ChainPolicies:
        policies = policies_for(self._push, "AuthorizationPolicy", proxy, root_first=True)
        tokens = policies_for(self._push, "RequestAuthentication", proxy, root_first=False)
        if not policies and not tokens:
            return NO_POLICIES
        key = _PoliciesKey(
            mesh=self._push.mesh,
            providers=self._providers,
            router=proxy.is_router,
            policies=tuple(ByIdentity(item) for item in policies),
            tokens=tuple(ByIdentity(item) for item in tokens),
        )
        return self._push.cache.get_or_make(key, lambda: self._make(proxy, policies))

    def _make(self, proxy: Proxy, policies: Sequence[ApiObject]) -> ChainPolicies:
        builder = AuthorizationBuilder(
            policies=WorkloadPolicies.of(policies),
            trust_domains=self._trust_domains,
            authorizers=self._authorizers,
        )
        jwt = jwt_filter(self._push, proxy)
        return ChainPolicies(
            custom_http=builder.custom_http_filters(),
            jwt=(jwt,) if jwt is not None else (),
            local_http=builder.http_filters(),
            custom_network=builder.custom_network_filters(),
            local_network=builder.network_filters(),
        )
