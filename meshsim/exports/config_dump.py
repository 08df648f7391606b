"""The configuration of a proxy as Envoy's admin endpoint dumps it, which istioctl reads with ``--file``.

Format: envoy/admin/v3/config_dump.proto, Envoy 1.40; what istioctl takes out of it: istio
istioctl/pkg/util/configdump, release 1.31.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from google.protobuf import any_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from meshsim.exports.secrets import secrets_of
from meshsim.units import Nanos, format_duration
from meshsim.xds import type_urls
from meshsim.xds.json_text import to_text
from meshsim.xds.messages import config_dump_pb2, config_dump_shared_pb2, listener_pb2, tls_secret_pb2
from meshsim.xds.packing import pack

if TYPE_CHECKING:
    from meshsim.recording import ConfigEntry


def config_dump(entries: Iterable[ConfigEntry]) -> config_dump_pb2.ConfigDump:
    """The dump of what a proxy has: clusters, endpoints, listeners, routes, discovered filters and secrets.

    Versions are the instants at which the proxy got each resource. There is no bootstrap in it, since nothing is
    simulated that would need one.
    """
    clusters = config_dump_shared_pb2.ClustersConfigDump()
    endpoints = config_dump_shared_pb2.EndpointsConfigDump()
    listeners = config_dump_shared_pb2.ListenersConfigDump()
    routes = config_dump_shared_pb2.RoutesConfigDump()
    extensions = config_dump_shared_pb2.EcdsConfigDump()
    entries = list(entries)
    for entry in entries:
        resource = any_pb2.Any(type_url=entry.type_url, value=entry.body)
        version, updated = _version(entry.time), _timestamp(entry.time)
        match entry.type_url:
            case type_urls.CLUSTER:
                clusters.dynamic_active_clusters.add(version_info=version, cluster=resource, last_updated=updated)
            case type_urls.ENDPOINT:
                endpoints.dynamic_endpoint_configs.add(
                    version_info=version, endpoint_config=resource, last_updated=updated
                )
            case type_urls.LISTENER:
                state = config_dump_shared_pb2.ListenersConfigDump.DynamicListenerState(
                    version_info=version, listener=resource, last_updated=updated
                )
                name = listener_pb2.Listener.FromString(entry.body).name
                listeners.dynamic_listeners.add(name=name, active_state=state)
            case type_urls.ROUTE:
                routes.dynamic_route_configs.add(version_info=version, route_config=resource, last_updated=updated)
            case type_urls.EXTENSION:
                extensions.ecds_filters.add(version_info=version, ecds_filter=resource, last_updated=updated)
    parts = (clusters, listeners, routes, endpoints, extensions, _secrets(entries))
    return config_dump_pb2.ConfigDump(configs=[pack(part) for part in parts])


def print_dump(entries: Iterable[ConfigEntry]) -> str:
    """The dump in protobuf JSON with original field names, as the admin endpoint writes it."""
    return to_text(config_dump(entries), indent=1)


def _secrets(entries: list[ConfigEntry]) -> config_dump_pb2.SecretsConfigDump:
    dump = config_dump_pb2.SecretsConfigDump()
    for secret in secrets_of(entries):
        packed = pack(tls_secret_pb2.Secret(name=secret.name))
        dump.dynamic_active_secrets.add(
            name=secret.name, version_info=_version(secret.since), secret=packed, last_updated=_timestamp(secret.since)
        )
    return dump


def _version(time: Nanos) -> str:
    return format_duration(time)


def _timestamp(time: Nanos) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(time)
    return stamp
