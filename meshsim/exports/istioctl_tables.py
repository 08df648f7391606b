"""Every table of istioctl that is modelled, by the name under which recordings hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from google.protobuf.message import Message

from meshsim.errors import InputError
from meshsim.exports.authz_check import print_authz_check
from meshsim.exports.proxy_config import print_table
from meshsim.xds import type_urls

_Table = Callable[[Mapping[str, Sequence[Message]]], str]


def _table(kind: str, type_url: str, *, verbose: bool = True) -> _Table:
    def printed(resources: Mapping[str, Sequence[Message]]) -> str:
        found = resources.get(type_url, ())
        if not found and type_url != type_urls.EXTENSION:
            raise InputError(f"no {kind}s found")
        return print_table(kind, found, verbose)

    return printed


ISTIOCTL_TABLES: Final[Mapping[str, _Table]] = {
    "cluster": _table("cluster", type_urls.CLUSTER),
    "listener": _table("listener", type_urls.LISTENER),
    "listener-not-verbose": _table("listener", type_urls.LISTENER, verbose=False),
    "route": _table("route", type_urls.ROUTE),
    "route-not-verbose": _table("route", type_urls.ROUTE, verbose=False),
    "ecds": _table("ecds", type_urls.EXTENSION),
    "authz-check": lambda resources: print_authz_check(resources.get(type_urls.LISTENER, ())),
}
"""What prints a table of a proxy's resources by type URL; raises `InputError` where istioctl refuses."""
