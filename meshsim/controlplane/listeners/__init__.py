"""LDS and ECDS: every listener of a proxy, and the configurations of the extensions in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshsim.controlplane.extensions import workload_extensions
from meshsim.controlplane.listeners.patches import added_extension_configs
from meshsim.controlplane.resources import Resource

if TYPE_CHECKING:
    from meshsim.controlplane.model import Proxy
    from meshsim.controlplane.push_context import PushContext


def build_listeners(push: PushContext, proxy: Proxy) -> tuple[Resource, ...]:
    """Outbound listeners, `http_proxy`, `virtualOutbound` and inbound ones of a sidecar; those of a gateway's ports."""
    return push.listener_cache.listeners(proxy)


def build_extension_configs(push: PushContext, proxy: Proxy, names: Sequence[str]) -> tuple[Resource, ...]:
    """Configurations of the extensions that the proxy's listeners name, and of those EnvoyFilters add."""
    configs = [
        *workload_extensions(push, proxy).configurations(push, names),
        *added_extension_configs(push.envoy_filters(proxy), names),
    ]
    return tuple(Resource(config.name, config.SerializeToString(deterministic=True)) for config in configs)
