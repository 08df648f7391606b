"""The server that holds a set of resources: what it answers, what it pushes, to streams of either protocol."""

from __future__ import annotations

from meshsim.trace import Tap, XdsEvent
from meshsim.xds import type_urls
from meshsim.xds.messages import discovery_pb2
from meshsim.xds.snapshot_server import SnapshotServer

CDS, EDS = type_urls.CLUSTER, type_urls.ENDPOINT
_Delta = discovery_pb2.DeltaDiscoveryRequest
_Sotw = discovery_pb2.DiscoveryRequest


def server() -> tuple[SnapshotServer, list[XdsEvent]]:
    events: list[XdsEvent] = []
    tap: Tap[XdsEvent] = Tap()
    tap.listen(events.append)
    made = SnapshotServer(tap, lambda: 7)
    made.put(CDS, "a", b"1")
    made.put(CDS, "b", b"2")
    made.put(EDS, "a", b"3")
    return made, events


def names(response: object) -> list[str]:
    assert isinstance(response, discovery_pb2.DeltaDiscoveryResponse)
    return [r.name for r in response.resources]


def test_delta_answers_with_what_is_held() -> None:
    made, events = server()
    made.open("1", delta=True)
    (clusters,) = made.on_request("1", _Delta(type_url=CDS))
    assert names(clusters) == ["a", "b"]
    (endpoints,) = made.on_request("1", _Delta(type_url=EDS, resource_names_subscribe=["a", "b"]))
    assert names(endpoints) == ["a"]
    assert made.on_request("1", _Delta(type_url=EDS, resource_names_subscribe=["c"])) == [], "nothing to say yet"
    assert [(e.kind, e.names, e.time) for e in events][:2] == [("first", (), 7), ("send", ("a", "b"), 7)]


def test_sotw_pushes_clusters_whole_and_endpoints_by_name() -> None:
    made, _ = server()
    made.open("1", delta=False)
    made.on_request("1", _Sotw(type_url=CDS))
    made.on_request("1", _Sotw(type_url=EDS, resource_names=["a"]))
    made.drop(CDS, "b")
    ((stream, clusters),) = made.push(CDS, ["b"])
    assert stream == "1"
    assert isinstance(clusters, discovery_pb2.DiscoveryResponse)
    assert [r.value for r in clusters.resources] == [b"1"]
    ((_, endpoints),) = made.push(EDS, ["a", "x"])
    assert isinstance(endpoints, discovery_pb2.DiscoveryResponse)
    assert [r.value for r in endpoints.resources] == [b"3"]


def test_delta_pushes_what_is_gone_as_removed() -> None:
    made, _ = server()
    made.open("1", delta=True)
    made.on_request("1", _Delta(type_url=CDS))
    made.drop(CDS, "b")
    ((_, pushed),) = made.push(CDS)
    assert isinstance(pushed, discovery_pb2.DeltaDiscoveryResponse)
    assert (names(pushed), list(pushed.removed_resources)) == (["a"], ["b"])
    assert made.push(EDS) == [], "nobody watches endpoints"


def test_resources_keep_their_version_until_they_change() -> None:
    made, _ = server()
    made.open("1", delta=True)
    (first,) = made.on_request("1", _Delta(type_url=CDS))
    made.put(CDS, "b", b"4")
    ((_, second),) = made.push(CDS)
    versions = [{r.name: r.version for r in x.resources} for x in (first, second)]  # type: ignore[union-attr]
    assert versions[0]["a"] == versions[1]["a"]
    assert versions[0]["b"] != versions[1]["b"]


def test_a_reconnect_tells_what_vanished_and_brings_endpoints_after_clusters() -> None:
    made, _ = server()
    made.open("2", delta=True)
    made.on_request("2", _Delta(type_url=EDS, resource_names_subscribe=["a"]))
    answers = made.on_request("2", _Delta(type_url=CDS, initial_resource_versions={"a": "", "gone": ""}))
    clusters, endpoints = answers
    assert isinstance(clusters, discovery_pb2.DeltaDiscoveryResponse)
    assert list(clusters.removed_resources) == ["gone"]
    assert names(endpoints) == ["a"]


def test_closed_streams_and_the_other_protocol_get_nothing() -> None:
    made, _ = server()
    made.open("1", delta=True)
    assert made.streams == ("1",)
    assert made.on_request("1", _Sotw(type_url=CDS)) == []
    made.close("1")
    assert made.on_request("1", _Delta(type_url=CDS)) == []
    assert made.push(CDS) == []
