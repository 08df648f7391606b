"""What a resource makes its proxy ask for, as the recorded proxies asked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from meshsim.xds import type_urls
from meshsim.xds.messages import cluster_pb2, listener_pb2
from meshsim.xds.packing import from_json
from meshsim.xds.references import references


def test_only_eds_clusters_ask_for_endpoints() -> None:
    static = cluster_pb2.Cluster(name="s", type=cluster_pb2.Cluster.STATIC)
    assert references(type_urls.CLUSTER, static.SerializeToString()) == {}
    eds = cluster_pb2.Cluster(name="e", type=cluster_pb2.Cluster.EDS)
    assert references(type_urls.CLUSTER, eds.SerializeToString()) == {type_urls.ENDPOINT: ("e",)}
    eds.eds_cluster_config.service_name = "other"
    assert references(type_urls.CLUSTER, eds.SerializeToString()) == {type_urls.ENDPOINT: ("other",)}


def test_other_types_refer_to_nothing() -> None:
    assert references(type_urls.ROUTE, b"") == {}


@pytest.mark.needs_shared
def test_recorded_proxies_have_exactly_what_their_clusters_and_listeners_name(oracle: Path) -> None:
    body = json.loads(gzip.decompress((oracle / "xds/app-bookinfo/book__productpage-0.json.gz").read_bytes()))
    names: dict[str, set[str]] = {}
    for cluster in body["cds"]:
        message = from_json(cluster, cluster_pb2.Cluster)
        for wanted, found in references(type_urls.CLUSTER, message.SerializeToString()).items():
            names.setdefault(wanted, set()).update(found)
    for listener in body["lds"]:
        message_l = from_json(listener, listener_pb2.Listener)
        for wanted, found in references(type_urls.LISTENER, message_l.SerializeToString()).items():
            names.setdefault(wanted, set()).update(found)
    assert names[type_urls.ENDPOINT] == {r["cluster_name"] for r in body["eds"]}
    assert names[type_urls.ROUTE] == {r["name"] for r in body["rds"]}
