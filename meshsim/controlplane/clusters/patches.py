"""EnvoyFilter patches of clusters (istio pilot/pkg/networking/core/envoyfilter/cluster_patch.go, release 1.31)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshsim.api import Fields
from meshsim.controlplane.cluster_names import parse_cluster_name
from meshsim.controlplane.clusters.draft import Cluster
from meshsim.controlplane.envoy_filters import Patch, PatchContext, PatchSet, merge_into
from meshsim.xds.messages import base_pb2
from meshsim.xds.packing import message_class, pack

_INBOUND = "inbound|"


def patch_clusters(
    clusters: Iterable[Cluster], patches: PatchSet, context: PatchContext, hosts: Sequence[str] = ()
) -> list[Cluster]:
    """Clusters after their patches; `hosts` are the services behind an inbound cluster."""
    wanted = [p for p in patches.of("CLUSTER") if p.in_context(context)]
    if not wanted:
        return list(clusters)
    found = []
    for cluster in clusters:
        patched = _patched(cluster, wanted, hosts)
        if patched is not None:
            found.append(patched)
    return found


def added_clusters(patches: PatchSet, context: PatchContext) -> list[Cluster]:
    """Clusters of ADD patches; without a context they are added once, on the outbound side."""
    found = []
    for patch in patches.of("CLUSTER"):
        if patch.operation != "ADD" or not patch.in_context(context):
            continue
        if patch.context == "ANY" and context is PatchContext.SIDECAR_INBOUND:
            continue
        cluster = patch.build(Cluster)
        if cluster is not None:
            found.append(cluster)
    return found


def _patched(cluster: Cluster, patches: Sequence[Patch], hosts: Sequence[str]) -> Cluster | None:
    if any(p.operation == "REMOVE" and _matches(p, cluster, hosts) for p in patches):
        return None
    for patch in patches:
        if patch.operation != "MERGE" or not _matches(patch, cluster, hosts):
            continue
        value = patch.build(Cluster)
        if value is not None and not _merge_socket(cluster, value):
            merge_into(cluster, value)
    return cluster


def _matches(patch: Patch, cluster: Cluster, hosts: Sequence[str]) -> bool:
    if "cluster" not in patch.match:
        return True
    match: Fields = patch.match.fields("cluster")
    name = match.text("name")
    if name:
        return name == cluster.name
    subset, port, candidates = "", 0, tuple(hosts)
    if cluster.name.startswith(_INBOUND):
        number = cluster.name.split("|")[1]
        port = int(number) if number.isdigit() else 0
    else:
        parts = parse_cluster_name(cluster.name)
        if parts is not None:
            subset, port, candidates = parts.subset, parts.port, (parts.hostname,)
        else:
            candidates = ("",)
    if match.text("subset") and match.text("subset") != subset:
        return False
    if match.text("service") and match.text("service") not in candidates:
        return False
    return match.integer("portNumber") in (0, port)


def _merge_socket(cluster: Cluster, value: Cluster) -> bool:
    """A patch with a transport socket touches the cluster's socket of that name only; whether this was one."""
    if not value.HasField("transport_socket"):
        return False
    patch = value.transport_socket
    if cluster.transport_socket_matches:
        for match in cluster.transport_socket_matches:
            if match.transport_socket.name == patch.name:
                _merge_typed(match.transport_socket, patch)
                break
        return True
    if cluster.HasField("transport_socket") and cluster.transport_socket.name == patch.name:
        _merge_typed(cluster.transport_socket, patch)
    else:
        cluster.transport_socket.CopyFrom(patch)
    return True


def _merge_typed(socket: base_pb2.TransportSocket, patch: base_pb2.TransportSocket) -> None:
    """Merge the configurations inside two sockets of one type."""
    if not socket.HasField("typed_config") or not patch.HasField("typed_config"):
        return
    target = message_class(socket.typed_config.type_url).FromString(socket.typed_config.value)
    merge_into(target, message_class(patch.typed_config.type_url).FromString(patch.typed_config.value))
    socket.typed_config.CopyFrom(pack(target))
