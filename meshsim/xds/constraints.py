"""The constraints that Envoy's messages carry in their own definitions (protoc-gen-validate).

Envoy refuses a response whole when one resource breaks one (source/common/config/opaque_resource_decoder_impl.h and
source/common/protobuf/utility.cc MessageUtil::validate, 1.37-dev; measured on 1.40): rules of fields, oneofs that must
be set, durations that are negative or too long. What is packed inside an Any is checked only by whoever unpacks it.

A check is compiled once for each message type; types without any rule below them cost nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from dataclasses import field as default
from functools import partial
from typing import Any, Final, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from validate import validate_pb2

Check: TypeAlias = Callable[[Any], str]
"""Says why a value is refused, or nothing."""

_DURATION: Final = "google.protobuf.Duration"
_WRAPPED: Final = "google.protobuf."
_BELOW: Final = "embedded message failed validation | caused by "
_FROM_BELOW: Final = re.compile(r'\w+ValidationError\.|field: "')
_ITEM: Final = re.compile(r"\[[^\]]*\]")
_BAD_DURATION: Final = "Invalid duration: "
_MAX_SECONDS: Final = 315_576_000_000
_NUMBERS: Final = frozenset(
    {"float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64"}
    | {"sfixed32", "sfixed64"}
)
_WORDS: Final = {
    "lt": "less than {}",
    "lte": "less than or equal to {}",
    "gt": "greater than {}",
    "gte": "greater than or equal to {}",
}
# validate/validate.proto KnownRegex: HTTP_HEADER_NAME, HTTP_HEADER_VALUE; the loose forms forbid only NUL, CR and LF.
_HEADER_FORMS: Final = {
    (1, True): r"^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$",
    (2, True): r"^[^\x00-\x08\n-\x1f\x7f]*$",
    (1, False): r"^[^\x00\n\r]*$",
    (2, False): r"^[^\x00\n\r]*$",
}


@dataclass(slots=True)
class _Rules:
    """What one message type asks of its values."""

    fields: Mapping[int, Check] = default(default_factory=dict)
    """Checks of fields that are set (or hold anything), by field number."""
    always: tuple[tuple[FieldDescriptor, Check], ...] = ()
    """Checks that also hold for fields that are not set."""
    oneofs: tuple[str, ...] = ()
    """Oneofs of which one member must be set."""


_compiled: dict[str, _Rules] = {}
_matters: dict[str, bool] = {}


def violation(message: Message, skip: Collection[str] = ()) -> str:
    """The constraint that Envoy would name first, in its words, or an empty text.

    `skip` are top-level fields that the caller checks by itself.
    """
    rules = _rules_of(_descriptor(message))
    if not _is_broken(rules, message, skip):
        return ""
    return _bad_duration(message) or _first_broken(rules, message)


def _descriptor(message: Message) -> Descriptor:
    return cast("Descriptor", message.DESCRIPTOR)


def _value_field(field: FieldDescriptor) -> FieldDescriptor:
    """What a map holds."""
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


def _is_broken(rules: _Rules, message: Message, skip: Collection[str] = ()) -> str:
    """Some constraint that is broken, found fast: whatever is set is looked at once, in the order of field numbers."""
    for oneof in rules.oneofs:
        if message.WhichOneof(oneof) is None:
            return oneof
    for _, check in rules.always:
        reason = check(message)
        if reason:
            return reason
    checks = rules.fields
    for present, value in message.ListFields():
        found = checks.get(present.number)
        if found is not None and (not skip or present.name not in skip):
            reason = found(value)
            if reason:
                return reason
    return ""


def _first_broken(rules: _Rules, message: Message) -> str:
    """The constraint that generated code meets first: fields as they are declared, those of oneofs last."""
    descriptor = _descriptor(message)
    unset = {field.number: check for field, check in rules.always}
    present = {field.number: value for field, value in message.ListFields()}
    in_oneofs = [f for oneof in descriptor.oneofs for f in oneof.fields]
    for field in [*(f for f in descriptor.fields if f.containing_oneof is None), *in_oneofs]:
        reason = unset[field.number](message) if field.number in unset else ""
        if not reason and field.number in present and field.number in rules.fields:
            reason = rules.fields[field.number](present[field.number])
            if reason and field.message_type is not None:
                reason = _cause_below(field, present[field.number]) or reason
        if reason:
            return _named(descriptor, field, reason)
    for oneof in rules.oneofs:
        if message.WhichOneof(oneof) is None:
            return f'field: "{oneof}", reason: is required'
    return ""


def _cause_below(field: FieldDescriptor, value: Any) -> str:
    """What is broken inside a message, the first of several, with its index or key."""
    found: Iterable[tuple[str, Any]] = [("", value)]
    if _is_map(field):
        if _value_field(field).message_type is None:
            return ""
        found = [(f"[{key}]: ", value[key]) for key in sorted(value)]
    elif _is_repeated(field):
        found = [(f"[{index}]: ", item) for index, item in enumerate(value)]
    for at, message in found:
        cause = _first_broken(_rules_of(_descriptor(message)), message)
        if cause:
            return at + cause
    return ""


def _bad_duration(message: Message) -> str:
    """A duration anywhere below that is negative or too long: looked for before everything else."""
    if message.DESCRIPTOR.full_name == _DURATION:
        return _duration_in_range(message)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if _is_map(field):
            named = _value_field(field).message_type is not None
            items = [value[key] for key in sorted(value)] if named else []
        else:
            items = value if _is_repeated(field) else [value]
        for item in items:
            reason = _bad_duration(item)
            if reason:
                return reason
    return ""


def _named(descriptor: Descriptor, field: FieldDescriptor, reason: str) -> str:
    """A reason with its place; one that a message below gave is the cause of this one."""
    at = _ITEM.match(reason)
    index = at.group() if at else ""
    cause = reason[len(index) :].removeprefix(": ")
    if cause.startswith(_BAD_DURATION):
        return cause
    below = _BELOW if _FROM_BELOW.match(cause) else ""
    return f"{descriptor.name}ValidationError.{_camel(field.name)}{index}: {below}{cause}"


def _rules_of(descriptor: Descriptor) -> _Rules:
    found = _compiled.get(descriptor.full_name)
    if found is None:
        found = _compiled[descriptor.full_name] = _Rules()
        _compile(descriptor, found)
    return found


def _compile(descriptor: Descriptor, into: _Rules) -> None:
    options = descriptor.GetOptions()
    if options.Extensions[validate_pb2.disabled] or options.Extensions[validate_pb2.ignored]:
        return
    into.oneofs = tuple(o.name for o in descriptor.oneofs if o.GetOptions().Extensions[validate_pb2.required])
    fields: dict[int, Check] = {}
    always: list[tuple[FieldDescriptor, Check]] = []
    for field in descriptor.fields:
        rules = field.GetOptions().Extensions[validate_pb2.rules]
        checks = _field_checks(field, rules)
        if checks:
            fields[field.number] = _all_of(checks)
        unset = _unset_check(field, rules)
        if unset is not None:
            always.append((field, unset))
    into.fields, into.always = fields, tuple(always)


def _all_of(checks: Sequence[Check]) -> Check:
    """One check for several; the first that fails gives the reason."""
    return checks[0] if len(checks) == 1 else partial(_first, checks)


def _first(checks: Sequence[Check], value: Any) -> str:
    for check in checks:
        reason = check(value)
        if reason:
            return reason
    return ""


def _unset_check(field: FieldDescriptor, rules: Any) -> Check | None:
    """What holds even for a field that is absent: required messages, and scalars whose default breaks their rule."""
    name = field.name
    kind = rules.WhichOneof("type")
    if field.containing_oneof is not None:
        return None
    required = rules.message.required or (kind in ("duration", "timestamp", "any") and getattr(rules, kind).required)
    if required:
        return lambda message: "" if message.HasField(name) else "value is required"
    if kind is None or (field.message_type is not None and not _is_repeated(field)):
        return None
    if kind in ("repeated", "map"):
        least, what = (rules.map.min_pairs, "pair(s)") if kind == "map" else (rules.repeated.min_items, "item(s)")
        text = f"value must contain at least {least} {what}"
        return (lambda message: text if len(getattr(message, name)) < least else "") if least else None
    if field.has_presence or getattr(getattr(rules, kind), "ignore_empty", False):
        return None
    scalar = _scalar_check(kind, getattr(rules, kind), field)
    if scalar is None or not scalar(field.default_value):
        return None
    default = field.default_value
    return lambda message: scalar(default) if getattr(message, name) == default else ""


def _field_checks(field: FieldDescriptor, rules: Any) -> list[Check]:
    if rules.message.skip:
        return []
    if _is_map(field):
        return _map_checks(field, rules.map)
    if _is_repeated(field):
        return _repeated_checks(field, rules.repeated)
    below = _below(field.message_type) if field.message_type is not None else []
    return below + _value_checks(field, rules)


def _below(descriptor: Descriptor) -> list[Check]:
    """Checks of a message's own content."""
    if descriptor.full_name == _DURATION:
        return [_duration_in_range]
    return [partial(_is_broken, _rules_of(descriptor))] if _has_rules(descriptor) else []


