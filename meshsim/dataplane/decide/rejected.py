"""A resource that Envoy would refuse, and one that it takes but this model does not."""

from __future__ import annotations

from typing import ClassVar

from meshsim.errors import InputError


class ResourceRejectedError(InputError):
    """A resource or part of one that Envoy refuses; the message is the reason of the NACK."""

    code: ClassVar[str] = "MSH0410"


class NotModelledError(InputError):
    """A field or extension that Envoy takes and the model does not know: refused by name rather than ignored."""

    code: ClassVar[str] = "MSH0411"
