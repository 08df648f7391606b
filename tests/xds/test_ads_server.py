"""Istiod's end of a delta stream: what is answered, what is not (istio pilot/pkg/xds/delta_test.go's situations)."""

from __future__ import annotations

from typing import NamedTuple

from meshsim.trace import Tap, XdsEvent
from meshsim.xds import type_urls
from meshsim.xds.ads_server import AdsServerStream, RequestKind, SotwServerStream
from meshsim.xds.messages import discovery_pb2

_Request = discovery_pb2.DeltaDiscoveryRequest


class _Resource(NamedTuple):
    name: str
    body: bytes


def _stream_with_clusters() -> tuple[AdsServerStream, str]:
    stream = AdsServerStream("p")
    first = stream.on_request(_Request(type_url=type_urls.CLUSTER))
    assert first.kind is RequestKind.FIRST
    response = stream.respond(type_urls.CLUSTER, [_Resource("a", b"1"), _Resource("b", b"2")], [], "v1")
    return stream, response.nonce


def test_the_first_request_of_a_type_is_answered() -> None:
    stream, _ = _stream_with_clusters()
    assert list(stream.watches[type_urls.CLUSTER].names) == ["a", "b"]


def test_an_ack_is_not_answered() -> None:
    stream, nonce = _stream_with_clusters()
    ack = stream.on_request(_Request(type_url=type_urls.CLUSTER, response_nonce=nonce))
    assert ack.kind is RequestKind.ACK
    assert stream.watches[type_urls.CLUSTER].nonce_acked == nonce


def test_a_nack_keeps_its_reason_and_is_not_answered() -> None:
    stream, nonce = _stream_with_clusters()
    request = _Request(type_url=type_urls.CLUSTER, response_nonce=nonce)
    request.error_detail.message = "bad cluster"
    assert stream.on_request(request).kind is RequestKind.NACK
    assert stream.watches[type_urls.CLUSTER].last_error == "bad cluster"


def test_an_older_nonce_is_ignored() -> None:
    stream, nonce = _stream_with_clusters()
    stream.respond(type_urls.CLUSTER, [], ["a"], "v2")
    late = stream.on_request(_Request(type_url=type_urls.CLUSTER, response_nonce=nonce))
    assert late.kind is RequestKind.EXPIRED


def test_added_names_are_answered_alone() -> None:
    stream = AdsServerStream("p")
    first = stream.on_request(_Request(type_url=type_urls.ENDPOINT, resource_names_subscribe=["a"]))
    assert first.names == ("a",)
    more = stream.on_request(_Request(type_url=type_urls.ENDPOINT, resource_names_subscribe=["a", "b"]))
    assert (more.kind, more.names) == (RequestKind.SUBSCRIBE, ("b",))
    less = stream.on_request(_Request(type_url=type_urls.ENDPOINT, resource_names_unsubscribe=["a"]))
    assert less.kind is RequestKind.UNSUBSCRIBE
    assert list(stream.watches[type_urls.ENDPOINT].names) == ["b"]


def test_a_reconnect_tells_what_the_client_holds() -> None:
    stream = AdsServerStream("p")
    request = _Request(type_url=type_urls.CLUSTER, initial_resource_versions={"gone": "", "kept": ""})
    received = stream.on_request(request)
    assert received.kind is RequestKind.FIRST
    assert dict(received.known) == {"gone": "", "kept": ""}
    assert set(stream.watches[type_urls.CLUSTER].names) == {"gone", "kept"}


def test_removed_resources_are_forgotten() -> None:
    stream, _ = _stream_with_clusters()
    response = stream.respond(type_urls.CLUSTER, [], ["b", "a"], "v2")
    assert list(response.removed_resources) == ["a", "b"]
    assert not stream.watches[type_urls.CLUSTER].names


def test_types_are_watched_in_push_order() -> None:
    stream = AdsServerStream("p")
    for type_url in (type_urls.NAME_TABLE, type_urls.ROUTE, type_urls.CLUSTER, type_urls.LISTENER, type_urls.ENDPOINT):
        stream.on_request(_Request(type_url=type_url))
    assert [type_urls.SHORT[t] for t in stream.watched_types()] == ["cds", "eds", "lds", "rds", "nds"]


def test_names_that_are_only_dropped_acknowledge_too() -> None:
    stream = AdsServerStream("p")
    stream.on_request(_Request(type_url=type_urls.ROUTE, resource_names_subscribe=["80", "90"]))
    nonce = stream.respond(type_urls.ROUTE, [], [], "v1").nonce
    less = stream.on_request(
        _Request(type_url=type_urls.ROUTE, response_nonce=nonce, resource_names_unsubscribe=["80"])
    )
    assert (less.kind, less.names, less.nonce) == (RequestKind.UNSUBSCRIBE, (), nonce)
    again = stream.on_request(
        _Request(type_url=type_urls.ROUTE, response_nonce=nonce, resource_names_unsubscribe=["80"])
    )
    assert again.kind is RequestKind.ACK