def _has_rules(descriptor: Descriptor) -> bool:
    """Whether any value of this type could be refused; a type inside itself is taken to be."""
    known = _matters.get(descriptor.full_name)
    if known is not None:
        return known
    _matters[descriptor.full_name] = True
    found = bool(
        any(o.GetOptions().Extensions[validate_pb2.required] for o in descriptor.oneofs)
        or any(
            f.GetOptions().HasExtension(validate_pb2.rules)
            or (f.message_type is not None and (f.message_type.full_name == _DURATION or _has_rules(f.message_type)))
            for f in descriptor.fields
        )
    )
    _matters[descriptor.full_name] = found
    return found


def _map_checks(field: FieldDescriptor, rules: Any) -> list[Check]:
    assert field.message_type is not None
    key_checks = _value_checks(field.message_type.fields_by_name["key"], rules.keys)
    value_field = _value_field(field)
    value_checks = _value_checks(value_field, rules.values)
    if value_field.message_type is not None:
        value_checks += _below(value_field.message_type)
    checks: list[Check] = []
    if rules.HasField("max_pairs"):
        checks.append(partial(_at_most, rules.max_pairs, "pair(s)"))
    if key_checks:
        of_key = _all_of(key_checks)
        checks.append(lambda value: _each(of_key, ((key, key) for key in sorted(value))))
    if value_checks:
        of_value = _all_of(value_checks)
        checks.append(lambda value: _each(of_value, ((key, value[key]) for key in sorted(value))))
    return checks


