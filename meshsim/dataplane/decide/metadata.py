"""Dynamic metadata of a stream and the matchers on it (Envoy source/common/common/matchers.cc, MetadataMatcher)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, Union

from google.protobuf import struct_pb2

from meshsim.dataplane.decide.strings import Notes, StringMatcher, decode_string_matcher
from meshsim.xds.messages import metadata_matcher_pb2, value_pb2

Json: TypeAlias = Union[bool, float, str, "list[Json]", "Mapping[str, Json]", None]
"""A protobuf Value as plain Python."""
DynamicMetadata: TypeAlias = Mapping[str, Mapping[str, Json]]
"""What filters left on the stream, by filter name."""

NO_METADATA: Final[DynamicMetadata] = {}


@dataclass(frozen=True, slots=True)
class ValueMatcher:
    """Asks something of one value; `kind` names the field of the message that is set."""

    kind: str
    string: StringMatcher | None = None
    low: float = 0.0
    high: float = 0.0
    """DOUBLE: [low, high), or exactly `low` when both are equal."""
    flag: bool = False
    inner: tuple[ValueMatcher, ...] = ()

    def matches(self, value: Json, present: bool) -> bool:
        """Whether the value matches; `present` is false for a path that leads nowhere."""
        if self.kind == "or_match":
            return any(m.matches(value, present) for m in self.inner)
        if self.kind == "present_match":
            return present and self.flag
        if not present:
            return False
        if self.kind == "null_match":
            return value is None
        if self.kind == "bool_match":
            return isinstance(value, bool) and value == self.flag
        if self.kind == "string_match":
            return isinstance(value, str) and self.string is not None and self.string.matches(value)
        if self.kind == "list_match":
            return isinstance(value, list) and any(self.inner[0].matches(item, True) for item in value)
        if isinstance(value, bool) or not isinstance(value, float):
            return False
        return value == self.low if self.low == self.high else self.low <= value < self.high


@dataclass(frozen=True, slots=True)
class MetadataMatcher:
    """Asks something of the metadata that one filter left."""

    filter: str
    path: tuple[str, ...]
    value: ValueMatcher
    invert: bool = False

    def matches(self, metadata: DynamicMetadata) -> bool:
        """Whether the metadata match."""
        value: Json = metadata.get(self.filter)
        present = value is not None
        for key in self.path:
            present = isinstance(value, Mapping) and key in value
            value = value[key] if present and isinstance(value, Mapping) else None
        return self.value.matches(value, present) != self.invert

    def __str__(self) -> str:
        where = ".".join((self.filter, *self.path))
        return f"metadata {where}{' not' if self.invert else ''} {self.value.string or self.value.kind}"


def decode_value_matcher(message: value_pb2.ValueMatcher, notes: Notes) -> ValueMatcher:
    """A ValueMatcher; one without anything set matches nothing."""
    kind = message.WhichOneof("match_pattern")
    if kind is None:
        return ValueMatcher("never", None)
    if kind == "string_match":
        return ValueMatcher(kind, decode_string_matcher(message.string_match, notes))
    if kind == "double_match":
        number = message.double_match
        if number.WhichOneof("match_pattern") == "exact":
            return ValueMatcher(kind, None, number.exact, number.exact)
        return ValueMatcher(kind, None, number.range.start, number.range.end)
    if kind == "list_match":
        return ValueMatcher(kind, inner=(decode_value_matcher(message.list_match.one_of, notes),))
    if kind == "or_match":
        return ValueMatcher(kind, inner=tuple(decode_value_matcher(m, notes) for m in message.or_match.value_matchers))
    if kind == "null_match":
        return ValueMatcher(kind)
    return ValueMatcher(kind, flag=message.bool_match if kind == "bool_match" else message.present_match)


def decode_metadata_matcher(message: metadata_matcher_pb2.MetadataMatcher, notes: Notes) -> MetadataMatcher:
    """A MetadataMatcher."""
    path = tuple(segment.key for segment in message.path)
    return MetadataMatcher(message.filter, path, decode_value_matcher(message.value, notes), message.invert)


def to_json_value(value: struct_pb2.Value) -> Json:
    """A protobuf Value as plain Python."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {k: to_json_value(v) for k, v in value.struct_value.fields.items()}
    if kind == "list_value":
        return [to_json_value(v) for v in value.list_value.values]
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return value.number_value
    if kind == "bool_value":
        return value.bool_value
    return None


def json_text(value: Json) -> str:
    """A value as protobuf writes it: no blanks, whole numbers without a fraction, angle brackets escaped.

    Envoy writes the fields of a structure in no order; here they stand by name.
    """

    def plain(item: Json) -> object:
        if isinstance(item, Mapping):
            return {name: plain(item[name]) for name in sorted(item)}
        if isinstance(item, list):
            return [plain(part) for part in item]
        return int(item) if isinstance(item, float) and item == int(item) else item

    text = json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def metadata_text(metadata: DynamicMetadata, path: Sequence[str]) -> str | None:
    """What ``%DYNAMIC_METADATA(filter:key:...)%`` says: a string as it is, else JSON; None where there is nothing.

    Envoy source/common/formatter/stream_info_formatter.cc, MetadataFormatter.
    """
    value: Json = metadata
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value if isinstance(value, str) else json_text(value)
