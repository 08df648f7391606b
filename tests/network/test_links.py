"""Conditions on the way between two parties add up, concern both directions and go away again."""

import pytest

from meshsim.network import (
    OUTSIDE_PARTY,
    REGION_LABEL,
    ZONE_LABEL,
    LatencyDefaults,
    LinkState,
    Network,
    Party,
    Selection,
)

DEFAULTS = LatencyDefaults()


@pytest.fixture
def network() -> Network:
    made = Network()
    made.topology.add_node("n1", {REGION_LABEL: "eu", ZONE_LABEL: "a"})
    made.topology.add_node("n2", {REGION_LABEL: "eu", ZONE_LABEL: "b"})
    return made


def _pods(network: Network) -> tuple[Party, Party]:
    return (
        network.party("shop", "web-1", {"app": "web"}, "n1", "web"),
        network.party("shop", "db-1", {"app": "db", "tier": "data"}, "n2"),
    )


def test_a_quiet_network_gives_the_topologys_latency(network: Network) -> None:
    web, db = _pods(network)
    assert network.between(web, db) == (*DEFAULTS.cross_zone, 0.0, True)
    assert network.latency(web, db) == DEFAULTS.cross_zone
    assert network.between(OUTSIDE_PARTY, OUTSIDE_PARTY) == (0, 0, 0.0, True)


def test_a_delay_holds_in_both_directions_and_ends(network: Network) -> None:
    web, db = _pods(network)
    handle = network.add(
        LinkState(one=Selection(labels=(("app", "web"),)), other=Selection(labels=(("app", "db"),)), delay=5, jitter=3)
    )
    version = network.version
    base = DEFAULTS.cross_zone
    assert network.between(web, db) == network.between(db, web) == (base.one_way + 5, base.jitter + 3, 0.0, True)
    assert network.between(web, web) == (*DEFAULTS.same_node, 0.0, True)
    network.remove(handle)
    network.remove(handle)
    assert network.version == version + 1
    assert network.between(web, db) == (*base, 0.0, True)


def test_losses_multiply_and_a_cut_wins(network: Network) -> None:
    web, db = _pods(network)
    everybody = Selection()
    network.add(LinkState(one=everybody, other=everybody, lost=0.5))
    network.add(LinkState(one=everybody, other=everybody, lost=0.5))
    assert network.between(web, db).lost == pytest.approx(0.75)
    cut = network.add(LinkState(one=Selection(zone="a"), other=Selection(zone="b"), cut=True))
    assert not network.between(db, web).reachable
    assert network.between(web, OUTSIDE_PARTY).reachable
    network.remove(cut)
    assert network.between(db, web).reachable


@pytest.mark.parametrize(
    ("selection", "web", "db", "outside"),
    [
        (Selection(), True, True, True),
        (Selection(zone="a"), True, False, False),
        (Selection(region="eu"), True, True, False),
        (Selection(node="n2"), False, True, False),
        (Selection(namespace="shop"), True, True, False),
        (Selection(name="web-1"), True, False, False),
        (Selection(workload="web"), True, False, False),
        (Selection(labels=(("tier", "data"), ("app", "db"))), False, True, False),
        (Selection(labels=(("tier", "data"), ("app", "web"))), False, False, False),
        (Selection(outside=True), False, False, True),
    ],
)
def test_selection(network: Network, selection: Selection, web: bool, db: bool, outside: bool) -> None:
    one, other = _pods(network)
    assert [selection.holds(party) for party in (one, other, OUTSIDE_PARTY)] == [web, db, outside]
