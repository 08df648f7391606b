"""Applications alike are one, those that are not stay apart, and no request is lost or counted twice."""

from __future__ import annotations

from random import Random

import pytest

from meshsim.reporting.edges import Edge
from meshsim.reporting.grouping import group_alike


def edge(source: str, destination: str, requests: int = 10, good: float = 1.0) -> Edge:
    return Edge(source, "", destination, float(requests), requests, good, 1.0, 2.0, (("v1", 1.0),))


def test_few_applications_stay_as_they_are() -> None:
    found = [edge("hub", f"leaf-{n}") for n in range(20)]
    grouped = group_alike(found)
    assert (list(grouped.edges), grouped.members) == (found, {})


def test_the_leaves_of_a_star_are_one_but_for_those_that_fail() -> None:
    found = [edge("hub", f"leaf-{n:03}", good=0.9 if n in (3, 77) else 1.0) for n in range(150)]
    grouped = group_alike(found)
    assert {e.destination: (e.requests, e.good) for e in grouped.edges} == {
        "leaf-000 and 147 more": (1480, 1.0),
        "leaf-003": (10, 0.9),
        "leaf-077": (10, 0.9),
    }
    assert len(grouped.members["leaf-000 and 147 more"]) == 148
    assert sorted(grouped.parts) == [1, 1, 148]


def test_those_with_other_callees_stay_apart() -> None:
    found = [edge("hub", f"mid-{n:02}") for n in range(40)]
    found += [edge(f"mid-{n:02}", "store-a" if n < 25 else "store-b") for n in range(40)]
    grouped = group_alike(found)
    assert set(grouped.members) == {"mid-00 and 24 more", "mid-25 and 14 more"}
    assert [(e.source, e.destination) for e in grouped.edges] == [
        ("hub", "mid-00 and 24 more"),
        ("hub", "mid-25 and 14 more"),
        ("mid-00 and 24 more", "store-a"),
        ("mid-25 and 14 more", "store-b"),
    ]


def test_those_that_play_the_same_part_are_one_where_equal_neighbours_are_not_enough() -> None:
    """A tree of 40 branches with three leaves each: no two branches have a callee in common."""
    found = [edge("hub", f"mid-{n:02}") for n in range(40)]
    found += [edge(f"mid-{n:02}", f"leaf-{n:02}-{m}") for n in range(40) for m in range(3)]
    found += [edge("mid-07", "odd"), edge("odd", "odder")]
    grouped = group_alike(found)
    assert {name: len(names) for name, names in grouped.members.items()} == {
        "mid-00 and 38 more": 39,
        "leaf-00-0 and 116 more": 117,
    }
    assert ("mid-07", "odd") in [(e.source, e.destination) for e in grouped.edges]


@pytest.mark.parametrize("seed", range(20))
def test_every_request_is_in_one_edge(seed: int) -> None:
    random = Random(seed)
    names = [f"n{i}" for i in range(60)]
    pairs = dict.fromkeys((random.choice(names[:20]), random.choice(names)) for _ in range(120))
    found = [edge(*pair, requests=random.randint(1, 50), good=random.choice([1.0, 1.0, 0.5])) for pair in pairs]
    grouped = group_alike(found)
    assert sum(e.requests for e in grouped.edges) == sum(e.requests for e in found)
    assert sum(e.requests * e.good for e in grouped.edges) == pytest.approx(sum(e.requests * e.good for e in found))
    assert sum(grouped.parts) == len(found)
    members = [name for names in grouped.members.values() for name in names]
    assert len(members) == len(set(members))
