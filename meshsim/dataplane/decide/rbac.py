"""Role based access control of the HTTP and network filters (Envoy source/extensions/filters/common/rbac, 1.40).

Policies are evaluated in name order; one matches iff any permission and any principal match, and its condition is
true if it has one. Custom matchers and filter state are not modelled: a policy that needs them never
matches, and its decoder noted it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol

from meshsim.dataplane.decide.cel import CelOptions, compile_condition
from meshsim.dataplane.decide.headers import HeaderMatcher, decode_header_matcher
from meshsim.dataplane.decide.match_trees import (
    CEL_INPUT,
    CONNECTION_INPUTS,
    HEADER_INPUT,
    MatchTree,
    TreeDecoder,
    find_action,
    unpack_action,
)
from meshsim.dataplane.decide.metadata import MetadataMatcher, decode_metadata_matcher
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import (
    IpNetwork,
    Notes,
    StringMatcher,
    decode_cidr,
    decode_string_matcher,
    in_network,
)
from meshsim.dataplane.decide.subjects import Subject as Subject
from meshsim.dataplane.decide.uri_template import UriTemplate, parse_uri_template
from meshsim.dataplane.decide.values import PeerCertificate
from meshsim.xds.messages import (
    http_rbac_pb2,
    network_rbac_pb2,
    path_pb2,
    rbac_pb2,
    uri_template_match_pb2,
    xds_extension_pb2,
)

_HTTP_INPUTS: Final = frozenset({CEL_INPUT, HEADER_INPUT})
"""Inputs of matcher trees that a network filter has not."""


class Rule(Protocol):
    """A permission or a principal."""

    def matches(self, subject: Subject) -> bool: ...


@dataclass(frozen=True, slots=True)
class Always:
    """`any`."""

    def matches(self, subject: Subject) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Never:
    """Something that the model cannot evaluate."""

    what: str

    def matches(self, subject: Subject) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class AllOf:
    """`and_rules`, `and_ids`."""

    rules: tuple[Rule, ...]

    def matches(self, subject: Subject) -> bool:
        return all(r.matches(subject) for r in self.rules)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`or_rules`, `or_ids`."""

    rules: tuple[Rule, ...]

    def matches(self, subject: Subject) -> bool:
        return any(r.matches(subject) for r in self.rules)


@dataclass(frozen=True, slots=True)
class Not:
    """`not_rule`, `not_id`."""

    rule: Rule

    def matches(self, subject: Subject) -> bool:
        return not self.rule.matches(subject)


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """`header`."""

    matcher: HeaderMatcher

    def matches(self, subject: Subject) -> bool:
        return self.matcher.matches(subject.headers)


@dataclass(frozen=True, slots=True)
class PathRule:
    """`url_path`."""

    matcher: StringMatcher

    def matches(self, subject: Subject) -> bool:
        return subject.path is not None and self.matcher.matches(subject.path)


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """`uri_template`."""

    template: UriTemplate

    def matches(self, subject: Subject) -> bool:
        return subject.path is not None and self.template.matches(subject.path)


class Side(Enum):
    """Which address a rule looks at."""

    DESTINATION = "destination_ip"
    DIRECT_REMOTE = "direct_remote_ip"
    SOURCE = "source_ip"
    REMOTE = "remote_ip"


@dataclass(frozen=True, slots=True)
class AddressRule:
    """An address range of one side."""

    side: Side
    network: IpNetwork

    def matches(self, subject: Subject) -> bool:
        if self.side is Side.DESTINATION:
            return in_network(subject.destination, self.network)
        if self.side is Side.REMOTE:
            return in_network(subject.remote, self.network)
        return in_network(subject.direct_remote, self.network)


@dataclass(frozen=True, slots=True)
class PortRule:
    """`destination_port` and `destination_port_range` [low, high)."""

    low: int
    high: int

    def matches(self, subject: Subject) -> bool:
        return self.low <= subject.destination_port < self.high


@dataclass(frozen=True, slots=True)
class MetadataRule:
    """`metadata`."""

    matcher: MetadataMatcher

    def matches(self, subject: Subject) -> bool:
        return self.matcher.matches(subject.metadata)


@dataclass(frozen=True, slots=True)
class ServerNameRule:
    """`requested_server_name`."""

    matcher: StringMatcher

    def matches(self, subject: Subject) -> bool:
        return self.matcher.matches(subject.sni)


