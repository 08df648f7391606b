"""One rule of an AuthorizationPolicy as an RBAC policy (istio pilot/pkg/security/authz/model, release 1.31).

The parts of a rule are sorted into permissions (what is asked) and principals (who asks). Each list of values becomes
an OR, `not` values an inverted OR, and all lists of one source an AND. What a TCP chain cannot see drops an
ALLOW rule as a whole, and from DENY, AUDIT and CUSTOM rules only that value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic

from meshsim.api import Fields
from meshsim.controlplane.authz.attributes import (
    OPERATION_FIELDS,
    SOURCE_FIELDS,
    SOURCE_PRINCIPAL,
    SOURCE_TRUST_DOMAIN,
    Each,
    P,
    Permission,
    Principal,
    RuleContext,
    Whole,
    permission_of,
    principal_of,
)
from meshsim.controlplane.authz.trust_domains import TrustDomains
from meshsim.xds.messages import rbac_pb2


class Action(Enum):
    """Action of the RBAC filter a rule goes into, as Envoy numbers them; CUSTOM rules are evaluated as DENY."""

    ALLOW = 0
    DENY = 1
    LOG = 2


@dataclass(frozen=True, slots=True)
class Condition(Generic[P]):
    """One attribute with its values; exactly one of `each` and `whole` is set."""

    key: str
    values: tuple[str, ...]
    not_values: tuple[str, ...]
    each: Each[P] | None = None
    whole: Whole[P] | None = None


class _DroppedError(Exception):
    """An ALLOW rule that this kind of chain cannot evaluate."""


def _sources(rule: Fields, common: list[Condition[Principal]]) -> list[list[Condition[Principal]]]:
    out = []
    for entry in rule.items("from"):
        source = entry.fields("source")
        found = [
            Condition(key, source.texts(field), source.texts(not_field), *principal_of(key))
            for field, not_field, key in SOURCE_FIELDS
        ]
        out.append([c for c in found if c.values or c.not_values] + common)
    return out or [common]


def _operations(rule: Fields, common: list[Condition[Permission]]) -> list[list[Condition[Permission]]]:
    out = []
    for entry in rule.items("to"):
        operation = entry.fields("operation")
        found = [
            Condition(key, operation.texts(field), operation.texts(not_field), each)
            for field, not_field, key, each in OPERATION_FIELDS
        ]
        out.append([c for c in found if c.values or c.not_values] + common)
    return out or [common]


def _expanded(condition: Condition[Principal], domains: TrustDomains) -> Condition[Principal]:
    expand: Callable[[Sequence[str]], list[str]]
    if condition.key == SOURCE_PRINCIPAL:
        expand = domains.expand_principals
    elif condition.key == SOURCE_TRUST_DOMAIN:
        expand = domains.expand_domains
    else:
        return condition
    values, not_values = tuple(expand(condition.values)), tuple(expand(condition.not_values))
    return Condition(condition.key, values, not_values, condition.each, condition.whole)


def _matched(
    condition: Condition[P], values: Sequence[str], context: RuleContext, action: Action, any_of: Callable[[list[P]], P]
) -> P | None:
    """The OR of the values, ``None`` when none of them can be expressed; raises `_DroppedError` for ALLOW."""
    if not values:
        return None
    if condition.whole is not None:
        found = condition.whole(context, values)
        if found is None and action is Action.ALLOW:
            raise _DroppedError
        return found
    assert condition.each is not None
    each = [condition.each(context, value) for value in values]
    if action is Action.ALLOW and None in each:
        raise _DroppedError
    kept = [one for one in each if one is not None]
    return any_of(kept) if kept else None


def _any_permission(found: list[Permission]) -> Permission:
    return Permission(or_rules=Permission.Set(rules=found))


def _any_principal(found: list[Principal]) -> Principal:
    return Principal(or_ids=Principal.Set(ids=found))


@dataclass(frozen=True, slots=True)
class RuleModel:
    """A rule sorted into its alternatives, ready for either kind of chain."""

    namespace: str
    permissions: list[list[Condition[Permission]]]
    principals: list[list[Condition[Principal]]]

    def policy(self, for_tcp: bool, action: Action) -> rbac_pb2.Policy | None:
        """The RBAC policy; ``None`` when an ALLOW rule asks for what this chain cannot see."""
        try:
            return rbac_pb2.Policy(
                permissions=[self._permission(one, for_tcp, action) for one in self.permissions],
                principals=[self._principal(one, for_tcp, action) for one in self.principals],
            )
        except _DroppedError:
            return None

    def _permission(self, conditions: list[Condition[Permission]], for_tcp: bool, action: Action) -> Permission:
        found = self._all(conditions, for_tcp, action, _any_permission, lambda one: Permission(not_rule=one))
        return Permission(and_rules=Permission.Set(rules=found or [Permission(any=True)]))

    def _principal(self, conditions: list[Condition[Principal]], for_tcp: bool, action: Action) -> Principal:
        found = self._all(conditions, for_tcp, action, _any_principal, lambda one: Principal(not_id=one))
        return Principal(and_ids=Principal.Set(ids=found or [Principal(any=True)]))

    def _all(
        self,
        conditions: list[Condition[P]],
        for_tcp: bool,
        action: Action,
        any_of: Callable[[list[P]], P],
        inverted: Callable[[P], P],
    ) -> list[P]:
        """What has to hold for every condition to: its values, and none of its `not` values."""
        found: list[P] = []
        for condition in conditions:
            context = RuleContext(condition.key, self.namespace, for_tcp)
            wanted = _matched(condition, condition.values, context, action, any_of)
            unwanted = _matched(condition, condition.not_values, context, action, any_of)
            found += [wanted] if wanted is not None else []
            found += [inverted(unwanted)] if unwanted is not None else []
        return found


def build_rule(rule: Fields, namespace: str, domains: TrustDomains) -> RuleModel | None:
    """A rule of a policy in this namespace; ``None`` when a condition has an unknown key."""
    permissions: list[Condition[Permission]] = []
    principals: list[Condition[Principal]] = []
    for when in rule.items("when"):
        key, values, not_values = when.text("key"), when.texts("values"), when.texts("notValues")
        permission, principal = permission_of(key), principal_of(key)
        given = bool(values or not_values)
        if any(permission):
            permissions += [Condition(key, values, not_values, *permission)] if given else []
        elif any(principal):
            principals += [Condition(key, values, not_values, *principal)] if given else []
        else:
            return None
    sources = [[_expanded(c, domains) for c in one] for one in _sources(rule, principals)]
    return RuleModel(namespace, _operations(rule, permissions), sources)
