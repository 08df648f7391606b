"""Packing messages into Any, and messages to and from protobuf JSON with original field names."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, TypeVar

from google.protobuf import any_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from meshsim.errors import InternalError
from meshsim.xds.type_urls import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

M = TypeVar("M", bound=Message)


def pack(message: Message) -> any_pb2.Any:
    """The message as a deterministic Any: equal content gives equal bytes."""
    return any_pb2.Any(
        type_url=PREFIX + message.DESCRIPTOR.full_name,
        value=message.SerializeToString(deterministic=True),
    )


def unpack(packed: any_pb2.Any, into: type[M]) -> M:
    """The message of this class inside an Any; raises `InternalError` when it holds another."""
    message = into()
    if not packed.Unpack(message):
        raise InternalError(f"Any holds {packed.type_url}, not {message.DESCRIPTOR.full_name}")
    return message


def to_json(message: Message) -> dict[str, object]:
    """Protobuf JSON with original field names, defaults absent, every Any expanded."""
    try:
        return dict(json_format.MessageToDict(message, preserving_proto_field_name=True))
    except TypeError:
        import_all_messages()
        return dict(json_format.MessageToDict(message, preserving_proto_field_name=True))


def from_json(body: Mapping[str, object], into: type[M], *, ignore_unknown: bool = False) -> M:
    """The message of protobuf JSON; raises `google.protobuf.json_format.ParseError` on what the class has not
    (unless unknown fields are ignored)."""
    import_all_messages()
    message = into()
    json_format.ParseDict(dict(body), message, ignore_unknown_fields=ignore_unknown)
    return message


_imported = False


def import_all_messages() -> None:
    """Import every v3 message module, so that any type URL in JSON can be resolved (about a quarter second, once)."""
    global _imported
    if _imported:
        return
    for root in ("envoy", "udpa", "xds"):
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, root + "."):
            if module.name.endswith("_pb2") and ".v2" not in module.name:
                importlib.import_module(module.name)
    importlib.import_module("meshsim.xds.istio_messages")
    _imported = True


def knows_type(type_url: str) -> bool:
    """Whether there is a message behind a type URL."""
    import_all_messages()
    try:
        descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return False
    return True


def message_class(type_url: str) -> type[Message]:
    """The class behind a type URL."""
    import_all_messages()
    descriptor = descriptor_pool.Default().FindMessageTypeByName(type_url.removeprefix(PREFIX))
    return message_factory.GetMessageClass(descriptor)
