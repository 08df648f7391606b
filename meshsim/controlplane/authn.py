"""Peer and request authentication: the mTLS mode of workloads and ports, and the filter that verifies tokens.

istio pilot/pkg/security/authn/policy_applier.go and pilot/pkg/model/authentication.go, release 1.31.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meshsim.api import ApiObject, Fields
from meshsim.controlplane.model import MutualTls, Proxy
from meshsim.controlplane.policy_attachment import policies_for, selects
from meshsim.xds.messages import (
    base_pb2,
    empty_pb2,
    http_connection_manager_pb2,
    jwt_authn_pb2,
    route_components_pb2,
)
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.controlplane.peer_policies import PolicySource
    from meshsim.controlplane.push_context import PushContext

JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
_ALWAYS_SPACE_DELIMITED: Final = ("permission", "scope")

Requirement = jwt_authn_pb2.JwtRequirement


@dataclass(frozen=True, slots=True)
class PeerModes:
    """The effective PeerAuthentication of a workload."""

    mode: MutualTls
    per_port: Mapping[int, MutualTls]
    """Ports (of the workload) that `portLevelMtls` names, by number."""

    def at(self, port: int) -> MutualTls:
        return self.per_port.get(port, self.mode)


def peer_modes(push: PolicySource, namespace: str, labels: Mapping[str, str]) -> PeerModes:
    """Mesh, then namespace, then workload level; the oldest policy of a level counts and UNSET inherits."""
    mode = MutualTls.PERMISSIVE
    root = push.mesh.root_namespace
    for level in dict.fromkeys((root, namespace)):
        policy = next((p for p in push.configs("PeerAuthentication", level) if not _selector(p)), None)
        mode = _mode(policy.spec.fields("mtls")) or mode if policy is not None else mode
    if namespace == root:
        # A selector in the root namespace is not a workload policy of anybody.
        return PeerModes(mode, {})
    workload = next(
        (p for p in push.configs("PeerAuthentication", namespace) if _selector(p) and selects(_selector(p), labels)),
        None,
    )
    if workload is None:
        return PeerModes(mode, {})
    mode = _mode(workload.spec.fields("mtls")) or mode
    ports = workload.spec.fields_map("portLevelMtls")
    return PeerModes(mode, {int(port): _mode(ports[port]) or mode for port in sorted(ports, key=int)})


def mutual_tls_mode(
    push: PolicySource, namespace: str, labels: Mapping[str, str] | None = None, port: int = 0
) -> MutualTls:
    """Mode of a workload's port; without labels the namespace's or mesh's, UNKNOWN when neither says anything."""
    if labels is not None:
        return peer_modes(push, namespace, labels).at(port)
    root = push.mesh.root_namespace
    mesh = next((p for p in push.configs("PeerAuthentication", root) if not _selector(p)), None)
    inherited = MutualTls.UNKNOWN
    if mesh is not None:
        inherited = _mode(mesh.spec.fields("mtls")) or MutualTls.PERMISSIVE
    own = next((p for p in push.configs("PeerAuthentication", namespace) if not _selector(p)), None)
    if own is None or namespace == root:
        return inherited
    default = MutualTls.PERMISSIVE if inherited is MutualTls.UNKNOWN else inherited
    return _mode(own.spec.fields("mtls")) or default


def _selector(policy: ApiObject) -> Mapping[str, str]:
    return policy.spec.fields("selector").text_map("matchLabels")


def _mode(mtls: Fields) -> MutualTls | None:
    """The mode of a block, ``None`` for UNSET."""
    text = mtls.text("mode")
    return MutualTls(text) if text in ("DISABLE", "PERMISSIVE", "STRICT") else None


# --- request authentication --------------------------------------------------------------------------------------


