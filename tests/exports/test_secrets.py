"""Certificates that a configuration names, in the columns of `istioctl proxy-config secret`."""

from __future__ import annotations

import json

from meshsim.exports.secrets import SecretItem, print_secrets, secret_table, secrets_of
from meshsim.recording import ConfigEntry
from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json

TLS = {
    "name": "c",
    "transport_socket": {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": {"ads": {}}}],
                "combined_validation_context": {
                    "default_validation_context": {},
                    "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": {"ads": {}}},
                },
            },
        },
    },
}


def _entry(time: int) -> ConfigEntry:
    return ConfigEntry(type_urls.CLUSTER, "c", time, from_json(TLS, cluster_pb2.Cluster).SerializeToString())


def test_secrets_are_found_once_since_they_were_first_named() -> None:
    found = secrets_of([_entry(7), _entry(5), ConfigEntry(type_urls.ROUTE, "80", 1, b"")])
    assert found == [SecretItem("ROOTCA", "CA", 5), SecretItem("default", "Cert Chain", 5)]


def test_the_table_and_the_list() -> None:
    header, row = secret_table([SecretItem("default", "Cert Chain", 0)]).splitlines()
    assert header.split("  ")[0] == "RESOURCE NAME"
    assert row.split() == ["default", "Cert", "Chain", "ACTIVE", "true", "-", "-", "-"]
    assert secret_table([]) == "No secret items to show.\n"
    assert json.loads(print_secrets([SecretItem("ROOTCA", "CA", 0)]))[0]["resource_name"] == "ROOTCA"
