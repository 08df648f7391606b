"""The delta ADS client against the message orders measured on Envoy 1.40."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf import any_pb2

from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient, DeltaReaction
from meshsim.xds.client import Applied, Change, Rejected
from meshsim.xds.messages import base_pb2, discovery_pb2

CDS, EDS, LDS, RDS = type_urls.CLUSTER, type_urls.ENDPOINT, type_urls.LISTENER, type_urls.ROUTE
SHORT = type_urls.SHORT


@dataclass
class Holder:
    """An applier told beforehand what to answer."""

    endpoints: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    warming: bool = False
    rejected: tuple[Rejected, ...] = ()
    draining: bool = False
    warm_meanwhile: bool = False
    seen: list[tuple[str, dict[str, bytes], tuple[str, ...]]] = field(default_factory=list)

    def __call__(self, type_url: str, changed: Mapping[str, bytes], removed: Sequence[str], version: str) -> Applied:
        self.seen.append((type_url, dict(changed), tuple(removed)))
        effective = tuple(Change(type_url, name, version) for name in changed)
        wanted = {EDS: self.endpoints, RDS: self.routes}
        return Applied(
            effective,
            self.rejected,
            wanted,
            self.warming,
            draining=self.draining,
            warm_meanwhile=self.warm_meanwhile,
        )


def response(type_url: str, nonce: str, names: Sequence[str] = (), removed: Sequence[str] = ()) -> bytes:
    return discovery_pb2.DeltaDiscoveryResponse(
        system_version_info="v-" + nonce,
        type_url=type_url,
        nonce=nonce,
        resources=[
            discovery_pb2.Resource(name=n, version="1", resource=any_pb2.Any(type_url=type_url, value=n.encode()))
            for n in names
        ],
        removed_resources=removed,
    ).SerializeToString()


def sent(reaction: DeltaReaction) -> list[tuple[str, str]]:
    """(type, what kind) of every request of a reaction."""
    kinds = []
    for request in reaction.send:
        kind = "ask" if not request.response_nonce else "nack" if request.HasField("error_detail") else "ack"
        kinds.append((SHORT[request.type_url], kind))
    return kinds


def started() -> tuple[AdsClient, Holder]:
    """A client that is live with cluster a, its endpoints, one listener and one route table."""
    holder = Holder()
    client = AdsClient(base_pb2.Node(id="sidecar~10.0.0.1~a.b~b.svc.cluster.local"), holder)
    client.on_connected()
    holder.endpoints, holder.warming = ("a",), True
    client.on_response(response(CDS, "1", ["a"]))
    holder.warming = False
    client.on_response(response(EDS, "2", ["a"]))
    holder.routes = ("80",)
    client.on_response(response(LDS, "3", ["l"]))
    client.on_response(response(RDS, "4", ["80"]))
    return client, holder


def test_cold_start_order() -> None:
    holder = Holder()
    client = AdsClient(base_pb2.Node(id="n"), holder)
    first = client.on_connected()
    assert sent(first) == [("cds", "ask")]
    assert first.send[0].node.id == "n"
    assert not first.send[0].resource_names_subscribe
    holder.endpoints, holder.warming = ("a", "b"), True
    clusters = client.on_response(response(CDS, "1", ["a", "b"]))
    assert sent(clusters) == [("eds", "ask"), ("cds", "ack")]
    assert list(clusters.send[0].resource_names_subscribe) == ["a", "b"]
    assert not clusters.send[0].HasField("node")
    half = client.on_response(response(EDS, "2", ["a"]))
    assert sent(half) == [("eds", "ack")]
    holder.warming = False
    whole = client.on_response(response(EDS, "3", ["b"]))
    assert sent(whole) == [("lds", "ask"), ("eds", "ack")]
    holder.routes = ("80", "9080")
    listeners = client.on_response(response(LDS, "4", ["x"]))
    assert sent(listeners) == [("rds", "ask"), ("lds", "ack")]
    assert sent(client.on_response(response(RDS, "5", ["80"]))) == [("rds", "ack")]


def test_cluster_ack_is_withheld_until_warm_and_no_endpoints_are_asked_for() -> None:
    client, holder = started()
    holder.warming = True
    assert sent(client.on_response(response(CDS, "5", ["a"]))) == []
    assert sent(client.on_response(response(RDS, "6", ["80"]))) == [("rds", "ack")]
    holder.warming = False
    warm = client.on_response(response(EDS, "7", ["a"]))
    assert sent(warm) == [("cds", "ack"), ("eds", "ack")]
    assert [r.response_nonce for r in warm.send] == ["5", "7"]


def test_new_cluster_asks_for_endpoints_while_the_ack_waits() -> None:
    client, holder = started()
    holder.endpoints, holder.warming = ("a", "b"), True
    reaction = client.on_response(response(CDS, "5", ["b"]))
    assert sent(reaction) == [("eds", "ask")]
    assert list(reaction.send[0].resource_names_subscribe) == ["b"]


def test_removed_cluster_unsubscribes_its_endpoints() -> None:
    client, holder = started()
    holder.endpoints = ()
    reaction = client.on_response(response(CDS, "5", removed=["a"]))
    assert sent(reaction) == [("eds", "ask"), ("cds", "ack")]
    assert list(reaction.send[0].resource_names_unsubscribe) == ["a"]


def test_nack_names_the_bad_ones_and_keeps_old_versions() -> None:
    client, holder = started()
    holder.rejected = (Rejected("bad", "no"), Rejected("worse", "never"))
    reaction = client.on_response(response(CDS, "5", ["a", "bad", "worse"]))
    assert sent(reaction) == [("cds", "nack")]
    assert reaction.rejected == holder.rejected
    assert reaction.send[0].error_detail.message == "Error adding/updating cluster(s) bad: no, worse: never"
    assert reaction.send[0].error_detail.code == 13
    assert client.names(CDS) == ("a",)


def test_reconnect_asks_for_everything_with_versions_and_forgets_open_answers() -> None:
    client, holder = started()
    holder.warming = True
    client.on_response(response(CDS, "5", ["a"]))
    client.on_disconnected()
    again = client.on_connected()
    assert sent(again) == [("eds", "ask"), ("lds", "ask"), ("rds", "ask")], "CDS stays paused while a cluster warms"
    holder.warming = False
    assert sent(client.on_response(response(EDS, "1", ["a"]))) == [("cds", "ask"), ("eds", "ack")]
    client.on_disconnected()
    again = client.on_connected()
    assert sent(again) == [("cds", "ask"), ("eds", "ask"), ("lds", "ask"), ("rds", "ask")]
    cds, eds, lds, rds = again.send
    assert cds.node.id.startswith("sidecar~")
    assert dict(cds.initial_resource_versions) == {"a": "1"}
    assert dict(eds.initial_resource_versions) == {"a": "1"}
    assert [list(r.resource_names_subscribe) for r in (cds, eds, lds, rds)] == [[], ["a"], [], ["80"]]


def test_removed_endpoints_stay_subscribed_without_version() -> None:
    client, _ = started()
    client.on_response(response(EDS, "5", removed=["a"]))
    client.on_disconnected()
    eds = client.on_connected().send[1]
    assert not eds.initial_resource_versions
    assert list(eds.resource_names_subscribe) == ["a"]


def test_a_response_that_breaks_the_protocol_is_refused_whole() -> None:
    client, holder = started()
    before = len(holder.seen)
    twice = client.on_response(response(RDS, "5", ["80"], removed=["80"]))
    assert sent(twice) == [("rds", "nack")]
    wrong = discovery_pb2.DeltaDiscoveryResponse(
        type_url=RDS,
        nonce="6",
        resources=[discovery_pb2.Resource(name="80", resource=any_pb2.Any(type_url=CDS))],
    )
    assert sent(client.on_response(wrong)) == [("rds", "nack")]
    assert client.on_response(b"\xff\xff").rejected
    assert len(holder.seen) == before


def test_nothing_leaves_without_a_stream() -> None:
    client, holder = started()
    client.on_disconnected()
    holder.endpoints = ("a", "late")
    assert client.on_response(response(CDS, "9", ["late"])).send == ()
    assert [list(r.resource_names_subscribe) for r in client.on_connected().send][1] == ["a", "late"]


def test_an_ack_that_waited_leaves_when_nothing_waits_in_between() -> None:
    """Measured on Envoy 1.40: clusters are applied one by one, and the answers wait only while one of them warms."""
    client, holder = started()
    holder.warming = True
    client.on_response(response(CDS, "5", ["a"]))
    holder.warm_meanwhile = True
    between = client.on_response(response(CDS, "6", ["b", "c"]))
    assert [(SHORT[r.type_url], r.response_nonce) for r in between.send] == [("cds", "5")]
    holder.warming = holder.warm_meanwhile = False
    assert [r.response_nonce for r in client.on_response(response(EDS, "7", ["a"])).send] == ["6", "7"]


def test_draining_listeners_let_go_when_they_are_gone() -> None:
    client, holder = started()
    holder.routes, holder.draining = ("80", "81"), True
    assert client.on_response(response(LDS, "5", ["l"])).draining
    gone = client.on_drained({EDS: ("a",), RDS: ("81",)})
    assert [list(r.resource_names_unsubscribe) for r in gone.send] == [["80"]]
    assert not client.on_drained({EDS: ("a",), RDS: ("81",)}).send


def test_a_response_refused_whole_says_so_without_names() -> None:
    client, holder = started()
    holder.rejected = (Rejected("", "cannot be read"),)
    reaction = client.on_response(response(CDS, "5", ["a"]))
    assert reaction.send[0].error_detail.message == "cannot be read"
