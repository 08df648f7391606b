"""Distributions of times as a scenario writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.errors import InputError
from meshsim.units import MILLISECOND, SECOND, Distribution, Family, empirical, format_distribution, parse_distribution

MS = MILLISECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5ms", Distribution(Family.FIXED, 5 * MS)),
        ("fixed(5ms)", Distribution(Family.FIXED, 5 * MS)),
        ("0s", Distribution(Family.FIXED, 0)),
        ("exponential(10ms)", Distribution(Family.EXPONENTIAL, 10 * MS)),
        ("lognormal(8ms, 1.4)", Distribution(Family.LOGNORMAL, 8 * MS, factor=1.4)),
        ("LogNormal( 8ms ,1 )", Distribution(Family.LOGNORMAL, 8 * MS, factor=1.0)),
        ("gamma(10ms, 2)", Distribution(Family.GAMMA, 10 * MS, factor=2.0)),
        ("pareto(5ms, 2.5)", Distribution(Family.PARETO, 5 * MS, factor=2.5)),
        ("uniform(0s, 1s)", Distribution(Family.UNIFORM, 0, SECOND)),
        (
            "empirical(p0 1ms, p50: 2ms, P99.9=7ms, p100 9ms)",
            empirical([(0, MS), (0.5, 2 * MS), (0.999, 7 * MS), (1, 9 * MS)]),
        ),
    ],
)
def test_parse(text: str, expected: Distribution) -> None:
    assert parse_distribution(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (5, "a time needs a unit, 5 is a bare number"),
        ("5", "'5' in '5' is a bare number"),
        ("lognormal(8, 1.4)", "'8' in 'lognormal(8, 1.4)' is a bare number"),
        ("lognorm(8ms, 1.4)", "did you mean 'lognormal'?"),
        ("gamma(8ms)", "has 1 parameter(s), gamma takes 2"),
        ("exponential()", "has 0 parameter(s), exponential takes 1"),
        ("uniform(3ms, 1ms)", "ends before it starts"),
        ("lognormal(8ms, 0.5)", "must be a number of at least 1"),
        ("gamma(8ms, nan)", "must be a number greater than 0 (shape)"),
        ("gamma(8ms, 0)", "must be a number greater than 0 (shape)"),
        ("pareto(8ms, inf)", "must be a number greater than 0 (tail index)"),
        ("exponential(0s)", "must be positive"),
        ("-5ms", "must be positive"),
        ("soon", "is not a time or distribution"),
        ("empirical()", "goes from p0, the least value, to p100, the greatest"),
        ("empirical(p0 1ms, p99 5ms)", "goes from p0, the least value, to p100, the greatest"),
        ("empirical(p0 1ms, 5ms)", "'5ms' in 'empirical(p0 1ms, 5ms)' is not a quantile"),
        ("empirical(p0 1ms, p101 5ms)", "'p101 5ms' in"),
        ("empirical(p0 1, p100 5ms)", "'1' in 'empirical(p0 1, p100 5ms)' is a bare number"),
        (
            "empirical(p0 1ms, p90 5ms, p50 6ms, p100 7ms)",
            "quantiles p90 and p50 of an empirical distribution do not rise",
        ),
        ("empirical(p0 1ms, p90 8ms, p100 7ms)", "quantiles p90 and p100 of an empirical distribution do not rise"),
    ],
)
def test_refused(text: str | float, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_distribution(text)
    assert expected in str(caught.value)


_SPANS = st.integers(1, 10**12)


def _points(inner: list[int], values: list[int]) -> list[tuple[float, int]]:
    """As many quantiles as there are values; shares in thousandths."""
    shares = [0.0, *(share / 1000 for share in sorted(set(inner))), 1.0]
    return list(zip(shares, sorted(values), strict=False))


@given(
    st.one_of(
        st.builds(Distribution, st.sampled_from([Family.FIXED, Family.EXPONENTIAL]), _SPANS),
        st.builds(
            Distribution,
            st.sampled_from([Family.LOGNORMAL, Family.GAMMA, Family.PARETO]),
            _SPANS,
            factor=st.floats(1, 1000, exclude_max=True),
        ),
        st.builds(lambda a, b: Distribution(Family.UNIFORM, min(a, b), max(a, b)), _SPANS, _SPANS),
        st.lists(st.integers(1, 999), max_size=6, unique=True).flatmap(
            lambda inner: st.lists(_SPANS, min_size=len(inner) + 2, max_size=len(inner) + 2).map(
                lambda values: empirical(_points(inner, values))
            )
        ),
    )
)
def test_printing_round_trips(distribution: Distribution) -> None:
    assert parse_distribution(format_distribution(distribution)) == distribution
    assert str(distribution) == format_distribution(distribution)
