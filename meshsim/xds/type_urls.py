"""Type URLs of the resources Pilot serves, and the order in which it pushes them."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "type.googleapis.com/"

CLUSTER: Final = PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT: Final = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = PREFIX + "envoy.config.listener.v3.Listener"
ROUTE: Final = PREFIX + "envoy.config.route.v3.RouteConfiguration"
SECRET: Final = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
EXTENSION: Final = PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
NAME_TABLE: Final = PREFIX + "istio.networking.nds.v1.NameTable"

PUSH_ORDER: Final = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)
"""istio pilot/pkg/xds/ads.go PushOrder; further watched types follow."""

WILDCARD: Final = frozenset({CLUSTER, LISTENER})
"""Types a client subscribes to as a whole (absent from an answer means deleted under state of the world)."""

SHORT: Final = {
    CLUSTER: "cds",
    ENDPOINT: "eds",
    LISTENER: "lds",
    ROUTE: "rds",
    SECRET: "sds",
    EXTENSION: "ecds",
    NAME_TABLE: "nds",
}
"""Istio's short names, as in its metrics and in the recordings."""
