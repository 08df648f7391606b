"""The state-of-the-world client; tests/conformance/test_envoy_ads.py compares whole scripts with a real Envoy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf import any_pb2

from meshsim.xds import type_urls
from meshsim.xds.client import Applied, Change, Rejected
from meshsim.xds.messages import base_pb2, cluster_pb2, discovery_pb2, endpoint_pb2, listener_pb2
from meshsim.xds.packing import pack
from meshsim.xds.sotw_client import SotwClient, SotwReaction

CDS, EDS, LDS, RDS = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE
SHORT = type_urls.SHORT


@dataclass
class Holder:
    """An applier told beforehand what to answer."""

    endpoints: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    warming: bool = False
    rewatched: bool = False
    rejected: tuple[Rejected, ...] = ()
    seen: list[tuple[str, list[str], list[str]]] = field(default_factory=list)

    def __call__(self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str) -> Applied:
        self.seen.append((SHORT[type_url], sorted(changed), sorted(removed)))
        effective = tuple(Change(type_url, name, version) for name in changed)
        wanted = {EDS: self.endpoints, RDS: self.routes}
        return Applied(effective, self.rejected, wanted, self.warming, self.rewatched)


def response(type_url: str, nonce: str, *names: str) -> discovery_pb2.DiscoveryResponse:
    made = {
        CDS: lambda n: cluster_pb2.Cluster(name=n),
        EDS: lambda n: endpoint_pb2.ClusterLoadAssignment(cluster_name=n),
        LDS: lambda n: listener_pb2.Listener(name=n),
    }[type_url]
    return discovery_pb2.DiscoveryResponse(
        version_info="v" + nonce, type_url=type_url, nonce=nonce, resources=[pack(made(n)) for n in names]
    )


def sent(reaction: SotwReaction) -> list[tuple[str, str, str, list[str]]]:
    """(type, version, nonce, names) of every request of a reaction."""
    return [(SHORT[r.type_url], r.version_info, r.response_nonce, list(r.resource_names)) for r in reaction.send]


def started() -> tuple[SotwClient, Holder]:
    """A client that is live with clusters a and b and a listener."""
    holder = Holder(("a", "b"), warming=True)
    client = SotwClient(base_pb2.Node(id="n"), holder)
    client.on_connected()
    client.on_response(response(CDS, "1", "a", "b"))
    holder.warming = False
    client.on_response(response(EDS, "2", "a", "b"))
    client.on_response(response(LDS, "3", "l"))
    return client, holder


def test_a_cold_start_names_everything() -> None:
    holder = Holder(("a",), warming=True)
    client = SotwClient(base_pb2.Node(id="n"), holder)
    first = client.on_connected()
    assert sent(first) == [("cds", "", "", [])]
    assert first.send[0].node.id == "n"
    clusters = client.on_response(response(CDS, "1", "a"))
    assert sent(clusters) == [("eds", "", "", ["a"]), ("cds", "v1", "1", [])]
    assert not clusters.send[0].HasField("node")
    holder.warming = False
    assert sent(client.on_response(response(EDS, "2", "a"))) == [("lds", "", "", []), ("eds", "v2", "2", ["a"])]
    assert client.clusters_initialized


def test_what_is_absent_is_removed_of_clusters_but_not_of_endpoints() -> None:
    client, holder = started()
    client.on_response(response(EDS, "4", "b"))
    assert holder.seen[-1] == ("eds", ["b"], [])
    holder.endpoints = ("a",)
    gone = client.on_response(response(CDS, "5", "a"))
    assert holder.seen[-1] == ("cds", ["a"], ["b"])
    assert sent(gone) == [("eds", "v4", "4", ["a"]), ("cds", "v5", "5", [])]


def test_a_changed_cluster_asks_again_with_the_same_names_and_nonce() -> None:
    client, holder = started()
    holder.warming = holder.rewatched = True
    assert sent(client.on_response(response(CDS, "4", "a", "b"))) == [("eds", "v2", "2", ["a", "b"])]
    holder.warming = holder.rewatched = False
    warm = client.on_response(response(EDS, "5", "a"))
    assert sent(warm) == [("cds", "v4", "4", []), ("eds", "v5", "5", ["a", "b"])]


def test_a_refusal_keeps_the_version_and_what_was_held() -> None:
    client, holder = started()
    holder.rejected = (Rejected("bad", "no"),)
    nack = client.on_response(response(CDS, "4", "a", "b", "bad"))
    assert sent(nack) == [("cds", "v1", "4", [])]
    assert nack.send[0].error_detail.message == "Error adding/updating cluster(s) bad: no"
    assert client.names(CDS) == ("a", "b")
    holder.rejected = (Rejected("", "cannot be read"),)
    whole = client.on_response(response(CDS, "5", "c"))
    assert whole.send[0].error_detail.message == "cannot be read"
    assert client.names(CDS) == ("a", "b")
    holder.rejected = ()
    assert not client.on_response(response(CDS, "6", "a", "b")).send[-1].HasField("error_detail")


def test_a_reconnect_keeps_versions_and_a_refusal_that_had_not_left() -> None:
    client, holder = started()
    holder.warming = True
    holder.rejected = (Rejected("bad", "no"),)
    assert sent(client.on_response(response(CDS, "4", "a", "b", "bad"))) == [], "CDS is paused while a cluster warms"
    client.on_disconnected()
    again = client.on_connected()
    assert sent(again) == [("eds", "v2", "", ["a", "b"]), ("lds", "v3", "", [])]
    assert again.send[0].node.id == "n"
    holder.warming, holder.rejected = False, ()
    late = client.on_response(response(EDS, "1", "a"))
    assert sent(late)[0] == ("cds", "v1", "", [])
    assert late.send[0].HasField("error_detail")


def test_a_type_that_nothing_follows_any_more() -> None:
    client, holder = started()
    holder.endpoints = ()
    assert sent(client.on_response(response(CDS, "4", "b")))[0] == ("eds", "v2", "2", [])
    seen = len(holder.seen)
    assert sent(client.on_response(response(EDS, "5"))) == [], "nothing wanted, nothing sent: accepted in silence"
    assert sent(client.on_response(response(EDS, "6", "a"))) == [("eds", "v5", "6", [])]
    assert len(holder.seen) == seen


def test_wrapped_resources_are_unwrapped() -> None:
    client, holder = started()
    wrapped = discovery_pb2.Resource(name="w", resource=pack(cluster_pb2.Cluster(name="w")))
    client.on_response(
        discovery_pb2.DiscoveryResponse(type_url=CDS, nonce="4", version_info="v4", resources=[pack(wrapped)])
    )
    assert holder.seen[-1] == ("cds", ["w"], ["a", "b"])


def test_bytes_that_are_no_response_are_refused_whole() -> None:
    client, holder = started()
    seen = len(holder.seen)
    assert client.on_response(b"\xff\xff").rejected[0].name == ""
    other = discovery_pb2.DiscoveryResponse(type_url=CDS, nonce="4", resources=[any_pb2.Any(type_url=EDS)])
    refused = client.on_response(other)
    assert "does not match the message-wide type URL" in refused.send[0].error_detail.message
    broken = discovery_pb2.DiscoveryResponse(
        type_url=CDS, nonce="5", resources=[any_pb2.Any(type_url=CDS, value=b"\x0a\xff")]
    )
    assert client.on_response(broken).send[0].HasField("error_detail")
    assert client.on_response(discovery_pb2.DiscoveryResponse(type_url="nobody asked")).rejected
    assert len(holder.seen) == seen


def test_draining_listeners_let_go_when_they_are_gone() -> None:
    client, holder = started()
    holder.routes = ("80", "81")
    client.on_response(response(LDS, "4", "l"))
    gone = client.on_drained({EDS: ("a", "b"), RDS: ("81",)})
    assert sent(gone) == [("rds", "", "", ["81"])]
    assert sent(client.on_drained({EDS: ("a", "b"), RDS: ("81",)})) == []
