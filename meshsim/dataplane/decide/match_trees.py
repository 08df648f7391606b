"""Matcher trees (xds.type.matcher.v3.Matcher): lists of predicates and maps of keys that end in an action.

Rules: Envoy source/common/matcher (list_matcher.h, map_matcher.h, prefix_map_matcher.h, field_matcher.h) and
source/extensions/common/matcher/ip_range_matcher.h, measured on 1.40: a nested tree without a match is passed over, for
the next list entry, the next shorter prefix or range, or `on_no_match`; an input that is not there at all (a
certificate's name on a plaintext connection) ends the whole match, unless an "or" is true by another of its members.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import Message

from meshsim.dataplane.decide.cel import CelOptions, compile_condition
from meshsim.dataplane.decide.rejected import ResourceRejectedError, unpack_valid
from meshsim.dataplane.decide.strings import (
    IpNetwork,
    Notes,
    StringKind,
    StringMatcher,
    compiled,
    decode_cidr,
    in_any,
    longest_prefix,
    parse_ip,
    string_matcher,
)
from meshsim.dataplane.decide.subjects import Subject
from meshsim.xds.messages import (
    http_inputs_pb2,
    ip_input_matcher_pb2,
    matcher_pb2,
    xds_cel_matcher_pb2,
    xds_extension_pb2,
    xds_ip_pb2,
    xds_string_pb2,
)

A = TypeVar("A")
M = TypeVar("M", bound=Message)
CEL_INPUT: Final = "xds.type.matcher.v3.HttpAttributesCelMatchInput"
HEADER_INPUT: Final = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_NETWORK: Final = "envoy.extensions.matching.common_inputs.network.v3."
_SSL: Final = "envoy.extensions.matching.common_inputs.ssl.v3."
_IP_MATCHER: Final = "envoy.extensions.matching.input_matchers.ip.v3.Ip"
_CEL_MATCHER: Final = "xds.type.matcher.v3.CelMatcher"
_IP_TREE: Final = "xds.type.matcher.v3.IPMatcher"


class _NotAvailable(Exception):
    """An input that the connection does not have: nothing can be said."""


class Input(Protocol):
    """Where a text to be matched comes from."""

    def __call__(self, subject: Subject) -> str | None:
        """The text, None when absent; raises `_NotAvailable`."""
        ...


class Predicate(Protocol):
    """A condition of a list entry."""

    def holds(self, subject: Subject) -> bool:
        """Whether it holds; raises `_NotAvailable`."""
        ...


@dataclass(frozen=True, slots=True)
class TextTest:
    """One input against a string matcher; an absent text never matches."""

    source: Input
    matcher: StringMatcher

    def holds(self, subject: Subject) -> bool:
        text = self.source(subject)
        return text is not None and self.matcher.matches(text)


@dataclass(frozen=True, slots=True)
class AddressTest:
    """One input against address ranges."""

    source: Input
    networks: tuple[IpNetwork, ...]

    def holds(self, subject: Subject) -> bool:
        text = self.source(subject)
        return text is not None and in_any(parse_ip(text), self.networks)


@dataclass(frozen=True, slots=True)
class ConditionTest:
    """A CEL expression over the request's attributes."""

    condition: Callable[[Subject], bool]

    def holds(self, subject: Subject) -> bool:
        return self.condition(subject)


@dataclass(frozen=True, slots=True)
class Never:
    """A matcher that the model does not know; its decoder noted it."""

    def holds(self, subject: Subject) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Every:
    """`and_matcher`: the first that fails, or cannot be judged, decides."""

    parts: tuple[Predicate, ...]

    def holds(self, subject: Subject) -> bool:
        return all(part.holds(subject) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some:
    """`or_matcher`: one that holds is enough, whatever cannot be judged before it."""

    parts: tuple[Predicate, ...]

    def holds(self, subject: Subject) -> bool:
        missing: _NotAvailable | None = None
        for part in self.parts:
            try:
                if part.holds(subject):
                    return True
            except _NotAvailable as error:
                missing = error
        if missing is not None:
            raise missing
        return False


@dataclass(frozen=True, slots=True)
class Inverse:
    """`not_matcher`."""

    part: Predicate

    def holds(self, subject: Subject) -> bool:
        return not self.part.holds(subject)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[A]):
    """What a match leads to: an action, or another tree."""

    action: A | None
    tree: MatchTree[A] | None

    def resolve(self, subject: Subject) -> A | None:
        """The action in the end, None when a nested tree has no match."""
        return self.tree.find(subject) if self.tree is not None else self.action


class Branches(Protocol[A]):
    """The ways out of a tree that fit a request, the best first."""

    def fitting(self, subject: Subject) -> Iterator[Outcome[A]]: ...


@dataclass(frozen=True, slots=True)
class ListBranches(Generic[A]):
    """`matcher_list`."""

    entries: tuple[tuple[Predicate, Outcome[A]], ...]

    def fitting(self, subject: Subject) -> Iterator[Outcome[A]]:
        return (outcome for predicate, outcome in self.entries if predicate.holds(subject))