def jwt_filter(push: PushContext, proxy: Proxy) -> http_connection_manager_pb2.HttpFilter | None:
    """The filter that verifies the tokens of all RequestAuthentications of a workload, ``None`` without any."""
    policies = policies_for(push, "RequestAuthentication", proxy, root_first=False)
    rules = [rule for policy in policies for rule in policy.spec.items("jwtRules")]
    if not rules:
        return None
    rules.sort(key=lambda rule: rule.text("issuer"))
    config = jwt_authentication(rules, clear_route_cache=proxy.is_router)
    return http_connection_manager_pb2.HttpFilter(name=JWT_FILTER, typed_config=pack(config))


def jwt_authentication(rules: Sequence[Fields], clear_route_cache: bool) -> jwt_authn_pb2.JwtAuthentication:
    """One provider a rule; a request without token passes, one with an invalid token does not.

    With several providers any of them may accept, so that tokens of different issuers may share a place.
    """
    out = jwt_authn_pb2.JwtAuthentication(bypass_cors_preflight=True)
    names = [f"origins-{index}" for index in range(len(rules))]
    for name, rule in zip(names, rules, strict=True):
        out.providers[name].CopyFrom(_provider(rule, clear_route_cache))
    optional = [_any_of([Requirement(provider_name=name), _missing()]) for name in names]
    if len(optional) == 1:
        required = optional[0]
    else:
        both = Requirement(requires_all=jwt_authn_pb2.JwtRequirementAndList(requirements=optional))
        required = _any_of([*(Requirement(provider_name=name) for name in names), both])
    out.rules.add(match=route_components_pb2.RouteMatch(prefix="/"), requires=required)
    return out


def _any_of(requirements: Sequence[jwt_authn_pb2.JwtRequirement]) -> jwt_authn_pb2.JwtRequirement:
    return Requirement(requires_any=jwt_authn_pb2.JwtRequirementOrList(requirements=requirements))


def _missing() -> jwt_authn_pb2.JwtRequirement:
    return Requirement(allow_missing=empty_pb2.Empty())


def _provider(rule: Fields, clear_route_cache: bool) -> jwt_authn_pb2.JwtProvider:
    claims = sorted({*rule.texts("spaceDelimitedClaims"), *_ALWAYS_SPACE_DELIMITED})
    return jwt_authn_pb2.JwtProvider(
        issuer=rule.text("issuer"),
        audiences=rule.texts("audiences"),
        forward=rule.flag("forwardOriginalToken"),
        forward_payload_header=rule.text("outputPayloadToHeader"),
        payload_in_metadata="payload",
        normalize_payload_in_metadata=jwt_authn_pb2.JwtProvider.NormalizePayload(space_delimited_claims=claims),
        clear_route_cache=clear_route_cache,
        claim_to_headers=[
            jwt_authn_pb2.JwtClaimToHeader(header_name=entry.text("header"), claim_name=entry.text("claim"))
            for entry in rule.items("outputClaimToHeaders")
        ],
        from_headers=[
            jwt_authn_pb2.JwtHeader(name=entry.text("name"), value_prefix=entry.text("prefix"))
            for entry in rule.items("fromHeaders")
        ],
        from_params=rule.texts("fromParams"),
        from_cookies=rule.texts("fromCookies"),
        local_jwks=base_pb2.DataSource(inline_string=rule.text("jwks") or _unfetched_keys(rule.text("jwksUri"))),
    )


def _unfetched_keys(uri: str) -> str:
    """The key set istiod sends while it cannot fetch the real one: no token verifies against it.

    DEVIATION: istiod fetches `jwksUri` (every 20 minutes) and sends the keys inline; nothing is fetched here, so tokens
    of such a rule are always refused until `jwks` is given.
    """
    text = base64.urlsafe_b64encode(f"Error-IstiodFailedToFetchJwksUri-{uri}".encode()).rstrip(b"=").decode()
    return f'{{"keys":[ {{"e":"AQAB","kid":"abc","kty":"RSA","n":"{text}"}}]}}'
