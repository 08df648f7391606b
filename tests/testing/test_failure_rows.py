"""Parts that rows are made of."""

from __future__ import annotations

from meshsim.testing.failure_rows import get, grpc, h2, http_filter, retrying
from meshsim.xds.messages import cluster_pb2
from meshsim.xds.packing import from_json


def test_filters_are_named_as_envoy_names_them() -> None:
    made = http_filter("fault.v3.HTTPFault", abort={"http_status": 503})
    assert made["name"] == "envoy.filters.http.fault"
    assert made["typed_config"]["@type"].endswith("envoy.extensions.filters.http.fault.v3.HTTPFault")


def test_requests() -> None:
    assert get("/a", "PUT", ("x", "y"), body=3).headers == (("x", "y"),)
    assert dict(grpc().headers) == {"content-type": "application/grpc"}


def test_parts_of_clusters_and_routes_are_configuration() -> None:
    assert from_json({"name": "c", **h2()}, cluster_pb2.Cluster).typed_extension_protocol_options
    assert retrying("5xx", 2)["retry_policy"]["num_retries"] == 2
