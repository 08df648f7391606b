"""Random numbers of a stream: exact probabilities, and what they share."""

from __future__ import annotations

from fractions import Fraction

import pytest

from meshsim.dataplane.decide.chances import Chance, Fixed, Fractional, Undrawn, decode_fraction, enumerate_chances
from meshsim.xds.messages import percent_pb2


def test_half_the_streams_then_half_the_weights_is_all_of_the_first() -> None:
    """50 % runtime fraction and 50/50 weights: the real Envoy gave 311 to 0, both look at one number."""

    def decide(chance: Chance) -> str:
        if not chance.stream_below(100, 50):
            return "missed"
        return ("first", "second")[chance.stream_interval(100, (50, 100))]

    found = {result: share for share, result in enumerate_chances(decide)}
    assert found == {"missed": Fraction(1, 2), "first": Fraction(1, 2)}


def test_a_thirty_seventy_split_behind_half() -> None:
    def decide(chance: Chance) -> str:
        if not chance.stream_below(100, 50):
            return "missed"
        return ("first", "second")[chance.stream_interval(100, (30, 100))]

    shares = {result: share for share, result in enumerate_chances(decide)}
    assert shares["first"] == Fraction(30, 100)
    assert shares["second"] == Fraction(20, 100)


@pytest.mark.parametrize(("first", "second"), [((100, 37), (7, 3)), ((10_000, 5), (100, 1)), ((6, 1), (4, 3))])
def test_shares_equal_counting(first: tuple[int, int], second: tuple[int, int]) -> None:
    def decide(chance: Chance) -> tuple[bool, bool]:
        return chance.stream_below(*first), chance.stream_below(*second)

    whole = first[0] * second[0]
    shares = {result: share for share, result in enumerate_chances(decide)}
    assert sum(shares.values()) == 1
    for answer, share in shares.items():
        hits = sum(answer == (n % first[0] < first[1], n % second[0] < second[1]) for n in range(whole))
        assert share == Fraction(hits, whole)


def test_fresh_numbers_are_independent() -> None:
    def decide(chance: Chance) -> tuple[bool, bool]:
        return chance.fresh_below(100, 10), chance.fresh_below(100, 10)

    shares = {result: share for share, result in enumerate_chances(decide)}
    assert shares[True, True] == Fraction(1, 100)


def test_weights_under_a_condition() -> None:
    def decide(chance: Chance) -> tuple[int, ...]:
        chance.stream_below(100, 50)
        return tuple(chance.stream_weights(100, (30, 100)))

    assert [weights for _, weights in enumerate_chances(decide)] == [(3, 2), (0, 1)]
    assert Fixed(31).stream_weights(100, (30, 100)) == [0, 1]


def test_undrawn_takes_what_can_happen() -> None:
    undrawn = Undrawn()
    assert undrawn.stream_below(100, 1)
    assert not undrawn.fresh_below(100, 0)
    assert undrawn.stream_weights(100, (30, 100)) == [30, 70]
    assert undrawn.stream_interval(100, (0, 100)) == 1


def test_certain_answers_are_not_branched() -> None:
    assert len(enumerate_chances(lambda chance: chance.fresh_below(100, 100))) == 1
    assert len(enumerate_chances(lambda chance: chance.stream_below(100, 0))) == 1


def test_fractions() -> None:
    million = percent_pb2.FractionalPercent(numerator=5, denominator=percent_pb2.FractionalPercent.MILLION)
    assert decode_fraction(million) == Fractional(5, 1_000_000)
    assert Fractional(1, 100).parts_per_million == 10_000
    assert Fractional(200, 100).always
    assert Fractional(0, 100).never
    assert Fixed(149).stream_below(100, 50)
    assert Fixed(7).fresh_below(10, 8)
