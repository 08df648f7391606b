"""What Pilot sends: named, serialized resources, and the one entry point that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from meshsim.errors import InternalError
from meshsim.xds import type_urls

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext


class Resource(NamedTuple):
    """A resource as it goes on the wire; equal content has equal bytes."""

    name: str
    body: bytes
    """The message, serialized deterministically, without its Any."""


def generate(
    push: PushContext, proxy: Proxy, type_url: str, names: Sequence[str], hosts: frozenset[str] | None = None
) -> tuple[Resource, ...]:
    """Resources of a type for a proxy; `names` are what it asked for, which wildcard types do not need.

    `hosts` leaves the clusters of other services out.

    Raises `InternalError` for a type that Pilot does not serve.
    """
    if type_url == type_urls.CLUSTER:
        from meshsim.controlplane.clusters import build_clusters

        return build_clusters(push, proxy, hosts)
    if type_url == type_urls.ENDPOINT:
        from meshsim.controlplane.endpoints import build_endpoints

        return build_endpoints(push, proxy, names)
    if type_url == type_urls.LISTENER:
        from meshsim.controlplane.listeners import build_listeners

        return build_listeners(push, proxy)
    if type_url == type_urls.ROUTE:
        from meshsim.controlplane.routes import build_routes

        return build_routes(push, proxy, names)
    if type_url == type_urls.NAME_TABLE:
        from meshsim.controlplane.name_table import build_name_table

        return build_name_table(push, proxy)
    if type_url == type_urls.EXTENSION:
        from meshsim.controlplane.listeners import build_extension_configs

        return build_extension_configs(push, proxy, names)
    raise InternalError(f"Pilot does not serve {type_url}")