@dataclass(frozen=True, slots=True)
class MapBranches(Generic[A]):
    """`exact_match_map` and `prefix_match_map`."""

    source: Input
    outcomes: Mapping[str, Outcome[A]]
    prefixes: bool

    def fitting(self, subject: Subject) -> Iterator[Outcome[A]]:
        text = self.source(subject)
        if text is None:
            return
        for length in range(len(text), -1, -1) if self.prefixes else (len(text),):
            found = self.outcomes.get(text[:length])
            if found is not None:
                yield found


@dataclass(frozen=True, slots=True)
class RangeBranches(Generic[A]):
    """`xds.type.matcher.v3.IPMatcher`: the narrowest range first."""

    source: Input
    ranges: tuple[tuple[tuple[IpNetwork, ...], Outcome[A]], ...]

    def fitting(self, subject: Subject) -> Iterator[Outcome[A]]:
        text = self.source(subject)
        address = parse_ip(text) if text is not None else None
        found = [(longest_prefix(address, networks), outcome) for networks, outcome in self.ranges]
        fits = [pair for pair in found if pair[0] >= 0]
        return (outcome for _, outcome in sorted(fits, key=lambda pair: -pair[0]))


@dataclass(frozen=True, slots=True)
class MatchTree(Generic[A]):
    """A whole matcher."""

    branches: Branches[A] | None
    otherwise: Outcome[A] | None

    def find(self, subject: Subject) -> A | None:
        """The action for a request, None without; raises `_NotAvailable`."""
        for outcome in self.branches.fitting(subject) if self.branches else ():
            found = outcome.resolve(subject)
            if found is not None:
                return found
        return self.otherwise.resolve(subject) if self.otherwise else None


def find_action(tree: MatchTree[A], subject: Subject) -> A | None:
    """The action for a request; None when there is no match or it cannot be told."""
    try:
        return tree.find(subject)
    except _NotAvailable:
        return None


# ---- decoding -------------------------------------------------------------------------------------------------------


def unpack_action(message: xds_extension_pb2.TypedExtensionConfig, into: type[M]) -> M:
    """The configuration of an action; raises `ResourceRejectedError` for one of another kind."""
    type_name = message.typed_config.type_url.rpartition("/")[2]
    if type_name != into.DESCRIPTOR.full_name:
        raise ResourceRejectedError(
            f"Didn't find a registered implementation for '{message.name}' with type URL: '{type_name}'"
        )
    return unpack_valid(message.typed_config, into)


@dataclass(frozen=True, slots=True)
class TreeDecoder(Generic[A]):
    """How the trees of one place are read: which actions they end in, and which inputs they may use."""

    action: Callable[[xds_extension_pb2.TypedExtensionConfig], A]
    inputs: Collection[str]
    """Type names of the inputs that this place allows."""
    place: str
    """``RBAC`` or ``route``, as Envoy names the tree it could not make."""
    complaint: str
    """What Envoy says of any other input, ``{}`` for its type URL."""
    notes: Notes

    def decode(self, message: matcher_pb2.Matcher) -> MatchTree[A]:
        """The tree; raises `ResourceRejectedError` with the reason of the NACK."""
        kind = message.WhichOneof("matcher_type")
        branches: Branches[A] | None = None
        if kind == "matcher_list":
            entries = [(self._predicate(m.predicate), self._outcome(m.on_match)) for m in message.matcher_list.matchers]
            branches = ListBranches(tuple(entries))
        elif kind == "matcher_tree":
            branches = self._keyed(message.matcher_tree)
        return MatchTree(branches, self._outcome(message.on_no_match) if message.HasField("on_no_match") else None)

    def _refuse(self, reason: str) -> ResourceRejectedError:
        return ResourceRejectedError(
            f"requirement violation while creating {self.place} match tree: INVALID_ARGUMENT: {reason}"
        )

    def _outcome(self, message: matcher_pb2.Matcher.OnMatch) -> Outcome[A]:
        if message.keep_matching:
            raise self._refuse("keep_matching is not supported in this context")
        if message.WhichOneof("on_match") == "matcher":
            return Outcome(None, self.decode(message.matcher))
        return Outcome(self.action(message.action), None)

    def _keyed(self, message: matcher_pb2.Matcher.MatcherTree) -> Branches[A]:
        source = self._input(message.input.typed_config)
        kind = message.WhichOneof("tree_type")
        if kind == "custom_match":
            packed = message.custom_match.typed_config
            if packed.type_url.endswith(f"/{_IP_TREE}"):
                ranges = unpack_valid(packed, xds_ip_pb2.IPMatcher).range_matchers
                return RangeBranches(
                    source,
                    tuple((tuple(decode_cidr(c) for c in r.ranges), self._outcome(r.on_match)) for r in ranges),
                )
            self.notes.append(f"{self.place} matcher {message.custom_match.name}")
            return MapBranches(source, {}, False)
        prefixes = kind == "prefix_match_map"
        entries = message.prefix_match_map.map if prefixes else message.exact_match_map.map
        return MapBranches(source, {key: self._outcome(entries[key]) for key in sorted(entries)}, prefixes)

    def _predicate(self, message: matcher_pb2.Matcher.MatcherList.Predicate) -> Predicate:
        kind = message.WhichOneof("match_type")
        if kind == "and_matcher":
            return Every(tuple(self._predicate(p) for p in message.and_matcher.predicate))
        if kind == "or_matcher":
            return Some(tuple(self._predicate(p) for p in message.or_matcher.predicate))
        if kind == "not_matcher":
            return Inverse(self._predicate(message.not_matcher))
        single = message.single_predicate
        source = self._input(single.input.typed_config)
        if source is _attributes:
            return self._condition(single)
        if single.WhichOneof("matcher") == "value_match":
            return TextTest(source, _string(single.value_match, self.notes))
        packed = single.custom_match.typed_config
        if packed.type_url.endswith(f"/{_IP_MATCHER}"):
            ranges = unpack_valid(packed, ip_input_matcher_pb2.Ip).cidr_ranges
            return AddressTest(source, tuple(decode_cidr(c) for c in ranges))
        self.notes.append(f"{self.place} matcher {single.custom_match.name}")
        return Never()

    def _condition(self, single: matcher_pb2.Matcher.MatcherList.Predicate.SinglePredicate) -> Predicate:
        packed = single.custom_match.typed_config
        if not packed.type_url.endswith(f"/{_CEL_MATCHER}"):
            raise ResourceRejectedError("Unsupported data input type: cel_data_input")
        found = unpack_valid(packed, xds_cel_matcher_pb2.CelMatcher).expr_match
        for kind in ("cel_expr_parsed", "parsed_expr"):
            if found.HasField(kind):
                tree = getattr(found, kind).expr
                return ConditionTest(compile_condition(tree, CelOptions(), self.notes))
        self.notes.append(f"{self.place} matcher {single.custom_match.name}: an expression that is not parsed")
        return Never()

    def _input(self, packed: any_pb2.Any) -> Input:
        type_name = packed.type_url.rpartition("/")[2]
        if type_name not in self.inputs:
            raise self._refuse(self.complaint.format(packed.type_url))
        if type_name == CEL_INPUT:
            return _attributes
        if type_name == HEADER_INPUT:
            return _header(unpack_valid(packed, http_inputs_pb2.HttpRequestHeaderMatchInput).header_name.lower())
        if type_name in _NOT_MODELLED_INPUTS:
            self.notes.append(f"{self.place} matcher input {type_name.rpartition('.')[2]}")
        return CONNECTION_INPUTS[type_name]