# ---- state of the world: istio pkg/xds/server.go ShouldRespond -----------------------------------------------------


def _sotw(type_url: str, nonce: str = "", *names: str, version: str = "") -> discovery_pb2.DiscoveryRequest:
    return discovery_pb2.DiscoveryRequest(
        type_url=type_url, response_nonce=nonce, resource_names=names, version_info=version
    )


def test_sotw_requests_that_look_alike_are_told_apart() -> None:
    stream = SotwServerStream("p")
    assert stream.on_request(_sotw(type_urls.ENDPOINT, "", "a")).kind is RequestKind.FIRST
    nonce = stream.respond(type_urls.ENDPOINT, [_Resource("a", b"1")], "v1").nonce
    assert stream.on_request(_sotw(type_urls.ENDPOINT, nonce, "a")).kind is RequestKind.ACK
    more = stream.on_request(_sotw(type_urls.ENDPOINT, nonce, "a", "b"))
    assert (more.kind, more.names) == (RequestKind.SUBSCRIBE, ("b",))
    assert stream.on_request(_sotw(type_urls.ENDPOINT, nonce, "b")).kind is RequestKind.ACK, "names may go unanswered"
    assert stream.on_request(_sotw(type_urls.ENDPOINT, "older", "b")).kind is RequestKind.EXPIRED
    assert stream.on_request(_sotw(type_urls.ENDPOINT, nonce)).kind is RequestKind.UNSUBSCRIBE
    assert type_urls.ENDPOINT not in stream.watches


def test_sotw_refusals_are_not_answered_and_leave_the_watch() -> None:
    stream = SotwServerStream("p")
    stream.on_request(_sotw(type_urls.CLUSTER))
    nonce = stream.respond(type_urls.CLUSTER, [_Resource("a", b"1")], "v1").nonce
    refused = _sotw(type_urls.CLUSTER, nonce)
    refused.error_detail.message = "bad"
    assert stream.on_request(refused).reason == "bad"
    assert stream.watches[type_urls.CLUSTER].last_error == "bad"
    assert stream.on_request(_sotw(type_urls.CLUSTER, nonce)).kind is RequestKind.ACK
    assert stream.watches[type_urls.CLUSTER].last_error == ""


def test_sotw_clusters_after_a_reconnect_have_their_endpoints_answered_again() -> None:
    """An Envoy that reconnects may send EDS first; what then looks like an ACK has to end the warming."""
    stream = SotwServerStream("p")
    stream.on_request(_sotw(type_urls.ENDPOINT, "", "a", "b"))
    nonce = stream.respond(type_urls.ENDPOINT, [_Resource("a", b"1")], "v1").nonce
    stream.on_request(_sotw(type_urls.CLUSTER))
    again = stream.on_request(_sotw(type_urls.ENDPOINT, nonce, "a", "b"))
    assert (again.kind, again.names) == (RequestKind.SUBSCRIBE, ("a", "b"))
    assert stream.on_request(_sotw(type_urls.ENDPOINT, nonce, "a", "b")).kind is RequestKind.ACK


def test_both_protocols_leave_the_same_records() -> None:
    events: list[XdsEvent] = []
    tap: Tap[XdsEvent] = Tap()
    tap.listen(events.append)
    delta, sotw = AdsServerStream("d", tap, lambda: 3), SotwServerStream("s", tap, lambda: 3)
    delta.on_request(_Request(type_url=type_urls.CLUSTER))
    sotw.on_request(_sotw(type_urls.CLUSTER))
    first = delta.respond(type_urls.CLUSTER, [_Resource("b", b"1"), _Resource("a", b"2")], ["c"], "v")
    other = sotw.respond(type_urls.CLUSTER, [_Resource("b", b"1"), _Resource("a", b"2")], "v")
    refused = _Request(type_url=type_urls.CLUSTER, response_nonce=first.nonce)
    refused.error_detail.message = "no"
    delta.on_request(refused)
    sotw.on_request(_sotw(type_urls.CLUSTER, other.nonce, version="v"))
    assert events == [
        XdsEvent(3, "d", "first", type_urls.CLUSTER, "", "", (), (), ""),
        XdsEvent(3, "s", "first", type_urls.CLUSTER, "", "", (), (), ""),
        XdsEvent(3, "d", "send", type_urls.CLUSTER, "v-d-1", "v", ("a", "b"), ("c",), ""),
        XdsEvent(3, "s", "send", type_urls.CLUSTER, "v-s-1", "v", ("a", "b"), (), ""),
        XdsEvent(3, "d", "nack", type_urls.CLUSTER, "v-d-1", "", (), (), "no"),
        XdsEvent(3, "s", "ack", type_urls.CLUSTER, "v-s-1", "v", (), (), ""),
    ]
