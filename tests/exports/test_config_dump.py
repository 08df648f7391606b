"""A dump that istioctl can take apart: known messages, every resource once, nothing lost on the way."""

from __future__ import annotations

import json

from google.protobuf import json_format

from meshsim.exports.config_dump import config_dump, print_dump
from meshsim.recording import ConfigEntry
from meshsim.units import SECOND
from meshsim.xds import type_urls
from meshsim.xds.messages import (
    cluster_pb2,
    config_dump_pb2,
    config_dump_shared_pb2,
    endpoint_pb2,
    listener_pb2,
    route_pb2,
)

ENTRIES = [
    ConfigEntry(type_urls.CLUSTER, "c", SECOND, cluster_pb2.Cluster(name="c").SerializeToString()),
    ConfigEntry(
        type_urls.ENDPOINT, "c", SECOND, endpoint_pb2.ClusterLoadAssignment(cluster_name="c").SerializeToString()
    ),
    ConfigEntry(type_urls.LISTENER, "l", 2 * SECOND, listener_pb2.Listener(name="l").SerializeToString()),
    ConfigEntry(type_urls.ROUTE, "80", 3 * SECOND, route_pb2.RouteConfiguration(name="80").SerializeToString()),
]


def test_each_type_stands_where_istioctl_looks_for_it() -> None:
    dump = json_format.ParseDict(json.loads(print_dump(ENTRIES)), config_dump_pb2.ConfigDump())
    assert dump == config_dump(ENTRIES)
    kinds = {item.type_url.rsplit(".", 1)[-1]: item for item in dump.configs}
    assert set(kinds) == {
        *("ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump", "EndpointsConfigDump"),
        *("EcdsConfigDump", "SecretsConfigDump"),
    }
    clusters = config_dump_shared_pb2.ClustersConfigDump.FromString(kinds["ClustersConfigDump"].value)
    (cluster,) = clusters.dynamic_active_clusters
    assert cluster_pb2.Cluster.FromString(cluster.cluster.value).name == "c"
    assert (cluster.version_info, cluster.last_updated.seconds) == ("1s", 1)
    listeners = config_dump_shared_pb2.ListenersConfigDump.FromString(kinds["ListenersConfigDump"].value)
    (listener,) = listeners.dynamic_listeners
    assert (listener.name, listener.active_state.version_info) == ("l", "2s")
    routes = config_dump_shared_pb2.RoutesConfigDump.FromString(kinds["RoutesConfigDump"].value)
    assert len(routes.dynamic_route_configs) == 1
    endpoints = config_dump_shared_pb2.EndpointsConfigDump.FromString(kinds["EndpointsConfigDump"].value)
    assert len(endpoints.dynamic_endpoint_configs) == 1