def _string(message: xds_string_pb2.StringMatcher, notes: Notes) -> StringMatcher:
    kind = message.WhichOneof("match_pattern")
    if kind == "safe_regex":
        regex = message.safe_regex.regex
        return StringMatcher(StringKind.REGEX, regex, False, compiled(regex, notes))
    if kind is None or kind == "custom":
        notes.append("custom string matcher in a matcher tree")
        return StringMatcher(StringKind.NEVER, "")
    return string_matcher(StringKind(kind), getattr(message, kind), message.ignore_case)


def _header(name: str) -> Input:
    """A request header, its lines joined with commas."""

    def read(subject: Subject) -> str | None:
        values = subject.headers.all(name)
        return ",".join(values) if values else None

    return read


def _names(pick: Callable[[Subject], tuple[str, ...]]) -> Input:
    """Names of the client's certificate; there are none on a plaintext connection."""

    def read(subject: Subject) -> str | None:
        if not subject.tls:
            raise _NotAvailable
        return ",".join(pick(subject)) or None

    return read


def _nothing(subject: Subject) -> str | None:
    """An input that is never there."""
    return None


def _attributes(subject: Subject) -> str | None:
    """Stands for everything a CEL matcher looks at; it has no text of its own."""
    return None


_NOT_MODELLED_INPUTS: Final = (f"{_NETWORK}FilterStateInput", f"{_NETWORK}DynamicMetadataInput")
CONNECTION_INPUTS: Final[Mapping[str, Input]] = {
    f"{_NETWORK}DestinationIPInput": lambda s: str(s.destination) if s.destination else None,
    f"{_NETWORK}DestinationPortInput": lambda s: str(s.destination_port),
    f"{_NETWORK}SourceIPInput": lambda s: str(s.remote) if s.remote else None,
    f"{_NETWORK}SourcePortInput": lambda s: str(s.source_port),
    f"{_NETWORK}DirectSourceIPInput": lambda s: str(s.direct_remote) if s.direct_remote else None,
    f"{_NETWORK}ServerNameInput": lambda s: s.sni or None,
    f"{_NETWORK}NetworkNamespaceInput": _nothing,
    **dict.fromkeys(_NOT_MODELLED_INPUTS, _nothing),
    f"{_SSL}UriSanInput": _names(lambda s: s.certificate.uris if s.certificate else ()),
    f"{_SSL}DnsSanInput": _names(lambda s: s.certificate.dns_names if s.certificate else ()),
    f"{_SSL}SubjectInput": _names(lambda s: (s.certificate.subject,) if s.certificate else ()),
}
"""Inputs that look at the connection, by the type of their configuration."""