@dataclass(frozen=True, slots=True)
class AuthenticatedRule:
    """`authenticated`: a TLS peer, by URI names, then DNS names, then subject."""

    name: StringMatcher | None

    def matches(self, subject: Subject) -> bool:
        if not subject.tls:
            return False
        if self.name is None:
            return True
        certificate = subject.certificate or PeerCertificate()
        names = (*certificate.uris, *certificate.dns_names, certificate.subject)
        return any(self.name.matches(n) for n in names)


@dataclass(frozen=True, slots=True)
class Policy:
    """One named policy."""

    name: str
    permissions: tuple[Rule, ...]
    principals: tuple[Rule, ...]
    condition: Callable[[Subject], bool] | None = None

    def matches(self, subject: Subject) -> bool:
        """Whether the policy applies."""
        return (
            any(p.matches(subject) for p in self.permissions)
            and any(p.matches(subject) for p in self.principals)
            and (self.condition is None or self.condition(subject))
        )


class RbacAction(Enum):
    """What a matching policy means."""

    ALLOW = 0
    DENY = 1
    LOG = 2


class Verdict(NamedTuple):
    """What an engine says: allowed or not, and the policy that matched (empty without)."""

    allowed: bool
    policy: str


@dataclass(frozen=True, slots=True)
class RbacEngine:
    """A set of policies with one action."""

    action: RbacAction
    policies: tuple[Policy, ...]

    def evaluate(self, subject: Subject) -> Verdict:
        """The verdict on a subject."""
        matched = next((p.name for p in self.policies if p.matches(subject)), None)
        if self.action is RbacAction.ALLOW:
            return Verdict(matched is not None, matched or "")
        if self.action is RbacAction.DENY:
            return Verdict(matched is None, matched or "")
        return Verdict(True, matched or "")


class NamedAction(NamedTuple):
    """What a matcher tree ends in."""

    name: str
    action: RbacAction


@dataclass(frozen=True, slots=True)
class RbacTree:
    """Rules as a matcher tree: what no action lets through is denied (RoleBasedAccessControlMatcherEngineImpl)."""

    tree: MatchTree[NamedAction]
    action: RbacAction = RbacAction.ALLOW
    policies: tuple[Policy, ...] = ()
    """None: the rules of a tree are its actions."""

    def evaluate(self, subject: Subject) -> Verdict:
        """The verdict on a subject."""
        found = find_action(self.tree, subject)
        if found is None:
            return Verdict(False, "")
        return Verdict(found.action is not RbacAction.DENY, found.name)


@dataclass(frozen=True, slots=True)
class RbacConfig:
    """The filter: rules that are enforced, and shadow rules that only leave metadata behind."""

    rules: RbacEngine | RbacTree | None
    shadow: RbacEngine | RbacTree | None
    shadow_prefix: str


def decode_rbac(message: http_rbac_pb2.RBAC | network_rbac_pb2.RBAC, filter_kind: str, notes: Notes) -> RbacConfig:
    """An RBAC filter, of HTTP or of the network (`filter_kind` as Envoy names it); a matcher counts before rules."""
    inputs = frozenset(CONNECTION_INPUTS) | (_HTTP_INPUTS if filter_kind == "HTTP" else frozenset())
    trees = TreeDecoder(_tree_action, inputs, "RBAC", f"RBAC {filter_kind} filter cannot match on '{{}}'", notes)
    rules: RbacEngine | RbacTree | None = decode_engine(message.rules, notes) if message.HasField("rules") else None
    shadow: RbacEngine | RbacTree | None = None
    if message.HasField("shadow_rules"):
        shadow = decode_engine(message.shadow_rules, notes)
    if message.HasField("matcher"):
        rules = RbacTree(trees.decode(message.matcher))
    if message.HasField("shadow_matcher"):
        shadow = RbacTree(trees.decode(message.shadow_matcher))
    return RbacConfig(rules, shadow, message.shadow_rules_stat_prefix)


def _tree_action(message: xds_extension_pb2.TypedExtensionConfig) -> NamedAction:
    action = unpack_action(message, rbac_pb2.Action)
    return NamedAction(action.name, RbacAction(action.action))


