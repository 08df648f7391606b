"""AuthorizationPolicies of one workload as RBAC and ext_authz filters (istio security/authz/builder, 1.31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api import ApiObject
from meshsim.controlplane.authz.ext_authz import (
    HTTP_RBAC,
    MATCH_PREFIX,
    NETWORK_RBAC,
    SHADOW_PREFIX,
    ExternalAuthorizer,
)
from meshsim.controlplane.authz.rules import Action, build_rule
from meshsim.controlplane.authz.trust_domains import TrustDomains
from meshsim.xds.messages import (
    any_pb2,
    http_connection_manager_pb2,
    http_rbac_pb2,
    listener_components_pb2,
    network_rbac_pb2,
    rbac_pb2,
)
from meshsim.xds.packing import pack

_DRY_RUN: Final = "istio.io/dry-run"
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""What Go's strconv.ParseBool takes for true."""
_TCP_STAT_PREFIX: Final = "tcp."
_BAD_CUSTOM: Final = "-deny-due-to-bad-CUSTOM-action"
_SHADOW_STAT_PREFIXES: Final = {
    Action.ALLOW: "istio_dry_run_allow_",
    Action.DENY: "istio_dry_run_deny_",
    Action.LOG: "",
}

HttpFilter = http_connection_manager_pb2.HttpFilter
Filter = listener_components_pb2.Filter


@dataclass(frozen=True, slots=True)
class WorkloadPolicies:
    """The policies that apply to a workload, by action, root namespace first and oldest first."""

    custom: tuple[ApiObject, ...]
    deny: tuple[ApiObject, ...]
    allow: tuple[ApiObject, ...]
    audit: tuple[ApiObject, ...]

    @classmethod
    def of(cls, policies: Sequence[ApiObject]) -> WorkloadPolicies:
        """Sort policies by their action; ALLOW when none is given."""
        by_action: dict[str, list[ApiObject]] = {"CUSTOM": [], "DENY": [], "ALLOW": [], "AUDIT": []}
        for policy in policies:
            action = policy.spec.text("action", "ALLOW")
            if action in by_action:
                by_action[action].append(policy)
        return cls(*(tuple(by_action[action]) for action in ("CUSTOM", "DENY", "ALLOW", "AUDIT")))


@dataclass(slots=True)
class _RuleSets:
    """Enforced and dry-run rules under one action; ``None`` where no policy asked for them."""

    enforced: rbac_pb2.RBAC | None = None
    shadow: rbac_pb2.RBAC | None = None

    def into(self, dry_run: bool, action: Action) -> rbac_pb2.RBAC:
        if dry_run:
            if self.shadow is None:
                self.shadow = rbac_pb2.RBAC(action=_ENVOY_ACTION[action])
            return self.shadow
        if self.enforced is None:
            self.enforced = rbac_pb2.RBAC(action=_ENVOY_ACTION[action])
        return self.enforced


_ENVOY_ACTION: Final = {
    Action.ALLOW: rbac_pb2.RBAC.Action.ALLOW,
    Action.DENY: rbac_pb2.RBAC.Action.DENY,
    Action.LOG: rbac_pb2.RBAC.Action.LOG,
}


def _match_never() -> rbac_pb2.Policy:
    """A policy without rules: present (so an ALLOW list denies the rest) and never true."""
    return rbac_pb2.Policy(
        permissions=[rbac_pb2.Permission(not_rule=rbac_pb2.Permission(any=True))],
        principals=[rbac_pb2.Principal(not_id=rbac_pb2.Principal(any=True))],
    )


