"""The cluster of a service that an extension provider names (istio pilot/pkg/model/telemetry_logging.go, 1.31)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from meshsim.api import Fields

if TYPE_CHECKING:
    from meshsim.controlplane.push_context import PushContext


class ProviderCluster(NamedTuple):
    """Where a provider's traffic goes."""

    hostname: str
    cluster: str
    """``outbound|4317||otel.monitoring.svc.cluster.local``."""


def lookup_cluster(push: PushContext, service: str, port: int) -> ProviderCluster | None:
    """The cluster of ``host`` or ``namespace/host``; ``None`` when unknown, or known in several namespaces."""
    namespace, slash, name = service.rpartition("/")
    if "/" in namespace:
        return None
    by_namespace = push.registry.by_host.get(name, {})
    if slash:
        found = by_namespace.get(namespace)
    else:
        found = next(iter(by_namespace.values())) if len(by_namespace) == 1 else None
    if found is None:
        return None
    return ProviderCluster(found.hostname, f"outbound|{port}||{found.hostname}")


def provider_clusters(push: PushContext) -> tuple[ProviderCluster | None, ...]:
    """The clusters of all services that the mesh's extension providers name, as they are now."""
    return tuple(
        lookup_cluster(push, block.text("service"), block.integer("port"))
        for provider in push.mesh.fields.items("extensionProviders")
        for block in _service_blocks(provider)
    )


def _service_blocks(fields: Fields) -> Iterator[Fields]:
    if "service" in fields:
        yield fields
    for key in fields:
        if fields.fields(key):
            yield from _service_blocks(fields.fields(key))
