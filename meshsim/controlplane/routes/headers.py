"""Header operations of a VirtualService as Envoy's (istio route.go TranslateHeadersOperations, release 1.31)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.xds.messages import base_pb2

_OVERWRITE: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_APPEND: Final = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


class HeaderOperations(NamedTuple):
    """What is done to the headers of requests and responses."""

    request_add: Sequence[base_pb2.HeaderValueOption] = ()
    request_remove: Sequence[str] = ()
    response_add: Sequence[base_pb2.HeaderValueOption] = ()
    response_remove: Sequence[str] = ()
    authority: str = ""
    """New host, from setting or adding ``Host`` or ``:authority``; setting beats adding."""


NONE: Final = HeaderOperations()


def header_operations(headers: Fields) -> HeaderOperations:
    """The operations of a `headers` block; pseudo headers and ``Host`` cannot be changed this way and are left out."""
    request, response = headers.fields("request"), headers.fields("response")
    set_, add = request.text_map("set"), request.text_map("add")
    return HeaderOperations(
        request_add=_options(set_, _OVERWRITE) + _options(add, _APPEND),
        request_remove=_removable(request.texts("remove")),
        response_add=_options(response.text_map("set"), _OVERWRITE) + _options(response.text_map("add"), _APPEND),
        response_remove=_removable(response.texts("remove")),
        authority=_authority(set_) or _authority(add),
    )


def _options(
    values: Mapping[str, str], action: base_pb2.HeaderValueOption.HeaderAppendAction.ValueType
) -> list[base_pb2.HeaderValueOption]:
    return [
        base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value), append_action=action)
        for key, value in sorted(values.items())
        if not _is_internal(key)
    ]


def _removable(names: Sequence[str]) -> list[str]:
    return [name for name in names if not _is_internal(name)]


def _is_internal(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"


def _authority(values: Mapping[str, str]) -> str:
    found = ""
    for key, value in values.items():
        if key.lower() in (":authority", "host"):
            found = value
    return found