@dataclass(frozen=True, slots=True)
class AuthorizationBuilder:
    """Builds the filters of one workload, for HTTP and for TCP chains."""

    policies: WorkloadPolicies
    trust_domains: TrustDomains
    authorizers: Mapping[str, ExternalAuthorizer | None]

    def http_filters(self) -> list[HttpFilter]:
        """AUDIT, DENY and ALLOW filters of an HTTP connection manager."""
        return [_http_filter(HTTP_RBAC, pack(rbac)) for rbac in self._http_rules()]

    def network_filters(self) -> list[Filter]:
        """AUDIT, DENY and ALLOW filters of a TCP chain."""
        out = []
        for action, sets in self._local_rules(for_tcp=True):
            rbac = network_rbac_pb2.RBAC(
                rules=sets.enforced,
                shadow_rules=sets.shadow,
                shadow_rules_stat_prefix=_shadow_prefix(sets, action),
                stat_prefix=_TCP_STAT_PREFIX,
            )
            out.append(_network_filter(NETWORK_RBAC, pack(rbac)))
        return out

    def custom_http_filters(self) -> list[HttpFilter]:
        """CUSTOM policies: rules evaluated in shadow, then the authorizer that is asked about what they matched."""
        out: list[HttpFilter] = []
        providers = self._custom_rules(for_tcp=False)
        for name, sets in sorted(providers.items()):
            authorizer = self._authorizer(name, providers)
            if authorizer is None:
                out.append(_http_filter(HTTP_RBAC, pack(http_rbac_pb2.RBAC(rules=_deny_instead(sets)))))
                continue
            rbac = http_rbac_pb2.RBAC(
                shadow_rules=sets.into(False, Action.DENY),
                shadow_rules_stat_prefix=SHADOW_PREFIX,
                rules=sets.shadow if sets.shadow is not None and sets.shadow.policies else None,
            )
            out.append(_http_filter(HTTP_RBAC, pack(rbac)))
            out.append(_http_filter("envoy.filters.http.ext_authz", pack(authorizer.http)))
        return out

    def custom_network_filters(self) -> list[Filter]:
        """CUSTOM policies of TCP chains; providers that speak HTTP cannot be asked there and are left out."""
        out: list[Filter] = []
        providers = self._custom_rules(for_tcp=True)
        for name, sets in sorted(providers.items()):
            authorizer = self._authorizer(name, providers)
            if authorizer is None:
                rules = network_rbac_pb2.RBAC(rules=_deny_instead(sets), stat_prefix=_TCP_STAT_PREFIX)
                out.append(_network_filter(NETWORK_RBAC, pack(rules)))
            elif authorizer.tcp is not None:
                rbac = network_rbac_pb2.RBAC(
                    shadow_rules=sets.into(False, Action.DENY),
                    shadow_rules_stat_prefix=SHADOW_PREFIX,
                    rules=sets.shadow if sets.shadow is not None and sets.shadow.policies else None,
                    stat_prefix=_TCP_STAT_PREFIX,
                )
                out.append(_network_filter(NETWORK_RBAC, pack(rbac)))
                out.append(_network_filter("envoy.filters.network.ext_authz", pack(authorizer.tcp)))
        return out

    def _authorizer(self, name: str, providers: Mapping[str, _RuleSets]) -> ExternalAuthorizer | None:
        """The authorizer of a provider; none when a workload has several providers
        (PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS is off by default), so that all of it is denied."""
        return self.authorizers.get(name) if len(providers) == 1 else None

    def _http_rules(self) -> list[http_rbac_pb2.RBAC]:
        return [
            http_rbac_pb2.RBAC(
                rules=sets.enforced,
                shadow_rules=sets.shadow,
                shadow_rules_stat_prefix=_shadow_prefix(sets, action),
            )
            for action, sets in self._local_rules(for_tcp=False)
        ]

    def _local_rules(self, for_tcp: bool) -> list[tuple[Action, _RuleSets]]:
        out = []
        for action, policies in (
            (Action.LOG, self.policies.audit),
            (Action.DENY, self.policies.deny),
            (Action.ALLOW, self.policies.allow),
        ):
            if policies:
                sets = _RuleSets()
                for policy in policies:
                    self._add(policy, action, sets, for_tcp, "")
                out.append((action, sets))
        return out

    def _custom_rules(self, for_tcp: bool) -> dict[str, _RuleSets]:
        providers: dict[str, _RuleSets] = {}
        for policy in self.policies.custom:
            name = policy.spec.fields("provider").text("name")
            sets = providers.setdefault(name, _RuleSets())
            prefix = f"{MATCH_PREFIX}-{name}-" if name else f"{MATCH_PREFIX}-"
            self._add(policy, Action.DENY, sets, for_tcp, prefix)
        return providers

    def _add(self, policy: ApiObject, action: Action, sets: _RuleSets, for_tcp: bool, prefix: str) -> None:
        target = sets.into(policy.annotations.get(_DRY_RUN, "") in _TRUE, action)
        rules = policy.spec.items("rules")
        for index, rule in enumerate(rules):
            model = build_rule(rule, policy.namespace, self.trust_domains)
            built = model.policy(for_tcp, action) if model is not None else None
            if built is not None:
                target.policies[_policy_key(policy, index, prefix)].CopyFrom(built)
        if not rules:
            target.policies[_policy_key(policy, 0, prefix)].CopyFrom(_match_never())


def _policy_key(policy: ApiObject, index: int, prefix: str) -> str:
    return f"{prefix}ns[{policy.namespace}]-policy[{policy.name}]-rule[{index}]"


def _shadow_prefix(sets: _RuleSets, action: Action) -> str:
    """Without dry-run policies Istio asks an absent message for its action and gets ALLOW."""
    return _SHADOW_STAT_PREFIXES[action if sets.shadow is not None else Action.ALLOW]


def _deny_instead(sets: _RuleSets) -> rbac_pb2.RBAC:
    """What a CUSTOM policy with an unusable provider becomes: its rules deny."""
    out = rbac_pb2.RBAC(action=rbac_pb2.RBAC.Action.DENY)
    if sets.enforced is not None:
        for key, policy in sets.enforced.policies.items():
            out.policies[key + _BAD_CUSTOM].CopyFrom(policy)
    return out


def _http_filter(name: str, config: any_pb2.Any) -> HttpFilter:
    return HttpFilter(name=name, typed_config=config)


def _network_filter(name: str, config: any_pb2.Any) -> Filter:
    return Filter(name=name, typed_config=config)
