"""A cluster being built: the message, and the HTTP protocol options that are packed into it at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshsim.controlplane.resources import Resource
from meshsim.xds.messages import (
    cluster_filter_pb2,
    cluster_pb2,
    http_protocol_options_pb2,
    protocol_pb2,
    struct_pb2,
    typed_struct_pb2,
)
from meshsim.xds.packing import pack

HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ISTIO_METADATA: Final = "istio"

Cluster = cluster_pb2.Cluster
HttpProtocolOptions = http_protocol_options_pb2.HttpProtocolOptions

METADATA_EXCHANGE: Final = cluster_filter_pb2.Filter(
    name="istio.metadata_exchange",
    typed_config=pack(
        typed_struct_pb2.TypedStruct(
            type_url="type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
            value=struct_pb2.Struct(
                fields={
                    "enable_discovery": struct_pb2.Value(bool_value=True),
                    "protocol": struct_pb2.Value(string_value="istio-peer-exchange"),
                }
            ),
        )
    ),
)
"""istio pilot/pkg/xds/filters/filters.go TCPClusterMx."""


@dataclass(slots=True)
class ClusterDraft:
    """istio pilot/pkg/networking/core/cluster_builder.go clusterWrapper."""

    cluster: Cluster
    http: HttpProtocolOptions | None = None

    def options(self) -> HttpProtocolOptions:
        """The protocol options, made on first use."""
        if self.http is None:
            self.http = HttpProtocolOptions()
        return self.http

    @property
    def is_http2(self) -> bool:
        """Whether the cluster speaks HTTP/2 whatever the client spoke."""
        return self.http is not None and self.http.explicit_http_config.HasField("http2_protocol_options")

    def use_http2(self) -> None:
        """Speak HTTP/2 to the endpoints."""
        options = self.options()
        # As in setH2Options, options that already carry upstream settings (automatic SNI) keep their protocol.
        if not options.HasField("upstream_http_protocol_options"):
            options.explicit_http_config.http2_protocol_options.CopyFrom(protocol_pb2.Http2ProtocolOptions())

    def use_client_protocol(self) -> None:
        """Speak to the endpoints what the client spoke."""
        options = self.options()
        http1 = protocol_pb2.Http1ProtocolOptions()
        if options.explicit_http_config.HasField("http_protocol_options"):
            http1.CopyFrom(options.explicit_http_config.http_protocol_options)
        options.use_downstream_protocol_config.CopyFrom(
            HttpProtocolOptions.UseDownstreamHttpConfig(
                http_protocol_options=http1, http2_protocol_options=protocol_pb2.Http2ProtocolOptions()
            )
        )

    def metadata(self) -> struct_pb2.Struct:
        """The ``istio`` metadata of the cluster, made on first use."""
        return self.cluster.metadata.filter_metadata[ISTIO_METADATA]

    def finish(self) -> Cluster:
        """The complete message."""
        if self.http is not None:
            if self.http.WhichOneof("upstream_protocol_options") is None:
                self.http.explicit_http_config.http_protocol_options.SetInParent()
            self.cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(self.http))
        return self.cluster


def to_resource(cluster: Cluster) -> Resource:
    """A finished cluster as it goes on the wire."""
    return Resource(cluster.name, cluster.SerializeToString(deterministic=True))
