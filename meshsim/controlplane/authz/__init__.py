"""AuthorizationPolicy to Envoy's RBAC and ext_authz filters."""

from meshsim.controlplane.authz.builder import AuthorizationBuilder, WorkloadPolicies
from meshsim.controlplane.authz.ext_authz import ClusterLookup, ExternalAuthorizer, external_authorizers
from meshsim.controlplane.authz.trust_domains import TrustDomains

__all__ = [
    "AuthorizationBuilder",
    "ClusterLookup",
    "ExternalAuthorizer",
    "TrustDomains",
    "WorkloadPolicies",
    "external_authorizers",
]
