"""A resource that Envoy would refuse, and one that it takes but this model does not."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import ClassVar, TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import Message

from meshsim.errors import InputError
from meshsim.xds.constraints import violation
from meshsim.xds.packing import unpack

M = TypeVar("M", bound=Message)


class ResourceRejectedError(InputError):
    """A resource or part of one that Envoy refuses; the message is the reason of the NACK."""

    code: ClassVar[str] = "MSH0410"


class MalformedResourceError(ResourceRejectedError):
    """A resource whose message cannot be read or breaks a constraint of its own fields.

    Envoy looks at this before it applies anything, and refuses the whole response that brought the resource.
    """

    code: ClassVar[str] = "MSH0412"


class NotModelledError(InputError):
    """A field or extension that Envoy takes and the model does not know: refused by name rather than ignored."""

    code: ClassVar[str] = "MSH0411"


def check_constraints(message: Message, checked_later: Collection[str] = ()) -> None:
    """Raise `MalformedResourceError` when the message breaks a constraint of its own definition."""
    _assert_none(violation(message, checked_later))


def _assert_none(reason: str) -> None:
    if reason.startswith("Invalid duration"):
        raise MalformedResourceError(reason)
    if reason:
        raise MalformedResourceError(f"Proto constraint validation failed ({reason})")


def unpack_valid(packed: any_pb2.Any, into: type[M]) -> M:
    """The message inside an Any, checked as whoever unpacks it in Envoy does.

    Raises `MalformedResourceError` for a broken constraint, `meshsim.errors.InternalError` for another message.
    """
    message = unpack(packed, into)
    _assert_none(_violation(into, packed.value))  # type: ignore[arg-type]  # classes can be hashed
    return message


@lru_cache(maxsize=1024)
def _violation(kind: type[Message], value: bytes) -> str:
    """What is packed is mostly the same for all listeners of a mesh, so it is looked at once."""
    return violation(kind.FromString(value))
