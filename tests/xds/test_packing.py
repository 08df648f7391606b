"""Any packing is deterministic and JSON round-trips with original field names."""

from __future__ import annotations

import pytest

from meshsim.errors import InternalError
from meshsim.xds.messages import cluster_pb2, listener_pb2, router_pb2
from meshsim.xds.packing import from_json, message_class, pack, to_json, unpack


def test_equal_maps_pack_to_equal_bytes() -> None:
    one, two = cluster_pb2.Cluster(name="c"), cluster_pb2.Cluster(name="c")
    for key in ("b", "a", "z"):
        one.metadata.filter_metadata[key].update({"x": 1})
    for key in ("z", "a", "b"):
        two.metadata.filter_metadata[key].update({"x": 1})
    assert pack(one).value == pack(two).value
    assert pack(one).type_url == "type.googleapis.com/envoy.config.cluster.v3.Cluster"


def test_unpack_refuses_another_type() -> None:
    packed = pack(router_pb2.Router())
    assert isinstance(unpack(packed, router_pb2.Router), router_pb2.Router)
    with pytest.raises(InternalError, match="not envoy"):
        unpack(packed, cluster_pb2.Cluster)


def test_json_expands_istio_messages_too() -> None:
    body = {
        "name": "l",
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "istio.stats",
                        "typed_config": {
                            "@type": "type.googleapis.com/stats.PluginConfig",
                            "disable_host_header_fallback": True,
                        },
                    }
                ]
            }
        ],
    }
    assert to_json(from_json(body, listener_pb2.Listener)) == body


def test_a_type_url_finds_its_class() -> None:
    found = message_class("type.googleapis.com/envoy.config.cluster.v3.Cluster")
    assert found.DESCRIPTOR.full_name == "envoy.config.cluster.v3.Cluster"
