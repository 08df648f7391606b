"""Well-formed messages with nonsense in them: a random field, at any depth, takes a value nobody would write."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final, cast

from google.protobuf import any_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from meshsim.xds.packing import message_class, pack

_TEXTS: Final = (
    "",
    "a",
    "*",
    "*.",
    "%",
    "%REQ(a)%",
    "(",
    "\\1",
    "/",
    "{a}",
    "..",
    "::1",
    "10.0.0.1",
    "x" * 5000,
    "ü",
    "\n",
)
_INTEGERS: Final = (0, 1, -1, 2, 100, 101, 128, 65535, 65536, 2**31 - 1, -(2**31))
_LARGE: Final = (2**32 - 1, 2**63 - 1, -(2**63))
_DEEPEST: Final = 60


def twist(message: Message, rng: random.Random, depth: int = 0) -> None:
    """Change one random field somewhere below the message, in place."""
    fields = cast("Sequence[FieldDescriptor]", message.DESCRIPTOR.fields)
    if not fields:
        return
    present = cast("list[FieldDescriptor]", [f for f, _ in message.ListFields()])
    deeper = [f for f in present if f.message_type is not None]
    which = rng.random()
    field = rng.choice(deeper if deeper and which < 0.6 else present if present and which < 0.8 else fields)
    if isinstance(message, any_pb2.Any):
        _twist_packed(message, rng, depth)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _twist_map(getattr(message, field.name), field, rng, depth)
    elif field.is_repeated:
        _twist_list(getattr(message, field.name), field, rng, depth)
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        if rng.random() < 0.1:
            message.ClearField(field.name)
        elif depth < _DEEPEST:
            inner.SetInParent()
            if rng.random() < 0.9:
                twist(inner, rng, depth + 1)
    elif rng.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _value(field, rng))


def _twist_packed(packed: any_pb2.Any, rng: random.Random, depth: int) -> None:
    """Inside an Any as well, as far as its type is known; now and then it holds another than it says."""
    which = rng.random()
    if which < 0.05:
        packed.value = rng.randbytes(rng.randint(0, 20))
        return
    if which < 0.1:
        packed.type_url = rng.choice(("", "x", "type.googleapis.com/google.protobuf.Struct", packed.type_url + "X"))
        return
    try:
        inner = message_class(packed.type_url)()
        inner.ParseFromString(packed.value)
    except (KeyError, DecodeError):
        return
    twist(inner, rng, depth + 1)
    packed.CopyFrom(pack(inner))


def _twist_list(values: Any, field: FieldDescriptor, rng: random.Random, depth: int) -> None:
    which = rng.random()
    if values and which < 0.15:
        del values[rng.randrange(len(values))]
    elif values and which < 0.3:
        values.append(values[rng.randrange(len(values))])
    elif field.message_type is not None:
        inner = values[rng.randrange(len(values))] if values and which < 0.9 else values.add()
        if depth < _DEEPEST:
            twist(inner, rng, depth + 1)
    else:
        values.append(_value(field, rng))


def _twist_map(values: Any, field: FieldDescriptor, rng: random.Random, depth: int) -> None:
    assert field.message_type is not None
    entry = field.message_type.fields_by_name
    keys = sorted(values)
    key = rng.choice(keys) if keys and rng.random() < 0.8 else _value(entry["key"], rng)
    if keys and rng.random() < 0.15:
        del values[rng.choice(keys)]
    elif entry["value"].message_type is None:
        values[key] = _value(entry["value"], rng)
    elif depth < _DEEPEST:
        twist(values[key], rng, depth + 1)


def _value(field: FieldDescriptor, rng: random.Random) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = rng.choice(_TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return rng.choice((0.0, -1.0, 0.5, 101.0, 1e30, float("inf"), float("nan")))
    if field.enum_type is not None:
        return rng.choice((*(v.number for v in field.enum_type.values), 99))
    number = rng.choice(_INTEGERS + _LARGE)
    bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
    if kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64):
        return number % 2**bits
    return max(-(2 ** (bits - 1)), min(number, 2 ** (bits - 1) - 1))