def _repeated_checks(field: FieldDescriptor, rules: Any) -> list[Check]:
    checks: list[Check] = []
    if rules.HasField("max_items"):
        checks.append(partial(_at_most, rules.max_items, "item(s)"))
    if rules.unique:
        checks.append(lambda value: "repeated value must contain unique items" if len(set(value)) < len(value) else "")
    items = _value_checks(field, rules.items)
    if field.message_type is not None and not rules.items.message.skip:
        items = _below(field.message_type) + items
    if items:
        of_item = _all_of(items)
        checks.append(lambda value: _each(of_item, enumerate(value)))
    return checks


def _at_most(most: int, what: str, value: Sized) -> str:
    return f"value must contain no more than {most} {what}" if len(value) > most else ""


def _each(check: Check, values: Iterable[tuple[Any, Any]]) -> str:
    """The first fault of a value, with what it stands under."""
    for key, value in values:
        reason = check(value)
        if reason:
            return f"[{key}]: {reason}"
    return ""


def _value_checks(field: FieldDescriptor, rules: Any) -> list[Check]:
    kind = rules.WhichOneof("type")
    if kind is None:
        return []
    if kind == "duration":
        return _duration_checks(rules.duration)
    if kind == "any":
        allowed = frozenset(getattr(rules.any, "in"))
        return [lambda value: "" if value.type_url in allowed else "type URL must be in list"] if allowed else []
    scalar = _scalar_check(kind, getattr(rules, kind), field)
    if scalar is None:
        return []
    if field.message_type is not None and field.message_type.full_name.startswith(_WRAPPED):
        return [lambda value: scalar(value.value)]
    return [scalar]


def _scalar_check(kind: str, rules: Any, field: FieldDescriptor) -> Check | None:
    if kind in _NUMBERS:
        return _number_check(rules)
    if kind == "string":
        checks = _text_checks(rules)
        return _all_of(checks) if checks else None
    if kind == "bytes":
        checks = _size_checks(rules, len)
        return _all_of(checks) if checks else None
    if kind == "enum":
        return _enum_check(rules, field)
    if kind == "bool" and rules.HasField("const"):
        wanted = rules.const
        return lambda value: "" if value == wanted else f"value must equal {wanted}"
    return None


def _number_check(rules: Any) -> Check | None:
    set_rules = {name: getattr(rules, name) for name in _WORDS if rules.HasField(name)}
    checks: list[Check] = []
    low = set_rules.get("gt", set_rules.get("gte"))
    high = set_rules.get("lt", set_rules.get("lte"))
    if low is not None and high is not None and low <= high:
        shown = f"{'(' if 'gt' in set_rules else '['}{low:g}, {high:g}{')' if 'lt' in set_rules else ']'}"
        text = f"value must be inside range {shown}"
        checks = [lambda value: "" if all(_holds(n, value, b) for n, b in set_rules.items()) else text]
    else:
        for name, bound in set_rules.items():
            checks.append(partial(_bounded, name, bound))
    allowed, banned = frozenset(getattr(rules, "in")), frozenset(rules.not_in)
    if allowed:
        checks.append(lambda value: "" if value in allowed else "value must be in list")
    if banned:
        checks.append(lambda value: "value must not be in list" if value in banned else "")
    return _all_of(checks) if checks else None


