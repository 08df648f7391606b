"""Certificates a proxy asks for by name over SDS, found where its configuration names them.

Table: istio istioctl/pkg/writer/compare/sds, release 1.31.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from meshsim.exports.proxy_config_text import aligned
from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import to_json

if TYPE_CHECKING:
    from meshsim.recording import ConfigEntry

_KINDS: Final = {
    "tls_certificate_sds_secret_configs": "Cert Chain",
    "validation_context_sds_secret_config": "CA",
}
"""Fields of a TLS context (envoy/extensions/transport_sockets/tls/v3/tls.proto) that name a secret."""
_COLUMNS: Final = ("RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE")


class SecretItem(NamedTuple):
    """A certificate (`Cert Chain`) or trusted authority (`CA`) that a proxy uses."""

    name: str
    kind: str
    since: Nanos
    """When the first resource that names it arrived."""


def secrets_of(entries: Iterable[ConfigEntry]) -> list[SecretItem]:
    """The secrets that clusters and listeners name, by name."""
    found: dict[str, SecretItem] = {}
    for entry in entries:
        if entry.type_url == type_urls.CLUSTER:
            body = to_json(cluster_pb2.Cluster.FromString(entry.body))
        elif entry.type_url == type_urls.LISTENER:
            body = to_json(listener_pb2.Listener.FromString(entry.body))
        else:
            continue
        for name, kind in _named(body):
            before = found.get(name)
            if before is None or entry.time < before.since:
                found[name] = SecretItem(name, kind, entry.time)
    return [found[name] for name in sorted(found)]


def secret_table(secrets: Sequence[SecretItem]) -> str:
    """The table of ``istioctl proxy-config secret``.

    DEVIATION: certificates have no content in the model, so serial numbers and dates are dashes and all are valid.
    """
    if not secrets:
        return "No secret items to show.\n"
    rows = [[secret.name, secret.kind, "ACTIVE", "true", "-", "-", "-"] for secret in secrets]
    return aligned([_COLUMNS, *rows], 5)


def print_secrets(secrets: Sequence[SecretItem]) -> str:
    """The secrets as a list with istioctl's keys."""
    items = [
        {"resource_name": secret.name, "type": secret.kind, "state": "ACTIVE", "cert_valid": True} for secret in secrets
    ]
    return json.dumps(items, indent=1) + "\n"


def _named(value: object) -> Iterator[tuple[str, str]]:
    """Names of secrets with their kind, anywhere in a message."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            kind = _KINDS.get(key)
            if kind is None:
                yield from _named(inner)
                continue
            for item in inner if isinstance(inner, list) else [inner]:
                if isinstance(item, Mapping) and item.get("name"):
                    yield str(item["name"]), kind
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
