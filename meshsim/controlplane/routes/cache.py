"""Route configurations of one push, each built once for all proxies that see the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from meshsim.controlplane.model import Proxy
from meshsim.controlplane.resources import Resource
from meshsim.controlplane.routes.gateway import GatewayRoutes, GatewayView, gateway_view
from meshsim.controlplane.routes.sharing import RouteSharing
from meshsim.controlplane.routes.sidecar import SidecarRoutes, label_keys, sidecar_view
from meshsim.xds.bodies import Bodies

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext

_DUPLICATE_DOMAIN: Final = "pilot_vservice_dup_domain"


class RouteCache:
    """What route generation keeps of one push context."""

    def __init__(self, push: PushContext) -> None:
        self._push = push
        self._gateways: dict[GatewayView, GatewayRoutes] = {}
        self._sharing = RouteSharing(push.mesh, push.cache)

    def sidecar_routes(self, proxy: Proxy) -> SidecarRoutes:
        """The outbound routes of a sidecar, shared with all of its scope and view."""
        push, sharing = self._push, self._sharing
        scope = push.scope(proxy)
        keys = push.made(("route labels", scope), lambda: label_keys(scope, sharing, push.cache))
        view = sidecar_view(push, proxy, keys)
        return push.cache.latest(
            ("sidecar routes", scope.slot, view),
            (scope,),
            lambda _: SidecarRoutes(push.cache, scope, view, sharing),
        )

    def sidecar_resources(self, proxy: Proxy, names: Sequence[str]) -> tuple[Resource, ...]:
        """Route configurations of a sidecar; all of its scope and view get the same."""
        push, routes = self._push, self.sidecar_routes(proxy)

        def make() -> tuple[Resource, ...]:
            for name in names:
                for host, message in routes.duplicates(name):
                    push.status.add(_DUPLICATE_DOMAIN, host, proxy.id, message)
            return Bodies([Resource(name, routes.body(name)) for name in names])

        return push.response(("routes", routes, tuple(names)), make)

    def gateway_routes(self, proxy: Proxy) -> GatewayRoutes:
        """The routes of a gateway, shared by its replicas."""
        view = gateway_view(self._push, proxy, self._sharing)
        routes = self._gateways.get(view)
        if routes is None:
            routes = self._gateways[view] = GatewayRoutes(self._push, view, self._sharing)
        return routes
