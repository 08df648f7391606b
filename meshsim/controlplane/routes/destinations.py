"""Names of the clusters that routes lead to (istio route.go GetDestinationCluster, release 1.31)."""

from __future__ import annotations

from typing import Final

from meshsim.api import Fields
from meshsim.controlplane.cluster_names import cluster_name
from meshsim.controlplane.model import Service

UNKNOWN_SERVICE: Final = "UnknownService"
"""Cluster of a destination without a host: an invalid backend of a Gateway API route."""

PASSTHROUGH_CLUSTER: Final = "PassthroughCluster"


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
    return cluster_name(port, destination.text("subset"), host)
