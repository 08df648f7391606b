"""Messages as JSON text that is equal for equal messages: what is a map is printed in the order of its keys.

Protobuf prints a map in the order of its hash table, which is another one in every process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf import any_pb2, struct_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from meshsim.xds.packing import message_class, to_json


def to_text(what: Message | Iterable[Message], indent: int) -> str:
    """A message, or a list of them, in protobuf JSON with original field names, every Any expanded."""
    if isinstance(what, Message):
        body = _ordered(what, to_json(what))
    else:
        body = [_ordered(message, to_json(message)) for message in what]
    return json.dumps(body, indent=indent, ensure_ascii=False) + "\n"


def _ordered(message: Message, body: Any) -> Any:
    """The JSON of a message with its maps, and those of all it holds, in order."""
    if isinstance(message, any_pb2.Any):
        return _ordered_any(message, body)
    if isinstance(message, (struct_pb2.Struct, struct_pb2.Value, struct_pb2.ListValue)):
        return _by_key(body)
    if not isinstance(body, dict):
        return body
    for field, value in message.ListFields():
        if field.message_type is not None and field.name in body:
            body[field.name] = _ordered_field(field.message_type, value, body[field.name])
    return body


def _ordered_field(kind: Descriptor, value: Any, body: Any) -> Any:
    if kind.GetOptions().map_entry:
        if kind.fields_by_name["value"].message_type is None:
            return dict(sorted(body.items()))
        held = {str(key): item for key, item in value.items()}
        return {key: _ordered(held[key], body[key]) for key in sorted(body)}
    if isinstance(value, Message):
        return _ordered(value, body)
    return [_ordered(*pair) for pair in zip(value, body, strict=True)]


def _ordered_any(message: any_pb2.Any, body: dict[str, Any]) -> dict[str, Any]:
    held = message_class(message.type_url).FromString(message.value)
    if held.DESCRIPTOR.full_name.startswith("google.protobuf."):
        # Their JSON is no object of fields and stands under a name of its own.
        return {**body, "value": _ordered(held, body["value"])} if "value" in body else body
    rest = {key: value for key, value in body.items() if key != "@type"}
    return {"@type": body["@type"], **_ordered(held, rest)}


def _by_key(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_key(value[key]) for key in sorted(value)}
    return [_by_key(item) for item in value] if isinstance(value, list) else value
