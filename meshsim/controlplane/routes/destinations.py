"""Names of the clusters that routes lead to (istio route.go GetDestinationCluster, release 1.31)."""

from __future__ import annotations

from typing import Final, NamedTuple

from meshsim.api import Fields
from meshsim.controlplane.cluster_names import cluster_name
from meshsim.controlplane.model import Service

UNKNOWN_SERVICE: Final = "UnknownService"
"""Cluster of a destination without a host: an invalid backend of a Gateway API route."""

PASSTHROUGH_CLUSTER: Final = "PassthroughCluster"


class Meaning(NamedTuple):
    """All that a destination's cluster depends on of its service."""

    host: str = ""
    """Where an ExternalName service leads; empty for the host itself."""
    port: int = 0
    """The only port; 0 when there are several."""

    @classmethod
    def of(cls, service: Service | None) -> Meaning:
        if service is None:
            return NOTHING
        return cls(service.external_name, service.ports[0].port if len(service.ports) == 1 else 0)


NOTHING: Final = Meaning()


def destination_cluster(destination: Fields, meaning: Meaning, listener_port: int) -> str:
    """The cluster of a destination.

    Its port is the one it names, else the only one of the service, else that of the listener. A destination that is
    an ExternalName service leads to the service behind the name.
    """
    host = destination.text("host")
    if not host:
        return UNKNOWN_SERVICE
    if "port" in destination:
        port = destination.fields("port").integer("number")
    else:
        port = meaning.port or listener_port
    return cluster_name(port, destination.text("subset"), meaning.host or host)
