"""Route configurations of one push, each built once for all proxies that see the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.controlplane.model import Proxy
from meshsim.controlplane.routes.gateway import GatewayRoutes, GatewayView, gateway_view
from meshsim.controlplane.routes.sharing import RouteSharing
from meshsim.controlplane.routes.sidecar import SidecarRoutes, SidecarView, label_keys, sidecar_view

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope


class RouteCache:
    """What route generation keeps of one push context."""

    def __init__(self, push: PushContext) -> None:
        self._push = push
        self._label_keys: dict[SidecarScope, tuple[str, ...]] = {}
        self._sidecars: dict[tuple[SidecarScope, SidecarView], SidecarRoutes] = {}
        self._gateways: dict[GatewayView, GatewayRoutes] = {}
        self._sharing = RouteSharing(push.mesh, push.cache)

    def sidecar_routes(self, proxy: Proxy) -> SidecarRoutes:
        """The outbound routes of a sidecar, shared with all of its scope and view."""
        scope = self._push.scope(proxy)
        keys = self._label_keys.get(scope)
        if keys is None:
            keys = self._label_keys[scope] = label_keys(scope, self._sharing)
        view = sidecar_view(self._push, proxy, keys)
        routes = self._sidecars.get((scope, view))
        if routes is None:
            routes = SidecarRoutes(self._push, scope, view, proxy, self._sharing)
            self._sidecars[(scope, view)] = routes
        return routes

    def gateway_routes(self, proxy: Proxy) -> GatewayRoutes:
        """The routes of a gateway, shared by its replicas."""
        view = gateway_view(self._push, proxy, self._sharing)
        routes = self._gateways.get(view)
        if routes is None:
            routes = self._gateways[view] = GatewayRoutes(self._push, view, self._sharing)
        return routes
