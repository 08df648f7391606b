"""Latency follows the place of two nodes, and the most specific link wins."""

import subprocess
import sys

import pytest

from meshsim.errors import InputError
from meshsim.network import OUTSIDE, REGION_LABEL, ZONE_LABEL, Distance, Latency, LatencyDefaults, Topology, Vertex

DEFAULTS = LatencyDefaults()


@pytest.fixture
def topology() -> Topology:
    made = Topology()
    for name, region, zone in (
        ("n1", "eu", "eu-a"),
        ("n2", "eu", "eu-a"),
        ("n3", "eu", "eu-b"),
        ("n4", "us", "us-a"),
    ):
        made.add_node(name, {REGION_LABEL: region, ZONE_LABEL: zone})
    return made


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("n1", "n1", Distance.SAME_NODE),
        ("n1", "n2", Distance.SAME_ZONE),
        ("n1", "n3", Distance.CROSS_ZONE),
        ("n3", "n1", Distance.CROSS_ZONE),
        ("n1", "n4", Distance.CROSS_REGION),
        ("n1", "", Distance.OUTSIDE),
        ("unknown", "n1", Distance.OUTSIDE),
    ],
)
def test_distance_decides_the_default(topology: Topology, one: str, other: str, distance: Distance) -> None:
    assert topology.distance(one, other) is distance
    assert topology.latency(one, other) == DEFAULTS.of(distance)


def test_nodes_without_labels_are_in_one_zone() -> None:
    topology = Topology()
    topology.add_node("a", {})
    topology.add_node("b", {})
    assert topology.distance("a", "b") is Distance.SAME_ZONE


def test_the_same_zone_name_in_two_regions_is_two_zones() -> None:
    topology = Topology()
    topology.add_node("a", {REGION_LABEL: "x", ZONE_LABEL: "1"})
    topology.add_node("b", {REGION_LABEL: "y", ZONE_LABEL: "1"})
    assert topology.distance("a", "b") is Distance.CROSS_REGION
    with pytest.raises(InputError, match="ambiguous"):
        topology.find("1")


def test_the_most_specific_link_wins_in_both_directions(topology: Topology) -> None:
    topology.link(topology.find("eu"), topology.find("us"), Latency(40_000_000))
    assert topology.latency("n1", "n4") == topology.latency("n4", "n1") == Latency(40_000_000)
    topology.link(topology.find("us-a"), topology.find("eu-a"), Latency(50_000_000, 1))
    assert topology.latency("n1", "n4") == Latency(50_000_000, 1)
    assert topology.latency("n3", "n4") == Latency(40_000_000)
    topology.link(topology.find("n1"), topology.find("n4"), Latency(60_000_000))
    assert topology.latency("n4", "n1") == Latency(60_000_000)
    assert topology.latency("n4", "n2") == Latency(50_000_000, 1)


def test_a_link_of_a_zone_with_itself_does_not_touch_the_same_node(topology: Topology) -> None:
    topology.link(topology.find("n1"), topology.find("n1"), Latency(5))
    topology.link(topology.find("eu-a"), topology.find("eu-a"), Latency(7))
    assert topology.latency("n1", "n1") == Latency(5)
    assert topology.latency("n1", "n2") == Latency(7)


def test_a_link_to_outside(topology: Topology) -> None:
    topology.link(topology.find("us"), OUTSIDE, Latency(9))
    assert topology.latency("", "n4") == Latency(9)
    assert topology.latency("", "n1") == DEFAULTS.outside


def test_the_graph_holds_what_kubernetes_says(topology: Topology) -> None:
    zone = Vertex("zone", "eu", "eu-a")
    assert topology.graph.get_edge_data(zone, Vertex("node", "eu", "eu-a", "n1"))["relation"] == "holds"
    assert topology.graph.get_edge_data(Vertex("region", "eu"), zone)["relation"] == "holds"
    assert topology.nodes() == ["n1", "n2", "n3", "n4"]


def test_a_node_that_moves_or_goes(topology: Topology) -> None:
    assert topology.latency("n1", "n2") == DEFAULTS.same_zone
    topology.add_node("n2", {REGION_LABEL: "eu", ZONE_LABEL: "eu-b"})
    assert topology.latency("n1", "n2") == DEFAULTS.cross_zone
    topology.remove_node("n2")
    assert topology.latency("n1", "n2") == DEFAULTS.outside


def test_an_unknown_name_lists_what_there_is(topology: Topology) -> None:
    with pytest.raises(InputError, match="eu-a"):
        topology.find("eu-z")


def test_links_are_edges_of_the_graph_too(topology: Topology) -> None:
    zone, node = topology.find("eu-a"), topology.find("n1")
    topology.link(zone, zone, Latency(7))
    topology.link(zone, node, Latency(8))
    assert topology.graph.get_edge_data(zone, zone)["latency"] == Latency(7)
    assert topology.graph.get_edge_data(node, zone) == {"relation": "holds", "latency": Latency(8)}
    topology.remove_node("n1")
    assert not topology.graph.has_node(node)


def test_a_run_does_without_networkx() -> None:
    code = "import sys, meshsim.network; sys.exit('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
