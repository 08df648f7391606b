"""Istio's own extensions go, everything else stays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from meshsim.xds.messages import cluster_pb2, listener_pb2, router_pb2
from meshsim.xds.packing import from_json, pack, to_json
from meshsim.xds.stock import is_istio_only, strip_cluster, strip_listener


def test_envoys_own_extensions_stay() -> None:
    assert not is_istio_only(pack(router_pb2.Router()))


@pytest.mark.needs_shared
def test_a_recorded_sidecar(oracle: Path) -> None:
    body = json.loads(gzip.decompress((oracle / "xds/app-bookinfo/book__productpage-0.json.gz").read_bytes()))
    for recorded in body["lds"]:
        listener = from_json(recorded, listener_pb2.Listener)
        text = json.dumps(to_json(strip_listener(listener)))
        for gone in ("istio.stats", "istio.alpn", "istio.metadata_exchange"):
            assert gone not in text
        assert to_json(listener) == recorded, "the given message is left alone"
        chains = recorded.get("filter_chains", [])
        assert len(to_json(strip_listener(listener)).get("filter_chains", [])) == len(chains)  # type: ignore[arg-type]
    for recorded in body["cds"]:
        stripped = to_json(strip_cluster(from_json(recorded, cluster_pb2.Cluster)))
        assert {**recorded, "filters": None} == {**stripped, "filters": None}
        assert "metadata_exchange" not in json.dumps(stripped)
