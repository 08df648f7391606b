"""The exponential numbers of the event core: layers of one size, and the exact distribution also at its edges."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple, cast

import pytest

from meshsim.dataplane import core
from meshsim.dataplane.core import TAIL, State, draw, exponential, mix
from meshsim.dataplane.ziggurat import LAYERS, PLACES, edges, heights, layer_words

_N = 200_000
_CRITICAL = 1.95
"""Kolmogorov's statistic that one in a thousand exact samples exceeds."""


class _Layers(NamedTuple):
    """The columns that drawing needs."""

    layer: list[int]
    height: list[int]


_STATE = cast("State", _Layers(layer_words(), heights()))


def _sample() -> list[float]:
    return sorted(exponential(_STATE, draw(mix(i), 7)) for i in range(_N))


def _distance(ordered: list[float]) -> float:
    """Kolmogorov's statistic against the exponential distribution."""
    n = len(ordered)
    return max(abs((i + 0.5) / n - (1 - math.exp(-x))) for i, x in enumerate(ordered)) * math.sqrt(n)


def test_layers_have_one_size_and_end_at_the_top() -> None:
    found = edges()
    size = TAIL * math.exp(-TAIL) + math.exp(-TAIL)
    for low, high in itertools.pairwise(found[1:]):
        assert low * (math.exp(-high) - math.exp(-low)) == pytest.approx(size, rel=1e-9)
    assert len(found) == LAYERS + 1
    assert found[-1] == 0.0


def test_nearly_all_places_need_no_curve() -> None:
    words = layer_words()
    assert sum(words[:-2:2]) / (LAYERS * PLACES) == pytest.approx(0.978, abs=0.001)


def test_numbers_are_exponential() -> None:
    ordered = _sample()
    assert _distance(ordered) < _CRITICAL
    assert sum(ordered) / _N == pytest.approx(1.0, abs=4 / math.sqrt(_N))


def test_the_tail_is_exponential_too() -> None:
    beyond = sorted(x - TAIL for i in range(_N) if (x := core.at_edge(_STATE, (PLACES - 1 - i) << 32)) >= TAIL)
    assert len(beyond) == _N
    assert _distance(beyond) < _CRITICAL


def test_edges_follow_the_curve() -> None:
    """Of the places between a layer's edge and the next the share under the curve counts; others draw anew."""
    words = layer_words()
    for at in (1, 100, LAYERS - 1):
        edge, inner = edges()[at : at + 2]
        kept = 0
        for i in range(20_000):
            place = int(inner / edge * PLACES) + int((i + 0.5) / 20_000 * (1 - inner / edge) * PLACES)
            kept += core.at_edge(_STATE, place << 32 | at << 1) == place * words[2 * at + 1] * core.PLACE
        low, high = math.exp(-edge), math.exp(-inner)
        under = (high - low - low * (edge - inner)) / ((edge - inner) * (high - low))
        assert kept / 20_000 == pytest.approx(under, abs=0.015)


def test_a_wrong_edge_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    words = layer_words()
    for at in range(LAYERS // 2):
        words[2 * at + 1] += words[2 * at + 1] // 20
    monkeypatch.setattr(f"{__name__}._STATE", cast("State", _Layers(words, heights())))
    assert _distance(_sample()) > _CRITICAL
