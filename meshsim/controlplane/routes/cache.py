"""Route configurations of one push, each built once for all proxies that see the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.controlplane.model import Proxy
from meshsim.controlplane.routes.gateway import GatewayRoutes
from meshsim.controlplane.routes.hosts import HostRoutes
from meshsim.controlplane.routes.http_routes import build_default_route
from meshsim.controlplane.routes.sidecar import SidecarRoutes, SidecarView, label_keys, sidecar_view

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext
    from meshsim.controlplane.sidecar_scope import SidecarScope


class RouteCache:
    """What route generation keeps of one push context."""

    def __init__(self, push: PushContext) -> None:
        self._push = push
        self._label_keys: dict[int, tuple[SidecarScope, tuple[str, ...]]] = {}
        self._sidecars: dict[tuple[int, SidecarView], SidecarRoutes] = {}
        self._gateways: dict[int, tuple[Proxy, GatewayRoutes]] = {}
        self._defaults: dict[tuple[str, int, bool], HostRoutes] = {}
        mesh = push.mesh.fields
        self._retries = mesh.fields("defaultHttpRetryPolicy") if "defaultHttpRetryPolicy" in mesh else None

    def sidecar_routes(self, proxy: Proxy) -> SidecarRoutes:
        """The outbound routes of a sidecar, shared with all of its scope and view."""
        scope = self._push.scope(proxy)
        held = self._label_keys.get(id(scope))
        if held is None:
            # The scope is kept with the entry, so that its id stays its own.
            held = self._label_keys[id(scope)] = (scope, label_keys(scope))
        view = sidecar_view(self._push, proxy, held[1])
        key = (id(scope), view)
        routes = self._sidecars.get(key)
        if routes is None:
            routes = self._sidecars[key] = SidecarRoutes(self._push, scope, view, proxy)
        return routes

    def gateway_routes(self, proxy: Proxy) -> GatewayRoutes:
        """The routes of a gateway proxy."""
        held = self._gateways.get(id(proxy))
        if held is None:
            held = (proxy, GatewayRoutes(self._push, proxy, self._push.merged_gateway(proxy)))
            self._gateways[id(proxy)] = held
        return held[1]

    def default_routes(self, host: str, port: int, attempt_count: bool) -> HostRoutes:
        """The default route to a service port."""
        key = (host, port, attempt_count)
        routes = self._defaults.get(key)
        if routes is None:
            route = build_default_route(host, port, self._retries, None)
            routes = self._defaults[key] = HostRoutes.of([route], attempt_count)
        return routes
