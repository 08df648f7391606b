"""Route configurations (RDS) of sidecars and gateways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshsim.controlplane.resources import Resource

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext


def build_routes(push: PushContext, proxy: Proxy, names: Sequence[str]) -> tuple[Resource, ...]:
    """The route configurations of these names, in their order; an unknown name gets an empty one."""
    cache = push.route_cache
    if proxy.is_router:
        gateway = cache.gateway_routes(proxy)
        return tuple(Resource(name, gateway.body(name)) for name in names)
    return cache.sidecar_resources(proxy, names)