def _holds(rule: str, value: float, bound: float) -> bool:
    """Whether a number keeps a bound; what is no number breaks none, as generated code asks for the opposite."""
    if value != value:
        return True
    if rule == "lt":
        return value < bound
    if rule == "lte":
        return value <= bound
    return value > bound if rule == "gt" else value >= bound


def _bounded(rule: str, bound: float, value: float) -> str:
    return "" if _holds(rule, value, bound) else f"value must be {_WORDS[rule].format(bound)}"


def _enum_check(rules: Any, field: FieldDescriptor) -> Check | None:
    checks: list[Check] = []
    if rules.defined_only and field.enum_type is not None:
        defined = frozenset(v.number for v in field.enum_type.values)
        checks.append(lambda value: "" if value in defined else "value must be one of the defined enum values")
    allowed, banned = frozenset(getattr(rules, "in")), frozenset(rules.not_in)
    if allowed:
        checks.append(lambda value: "" if value in allowed else "value must be in list")
    if banned:
        checks.append(lambda value: "value must not be in list" if value in banned else "")
    return _all_of(checks) if checks else None


def _size_checks(rules: Any, size: Callable[[Any], int]) -> list[Check]:
    checks: list[Check] = []
    if rules.HasField("min_len"):
        least = rules.min_len
        checks.append(lambda v: f"value length must be at least {least} characters" if size(v) < least else "")
    if rules.HasField("max_len"):
        most = rules.max_len
        checks.append(lambda v: f"value length must be at most {most} characters" if size(v) > most else "")
    return checks


def _text_checks(rules: Any) -> list[Check]:
    checks = _size_checks(rules, len)
    if rules.HasField("min_bytes"):
        fewest = rules.min_bytes
        checks.append(lambda v: f"value length must be at least {fewest} bytes" if len(v.encode()) < fewest else "")
    if rules.HasField("max_bytes"):
        most = rules.max_bytes
        checks.append(lambda v: f"value length must be at most {most} bytes" if len(v.encode()) > most else "")
    if rules.HasField("pattern"):
        text = f'value does not match regex pattern "{rules.pattern}"'
        pattern = _compiled_form(rules.pattern)
        checks.append(lambda v: "" if pattern.search(v) else text)
    if rules.HasField("prefix"):
        prefix = rules.prefix
        checks.append(lambda v: "" if v.startswith(prefix) else f'value does not have prefix "{prefix}"')
    if rules.WhichOneof("well_known") == "well_known_regex":
        shown = _HEADER_FORMS[rules.well_known_regex, rules.strict]
        form = _compiled_form(shown)
        wrong = f'value does not match regex pattern "{shown}"'
        checks.append(lambda v: "" if not v or form.search(v) else wrong)
    if rules.WhichOneof("well_known") == "ip":
        checks.append(lambda v: "" if _is_ip(v) else "value must be a valid IP address")
    allowed, banned = frozenset(getattr(rules, "in")), frozenset(rules.not_in)
    if allowed:
        checks.append(lambda v: "" if v in allowed else "value must be in list")
    if banned:
        checks.append(lambda v: "value must not be in list" if v in banned else "")
    return [partial(_unless_empty, checks)] if checks and rules.ignore_empty else checks


def _compiled_form(pattern: str) -> re.Pattern[str]:
    """The pattern with RE2's meaning of its end: the end of the text, not the line feed before it."""
    return re.compile(f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern)


def _unless_empty(checks: Sequence[Check], value: str) -> str:
    return _first(checks, value) if value else ""


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _duration_in_range(value: Any) -> str:
    if value.seconds < 0 or value.nanos < 0:
        return f"{_BAD_DURATION}Expected positive duration"
    if value.nanos > 999_999_999 or value.seconds > _MAX_SECONDS:
        return f"{_BAD_DURATION}Duration out-of-range according to Protobuf"
    return ""


def _duration_checks(rules: Any) -> list[Check]:
    checks: list[Check] = []
    for name, words in _WORDS.items():
        if rules.HasField(name):
            limit = getattr(rules, name)
            bound = limit.seconds * 1_000_000_000 + limit.nanos
            text = f"value must be {words.format(f'{bound / 1e9:g}s')}"
            checks.append(partial(_duration_bounded, name, bound, text))
    return checks


def _duration_bounded(rule: str, bound: int, text: str, value: Any) -> str:
    return "" if _holds(rule, value.seconds * 1_000_000_000 + value.nanos, bound) else text


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
