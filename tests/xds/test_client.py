"""What both ADS clients share: when waits end, and what is said of refusals."""

from __future__ import annotations

from collections.abc import Mapping

from meshsim.units import Nanos
from meshsim.xds import type_urls
from meshsim.xds.ads_client import AdsClient
from meshsim.xds.client import Applied, Fetches, Fetching, Rejected, Wait, WaitKey, Warmth, error_text
from meshsim.xds.messages import base_pb2, discovery_pb2
from meshsim.xds.sotw_client import SotwClient

A: WaitKey = (type_urls.CLUSTER, "a")
T: WaitKey = (type_urls.ROUTE, "80")
FIRST: WaitKey = (type_urls.CLUSTER, "")


def test_waits_keep_their_time_until_something_else_waits() -> None:
    fetches, one, other = Fetches(), object(), object()
    fetches.follow({A: Wait(10, one), T: Wait(4)}, now=100)
    assert fetches.next == 104
    fetches.follow({A: Wait(10, one)}, now=105)
    assert (fetches.next, fetches.due(109), fetches.due(110)) == (110, None, A)
    fetches.follow({A: Wait(10, other)}, now=106)
    assert fetches.next == 116
    fetches.follow({}, now=107)
    assert fetches.next is None


def test_first_responses_are_waited_for_whatever_else_is() -> None:
    fetches = Fetches()
    fetches.begin(FIRST, Wait(5), now=0)
    fetches.begin((type_urls.LISTENER, ""), Wait(0), now=0)
    fetches.follow({}, now=1)
    assert fetches.due(5) == FIRST
    fetches.end(FIRST)
    assert fetches.next is None


class Holder:
    """A configuration with one cluster that waits a second for its endpoints."""

    def __init__(self) -> None:
        self.waits: Mapping[WaitKey, Wait] = {A: Wait(1000)}
        self.expired: list[WaitKey] = []

    def __call__(self, *_: object) -> Applied:
        return Applied((), (), {type_urls.ENDPOINT: ("a",)}, bool(self.waits), waits=self.waits)

    def expire(self, key: WaitKey) -> Applied:
        self.expired.append(key)
        self.waits = {}
        return self()


def test_a_client_goes_on_when_time_is_up() -> None:
    for delta in (True, False):
        holder = Holder()
        fetching = Fetching(holder.expire, first=500, began=7)
        client: AdsClient | SotwClient
        client = (AdsClient if delta else SotwClient)(base_pb2.Node(id="n"), holder, fetching=fetching)
        client.on_connected()
        assert client.deadline == 507
        _clusters(client, 100)
        assert client.deadline == 1100
        assert not client.on_time(1099).send
        went_on = client.on_time(1100)
        assert [r.type_url for r in went_on.send] == [type_urls.LISTENER]
        assert holder.expired == [A]
        assert client.deadline == 1600, "listeners are waited for from now on"
        client.on_time(1600)
        assert (holder.expired[-1], client.deadline) == ((type_urls.LISTENER, ""), None)


def _clusters(client: AdsClient | SotwClient, now: Nanos) -> None:
    if isinstance(client, AdsClient):
        client.on_response(discovery_pb2.DeltaDiscoveryResponse(type_url=type_urls.CLUSTER, nonce="1"), now)
    else:
        client.on_response(discovery_pb2.DiscoveryResponse(type_url=type_urls.CLUSTER, nonce="1"), now)


def test_without_clusters_listeners_are_asked_for_all_the_same() -> None:
    holder = Holder()
    holder.waits = {}
    client = AdsClient(base_pb2.Node(id="n"), holder, fetching=Fetching(holder.expire, first=500))
    client.on_connected()
    sent = client.on_time(500).send
    assert sent[0].type_url == type_urls.LISTENER
    assert holder.expired == [FIRST]


def test_no_time_passes_unless_somebody_says_so() -> None:
    client = AdsClient(base_pb2.Node(id="n"), Holder())
    client.on_connected()
    _clusters(client, 0)
    assert client.deadline is None
    assert not client.on_time(10**18).send


def test_warmth() -> None:
    warmth = Warmth()
    assert not warmth.on_applied(warming=True)
    assert warmth.on_applied(warming=False)
    assert not warmth.on_applied(warming=True)
    assert warmth.pauses(type_urls.CLUSTER)
    assert not warmth.pauses(type_urls.LISTENER)


def test_refusals_in_envoys_words() -> None:
    bad = (Rejected("a", "no"), Rejected("b", "never"))
    assert error_text(type_urls.CLUSTER, bad) == "Error adding/updating cluster(s) a: no, b: never"
    assert error_text(type_urls.LISTENER, bad) == "Error adding/updating listener(s) a: no\nb: never\n"
    assert error_text(type_urls.ROUTE, bad) == "no"
    assert error_text(type_urls.CLUSTER, (Rejected("", "whole"),)) == "whole"
    assert error_text(type_urls.CLUSTER, ()) == ""
