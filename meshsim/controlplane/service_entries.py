"""Services and endpoints of ServiceEntries and WorkloadEntries.

istio pilot/pkg/serviceregistry/serviceentry, release 1.31.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshsim.controlplane.model import Endpoint, Proxy, Service, ServiceTarget

if TYPE_CHECKING:
    from meshsim.api import ObjectView
    from meshsim.controlplane.kube_registry import KubeRegistry
    from meshsim.controlplane.mesh import MeshConfig


class ServiceEntryRegistry:
    """Services declared by ServiceEntries, with their endpoints."""

    def __init__(
        self,
        objects: ObjectView,
        mesh: MeshConfig,
        namespaces: frozenset[str] | None,
        kube: KubeRegistry,
        previous: ServiceEntryRegistry | None = None,
    ) -> None:
        self.services: tuple[Service, ...] = ()

    def endpoints(self, hostname: str, namespace: str) -> list[Endpoint]:
        return []

    def targets(self, proxy: Proxy) -> list[ServiceTarget]:
        return []
