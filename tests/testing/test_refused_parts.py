"""The further cases: on both sides, each told apart by its name."""

from __future__ import annotations

from collections import Counter

from meshsim.testing.refusals import cases
from meshsim.testing.refused_parts import part_cases
from meshsim.xds import type_urls


def test_every_type_has_resources_that_are_taken_and_that_are_refused() -> None:
    found = part_cases(81)
    names = [(c.type_url, c.name) for c in (*found, *cases(81, 80))]
    assert len(set(names)) == len(names)
    sides = Counter((type_urls.SHORT[c.type_url], c.accepted) for c in found)
    assert all(sides[kind, accepted] for kind in ("cds", "eds", "lds", "rds") for accepted in (True, False))
