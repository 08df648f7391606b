"""Equal messages print to equal text."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from meshsim.xds.json_text import to_text
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json, to_json

NAMES = [f"k{number}" for number in range(30)]
UPSTREAM = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(names: Sequence[str]) -> cluster_pb2.Cluster:
    """Maps of messages, of values, inside a value and inside an Any."""
    body = {
        "name": "c",
        "metadata": {"filter_metadata": {name: {name: dict.fromkeys(names, 1), "b": [True]} for name in names}},
        "typed_extension_protocol_options": {
            name: {
                "@type": UPSTREAM,
                "explicit_http_config": {"http2_protocol_options": {}},
                "http_filters": [
                    {"name": "f", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {}}}
                ],
            }
            for name in names
        },
        "transport_socket_matches": [{"name": "t", "match": {name: name for name in names}}],
    }
    return from_json(body, cluster_pb2.Cluster)


def test_maps_are_printed_by_key_at_every_depth() -> None:
    one, two = (to_text(cluster(names), indent=1) for names in (NAMES, NAMES[::-1]))
    assert one == two
    body = json.loads(one)
    assert body == to_json(cluster(NAMES))
    names = sorted(NAMES)
    assert list(body["metadata"]["filter_metadata"]) == names
    assert list(body["metadata"]["filter_metadata"]["k7"]["k7"]) == names
    assert list(body["transport_socket_matches"][0]["match"]) == names
    assert list(body["typed_extension_protocol_options"]) == names


@pytest.mark.parametrize("names", [[], ["a"]])
def test_short_maps(names: list[str]) -> None:
    assert json.loads(to_text([cluster(names)], indent=4)) == [to_json(cluster(names))]
