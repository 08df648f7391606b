from __future__ import annotations

import pytest

from meshsim.api import make_object
from meshsim.controlplane.model import Locality
from meshsim.controlplane.topology import labels_match, node_locality, parse_locality


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", Locality()),
        ("eu", Locality("eu")),
        ("eu/eu-1", Locality("eu", "eu-1")),
        ("eu/eu-1/rack", Locality("eu", "eu-1", "rack")),
        ("eu.eu-1.rack", Locality("eu", "eu-1", "rack")),
    ],
)
def test_parse_locality(text: str, want: Locality) -> None:
    assert parse_locality(text) == want


def test_a_node_says_where_its_pods_are() -> None:
    labels = {
        "topology.kubernetes.io/region": "r",
        "topology.kubernetes.io/zone": "z",
        "topology.istio.io/subzone": "s",
    }
    node = make_object({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}})
    assert node_locality(node) == Locality("r", "z", "s")
    assert node_locality(None) == Locality()


def test_an_empty_selector_takes_everything() -> None:
    assert labels_match({}, {"a": "b"})
    assert not labels_match({"a": "c"}, {"a": "b"})