def decode_engine(message: rbac_pb2.RBAC, notes: Notes) -> RbacEngine:
    """The policies of an RBAC message, in name order."""
    policies = tuple(_policy(name, message.policies[name], notes) for name in sorted(message.policies))
    return RbacEngine(RbacAction(message.action), policies)


def _policy(name: str, message: rbac_pb2.Policy, notes: Notes) -> Policy:
    if message.HasField("checked_condition") and not message.HasField("condition"):
        notes.append(f"RBAC policy {name}: checked CEL condition")
        return Policy(name, (Never("checked CEL condition"),), ())
    config = message.cel_config
    options = CelOptions(config.enable_string_conversion, config.enable_string_concat, config.enable_string_functions)
    return Policy(
        name,
        tuple(_permission(p, notes) for p in message.permissions),
        tuple(_principal(p, notes) for p in message.principals),
        compile_condition(message.condition, options, notes) if message.HasField("condition") else None,
    )


def _permissions(messages: Iterable[rbac_pb2.Permission], notes: Notes) -> tuple[Rule, ...]:
    return tuple(_permission(m, notes) for m in messages)


def _permission(message: rbac_pb2.Permission, notes: Notes) -> Rule:
    kind = message.WhichOneof("rule")
    if kind == "any":
        return Always()
    if kind == "and_rules":
        return AllOf(_permissions(message.and_rules.rules, notes))
    if kind == "or_rules":
        return AnyOf(_permissions(message.or_rules.rules, notes))
    if kind == "not_rule":
        return Not(_permission(message.not_rule, notes))
    if kind == "header":
        return HeaderRule(decode_header_matcher(message.header, notes))
    if kind == "url_path":
        return _path(message.url_path, notes)
    if kind == "uri_template":
        config = unpack_valid(message.uri_template.typed_config, uri_template_match_pb2.UriTemplateMatchConfig)
        return TemplateRule(parse_uri_template(config.path_template))
    if kind == "destination_ip":
        return AddressRule(Side.DESTINATION, decode_cidr(message.destination_ip))
    if kind == "destination_port":
        return PortRule(message.destination_port, message.destination_port + 1)
    if kind == "destination_port_range":
        ports = message.destination_port_range
        if ports.start >= ports.end:
            raise ResourceRejectedError(
                f"range start {ports.start} cannot be greater or equal than range end {ports.end}"
            )
        return PortRule(ports.start, ports.end)
    if kind == "metadata":
        return MetadataRule(decode_metadata_matcher(message.metadata, notes))
    if kind == "requested_server_name":
        return ServerNameRule(decode_string_matcher(message.requested_server_name, notes))
    notes.append(f"RBAC permission {kind}")
    return Never(str(kind))


def _principals(messages: Iterable[rbac_pb2.Principal], notes: Notes) -> tuple[Rule, ...]:
    return tuple(_principal(m, notes) for m in messages)


def _principal(message: rbac_pb2.Principal, notes: Notes) -> Rule:
    kind = message.WhichOneof("identifier")
    if kind == "any":
        return Always()
    if kind == "and_ids":
        return AllOf(_principals(message.and_ids.ids, notes))
    if kind == "or_ids":
        return AnyOf(_principals(message.or_ids.ids, notes))
    if kind == "not_id":
        return Not(_principal(message.not_id, notes))
    if kind == "authenticated":
        name = message.authenticated.principal_name
        present = message.authenticated.HasField("principal_name")
        return AuthenticatedRule(decode_string_matcher(name, notes) if present else None)
    if kind == "direct_remote_ip":
        return AddressRule(Side.DIRECT_REMOTE, decode_cidr(message.direct_remote_ip))
    if kind == "source_ip":
        return AddressRule(Side.SOURCE, decode_cidr(message.source_ip))
    if kind == "remote_ip":
        return AddressRule(Side.REMOTE, decode_cidr(message.remote_ip))
    if kind == "header":
        return HeaderRule(decode_header_matcher(message.header, notes))
    if kind == "url_path":
        return _path(message.url_path, notes)
    if kind == "metadata":
        return MetadataRule(decode_metadata_matcher(message.metadata, notes))
    notes.append(f"RBAC principal {kind}")
    return Never(str(kind))


def _path(message: path_pb2.PathMatcher, notes: Notes) -> Rule:
    return PathRule(decode_string_matcher(message.path, notes))
