"""Names of the clusters that routes lead to (istio route.go GetDestinationCluster, model/push_context.go, 1.31)."""

from __future__ import annotations

from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.model import Service

UNKNOWN_SERVICE: Final = "UnknownService"
"""Cluster of a destination without a host: an invalid backend of a Gateway API route."""

PASSTHROUGH_CLUSTER: Final = "PassthroughCluster"


class SubsetKey(NamedTuple):
    """The parts of ``outbound|80|v1|reviews.default.svc.cluster.local``."""

    direction: str
    subset: str
    host: str
    port: int


def outbound_cluster(port: int, subset: str, host: str) -> str:
    """Name of the cluster of a port of a host, or of one subset of it."""
    return f"outbound|{port}|{subset}|{host}"


def parse_subset_key(name: str) -> SubsetKey | None:
    """The parts of a cluster name, `None` for names of another form."""
    parts = name.split("|")
    if len(parts) != 4:
        return None
    direction, port, subset, host = parts
    return SubsetKey(direction, subset, host, int(port) if port.isdigit() else 0)


def destination_cluster(destination: Fields, service: Service | None, listener_port: int) -> str:
    """The cluster of a destination.

    Its port is the one it names, else the only one of the service, else that of the listener. A destination that is
    an ExternalName service leads to the service behind the name.
    """
    host = destination.text("host")
    if not host:
        return UNKNOWN_SERVICE
    if service is not None and service.external_name:
        host = service.external_name
    port = listener_port
    if "port" in destination:
        port = destination.fields("port").integer("number")
    elif service is not None and len(service.ports) == 1:
        port = service.ports[0].port
    return outbound_cluster(port, destination.text("subset"), host)
